"""`make faults`: one fault after the other, healed and counted; the long form.

`--seed` repeats a run as far as threads allow, `--only` plays the faults whose names hold a word,
`--quick` the short form of the tests. Ends with status 1 where a figure is bad.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path
from random import Random

from rich.console import Console
from rich.table import Table

from tests.faults.breaking import Stage
from tests.faults.counts import KINDS, PROMISED_MS, SLACK_MS, Counted, counted, missing
from tests.faults.faults import FAULTS, Fault
from tests.faults.shoppers import Metronome, Sent, Shoppers
from tests.faults.world import World, known_cards, wait_until

CARDS = 8
LONG_S, QUICK_S = 10.0, 0.8
GOOD_IN_A_ROW = 12
UNTIL_LOST_S = 30.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    parser.add_argument("--only", default="")
    parser.add_argument("--seconds", type=float, help="how long each fault lasts")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--pooled", action="store_true", help="reach the database by PgBouncer")
    parser.add_argument("--json", type=Path, help="write the rows there as well")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))
    console = Console(width=120)
    console.print(f"Seed {options.seed}: --seed {options.seed} repeats this run.")
    chosen = [
        fault
        for fault in FAULTS
        if options.only in fault.name and (fault.is_quick or not options.quick)
    ]
    # Where the database's own user can reach it.
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        seconds = options.seconds or (QUICK_S if options.quick else LONG_S)
        rows = _play_all(
            chosen,
            options.seed,
            seconds,
            directory,
            is_pooled=options.pooled,
            is_quick=options.quick,
        )
    console.print(_table(rows))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows]))
    sys.exit(int(any(row.is_bad for row in rows)))


def _play_all(
    faults: list[Fault],
    seed: int,
    seconds: float,
    directory: str,
    *,
    is_pooled: bool,
    is_quick: bool,
) -> list[Counted]:
    metronome = Metronome()
    world = World(Path(directory), is_pooled=is_pooled)
    try:
        plays = [
            _Play(world, fault, Random(f"{seed} {fault.name}"), number, seconds)
            for number, fault in enumerate(faults)
        ]
        _let_the_cards_be_known(world, plays)
        rows = []
        for play in plays:
            # The proofs read all that was ever asked: in the short form once, of all faults.
            row = play.row(metronome, with_proofs=not is_quick or play is plays[-1])
            rows.append(row)
            print("\n".join([_line(row), *row.complaints()]), file=sys.stderr, flush=True)
        return rows
    finally:
        kept = Path(tempfile.gettempdir()) / f"faults-desk-{os.getuid()}.log"
        kept.write_bytes((world.directory / "desk.log").read_bytes())
        world.close()


def _let_the_cards_be_known(world: World, plays: list["_Play"]) -> None:
    """To the desk, and to the copy that stand-in rests on."""
    for shoppers in (play.shoppers for play in plays):
        for card_id in shoppers.cards:
            shoppers.ask(shoppers.question(card_id))
    wanted = {card_id for play in plays for card_id in play.shoppers.cards}
    wait_until(lambda: wanted <= known_cards(world.spool_dir))


def _line(row: Counted) -> str:
    return (
        f"{'BAD ' if row.is_bad else ''}{row.name}: {row.answered} of {row.sent} answered, "
        f"{row.stood_in} by stand-in, worst {row.worst_ms:.0f} ms, of which this machine may have "
        f"stalled {row.worst_stall_ms:.0f}; back "
        f"after {row.back_after_s:.1f} s; "
        + ", ".join(f"{kind} {len(getattr(row, kind))}" for kind in KINDS)
    )


class _Play:
    """One fault from its beginning until the books can be looked at."""

    def __init__(
        self, world: World, fault: Fault, chance: Random, number: int, seconds: float
    ) -> None:
        self._world, self._fault, self._seconds = world, fault, seconds
        self._chance = chance
        self.shoppers = Shoppers(world.port, world.secret, f"f{number}x", CARDS, chance)

    def row(self, metronome: Metronome, *, with_proofs: bool) -> Counted:
        shoppers, fault, world = self.shoppers, self._fault, self._world
        stopped = threading.Event()
        shoppers.rate = fault.rate
        paying = threading.Thread(target=shoppers.pay, args=(stopped,))
        paying.start()
        try:
            self._play()
            back_after_s = self._back_after_s()
        finally:
            stopped.set()
            paying.join()
        shoppers.write(world.directory / "answers.jsonl")
        self._wait_for_the_books()
        row = counted(
            fault.name,
            shoppers.log,
            metronome,
            world.spool_dir,
            answers_may_be_missing=fault.answers_may_be_missing,
            with_proofs=with_proofs,
        )
        row.back_after_s = back_after_s
        return row

    def _play(self) -> None:
        over = threading.Event()
        timer = threading.Timer(self._seconds, over.set)
        try:
            time.sleep(0.3)
            timer.start()
            stage = Stage(self._world, self.shoppers, self._chance, over, self._seconds)
            self._fault.play(stage)
        finally:
            over.set()
            timer.cancel()
            self.shoppers.rate = self._fault.rate
            with self.shoppers.stepping(0):
                self._world.heal()

    def _back_after_s(self) -> float:
        """How long after the fault the database decides again."""
        healed = time.monotonic()

        def is_back() -> bool:
            last = sorted(self.shoppers.log[-2 * GOOD_IN_A_ROW :], key=_began)[-GOOD_IN_A_ROW:]
            return len(last) == GOOD_IN_A_ROW and all(
                sent.began > healed and sent.is_answered and "stand_in" not in sent.metadata
                for sent in last
            )

        wait_until(is_back)
        return time.monotonic() - healed

    def _wait_for_the_books(self) -> None:
        """Until all is in them that was answered; no longer than something still comes in."""
        from django.db import connection

        connection.close()  # the fault may have broken it
        left, since = len(self.shoppers.log) + 1, time.monotonic()
        while time.monotonic() - since < UNTIL_LOST_S:
            still = len(missing(self.shoppers.log))
            if not still and not any(self._world.spool_dir.glob("*.spool")):
                return
            if still < left:
                left, since = still, time.monotonic()
            time.sleep(0.1)


def _began(sent: Sent) -> float:
    return sent.began


def _table(rows: list[Counted]) -> Table:
    table = Table(
        *("fault", "sent", "answered", "stand-in", "worst ms", *KINDS, "back after s"),
        caption=f"Late: over {PROMISED_MS} ms plus {SLACK_MS} ms for the machine's scheduler and "
        "what it was seen to stall.",
    )
    for row in rows:
        figures = [len(getattr(row, kind)) for kind in KINDS]
        table.add_row(
            row.name,
            f"{row.sent:,}",
            f"{row.answered:,}",
            f"{row.stood_in:,}",
            f"{row.worst_ms:.0f}",
            *(str(figure) if not figure else f"[red]{figure}[/red]" for figure in figures),
            f"{row.back_after_s:.1f}",
        )
    return table


if __name__ == "__main__":
    main()
