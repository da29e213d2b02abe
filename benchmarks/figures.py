"""The figures of `make bench`: each a ratio of two loads measured in turns in one run."""

import json
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import decide, in_force, traffic
from benchmarks.database import Database
from benchmarks.loads import Load, Measuring
from benchmarks.processes import memory_mb
from benchmarks.readers import reading
from benchmarks.scratch import scratch_directory
from benchmarks.servers import (
    DESK,
    DESK_GUNICORN,
    FLASK,
    FLASK_GUNICORN,
    PORT,
    ROOT,
    Server,
    running,
)
from tests.deploy import serving

_LIFE = ("request", "created", "transaction", "update")


@dataclass(frozen=True)
class Figure:
    """`value` compares `what` with `against`; the aim is a least or, with `at_most`, a most."""

    what: str
    against: str
    value: float
    aim: float
    at_most: bool = False
    note: str = ""

    @property
    def is_reached(self) -> bool:
        return self.value <= self.aim if self.at_most else self.value >= self.aim


@dataclass(frozen=True)
class Bench:
    """Where the benchmark works, the desk's database, and how long it measures."""

    directory: Path
    database: Database
    rounds: int
    seconds: float
    before: str

    @contextmanager
    def serving(self, server: Server, database: Database | None = None) -> Iterator[Measuring]:
        """The server, warm."""
        base = database or self.database
        keeps = base if server in (DESK, DESK_GUNICORN) else None
        with running(server, base.environment, base.root) as pid:
            measuring = Measuring(pid, self.directory, keeps)
            measuring.closed(traffic.SPREAD, 8, 2, seed=time.time_ns())
            yield measuring


def prepare(database: Database, directory: Path) -> None:
    """Policies in force, a group, and each card known, as after a day of use."""
    name = decide.POLICY["name"]
    file = {
        "policies": [decide.POLICY],
        "groups": [{"name": traffic.GROUP, "cards": traffic.GROUPED.ids()}],
        "assignments": [
            {"policy": name, "program": True},
            {"policy": name, "group": traffic.GROUP},
        ],
    }
    _load(file, database, directory)


def _load(file: dict[str, Any], database: Database, directory: Path) -> None:
    policies = directory / "policies.json"
    policies.write_text(json.dumps(file))
    database.manage("import_policies", str(policies), "--allow-new-spending")


def rates(bench: Bench) -> Iterator[Figure]:
    """Durable decisions a second beside Stripe's quickstart, which keeps nothing."""
    many = (8, 16, 64)
    cells: list[tuple[Server, traffic.Cards, int]] = [
        *((DESK, traffic.SPREAD, connections) for connections in many),
        *((DESK, hot, 16) for hot in (traffic.HOT_CARD, traffic.HOT_HOLDER, traffic.GROUPED)),
        (FLASK, traffic.SPREAD, 8),
        *((DESK_GUNICORN, traffic.SPREAD, connections) for connections in many),
        *((FLASK_GUNICORN, traffic.SPREAD, connections) for connections in many),
    ]
    found: dict[tuple[str, str, int], list[Load]] = {}
    for turn in range(bench.rounds):
        for server in (DESK, DESK_GUNICORN, FLASK, FLASK_GUNICORN):
            with bench.serving(server) as measuring:
                for _, cards, connections in (cell for cell in cells if cell[0] is server):
                    if turn == 0 and server is DESK:  # so that each card is known
                        measuring.closed(cards, connections, 1, seed=time.time_ns())
                    load = measuring.closed(cards, connections, bench.seconds, time.time_ns())
                    found.setdefault((server.name, cards.name, connections), []).append(load)

    def median(
        of: str, server: Server, connections: int, cards: traffic.Cards = traffic.SPREAD
    ) -> float:
        loads = found[server.name, cards.name, connections]
        values: list[float] = [getattr(load, of) for load in loads]
        return statistics.median(values)

    rate, p99_ms, cpu_ms = (partial(median, of) for of in ("rate", "p99_ms", "cpu_ms"))
    for connections, other, aim in (
        (8, FLASK, 3.0),
        (8, FLASK_GUNICORN, 1.2),
        (16, FLASK_GUNICORN, 1.3),
        (64, FLASK_GUNICORN, 1.7),
    ):
        ours, theirs = rate(DESK, connections), rate(other, connections)
        note = f"{ours:,.0f} against {theirs:,.0f} a second"
        what = f"decisions a second, {connections} connections"
        yield Figure(what, other.name, ours / theirs, aim, note=note)
    for connections in many:
        ours, theirs = rate(DESK, connections), rate(DESK_GUNICORN, connections)
        ours_ms, theirs_ms = p99_ms(DESK, connections), p99_ms(DESK_GUNICORN, connections)
        note = f"{ours:,.0f} against {theirs:,.0f} a second, "
        note += f"p99 {ours_ms:.1f} against {theirs_ms:.1f} ms"
        what = f"decisions a second, {connections} connections"
        yield Figure(what, DESK_GUNICORN.name, ours / theirs, 1.0, note=note)
    for connections, aim in ((8, 0.7), (64, 0.45)):
        ours, theirs = cpu_ms(DESK, connections), cpu_ms(FLASK_GUNICORN, connections)
        note = f"{ours:.2f} against {theirs:.2f} ms"
        what = f"processor time a decision, {connections} connections"
        yield Figure(what, FLASK_GUNICORN.name, ours / theirs, aim, at_most=True, note=note)
    for name, cards in (
        ("one hot card", traffic.HOT_CARD),
        ("one hot cardholder", traffic.HOT_HOLDER),
        ("one shared group", traffic.GROUPED),
    ):
        ours, spread = rate(DESK, 16, cards), rate(DESK, 16)
        note = f"{ours:,.0f} against {spread:,.0f} a second"
        yield Figure(f"{name}, 16 connections", "each its own", ours / spread, 0.8, note=note)


def behind_nginx(bench: Bench) -> Iterator[Figure]:
    """Durable decisions a second as deployed: behind nginx, over TLS."""
    connections = 8
    found: dict[str, list[Load]] = {DESK.name: [], FLASK_GUNICORN.name: []}
    directory = bench.directory / "nginx"
    directory.mkdir()
    ports = replace(serving.free_ports(), webhook=PORT)
    with serving.nginx(directory, ports):
        for _ in range(bench.rounds):
            for server in (DESK, FLASK_GUNICORN):
                with bench.serving(server) as bare:
                    measuring = replace(
                        bare, address=f"https://127.0.0.1:{ports.https}", host=serving.HOST
                    )
                    seed = time.time_ns()
                    load = measuring.closed(traffic.SPREAD, connections, bench.seconds, seed)
                    found[server.name].append(load)
    ours, theirs = (statistics.median(it.rate for it in loads) for loads in found.values())
    ours_ms, theirs_ms = (statistics.median(it.p99_ms for it in loads) for loads in found.values())
    note = f"{ours:,.0f} against {theirs:,.0f} a second, "
    note += f"p99 {ours_ms:.1f} against {theirs_ms:.1f} ms"
    what = f"decisions a second behind nginx, {connections} connections"
    yield Figure(what, f"{FLASK_GUNICORN.name}, behind nginx", ours / theirs, 1.2, note=note)


def due_times(bench: Bench) -> Iterator[Figure]:
    """Open loop: 100 requests a second, each counted from when it was due."""
    latencies: dict[str, list[float]] = {DESK.name: [], FLASK_GUNICORN.name: []}
    for _ in range(bench.rounds):
        for server in (DESK, FLASK_GUNICORN):
            with bench.serving(server) as measuring:
                count = int(100 * bench.seconds)
                bodies = traffic.requests(traffic.SPREAD, count, time.time_ns())
                due = [(10.0 * place, body) for place, body in enumerate(bodies)]
                load, _ = measuring.timed(due, 64, decided=count)
                latencies[server.name].append(load.p99_ms)
    ours, theirs = (statistics.median(of) for of in latencies.values())
    note = f"{ours:.1f} against {theirs:.1f} ms"
    what = "p99 at 100 requests a second"
    yield Figure(what, FLASK_GUNICORN.name, ours / theirs, 1.4, at_most=True, note=note)


def beside_later_events(bench: Bench) -> Iterator[Figure]:
    """50 purchases a second, alone and with three later events for each."""
    alone: list[float] = []
    beside: list[float] = []
    with bench.serving(DESK) as measuring:
        for _ in range(bench.rounds):
            for latencies, is_beside in ((alone, False), (beside, True)):
                lives = traffic.lives(traffic.SPREAD, int(50 * bench.seconds), time.time_ns())
                events = [
                    (20.0 * place + (1_000 + 5 * step if step else 0), step, body)
                    for place, life in enumerate(lives)
                    for step, body in enumerate(life if is_beside else life[:1])
                ]
                events.sort()
                due = [(due_ms, body) for due_ms, _, body in events]
                _, times = measuring.timed(due, 64, decided=len(lives), settling_s=1)
                of_requests = [
                    took for (_, step, _), took in zip(events, times, strict=True) if step == 0
                ]
                latencies.append(_p99(of_requests))
    ours, base = statistics.median(beside), statistics.median(alone)
    what, note = "p99 at 50 purchases a second, three later events each", f"{ours:.1f} ms"
    against = f"without them, {base:.1f} ms"
    yield Figure(what, against, ours / base, 1.5, at_most=True, note=note)


def _p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)]


def whole_lives(bench: Bench) -> Iterator[Figure]:
    """Processor time of a purchase's whole life, beside an earlier commit's."""
    with _checkout(bench.before) as root, scratch_directory() as at, Database(at, root) as before:
        prepare(before, bench.directory)
        totals: dict[int, list[dict[str, float]]] = {}
        for _ in range(bench.rounds):
            # An earlier commit has no `manage.py serve`.
            for server, database in ((DESK, bench.database), (DESK_GUNICORN, before)):
                with bench.serving(server, database) as measuring:
                    totals.setdefault(id(database), []).append(_life_ms(measuring))
    ours, theirs = (
        {part: statistics.median(of[part] for of in rounds) for part in _LIFE}
        for rounds in (totals[id(bench.database)], totals[id(before)])
    )
    total, base = sum(ours.values()), sum(theirs.values())
    parts = ", ".join(f"{part} {ours[part]:.2f} ({theirs[part]:.2f})" for part in _LIFE)
    what, against = "processor time of a purchase's whole life", f"commit {bench.before[:7]}"
    note = f"{total:.1f} against {base:.1f} ms: {parts}"
    yield Figure(what, against, total / base, 0.35, at_most=True, note=note)


def _life_ms(measuring: Measuring) -> dict[str, float]:
    """Milliseconds of the processor for each of the four events, one kind after the other."""
    lives = traffic.lives(traffic.SPREAD, 400, time.time_ns())
    found = {}
    for step, part in enumerate(_LIFE):
        due = [(0.0, life[step]) for life in lives]
        decided = 0 if step else len(lives)
        load, _ = measuring.timed(due, 8, decided=decided, settling_s=2)
        found[part] = load.cpu_ms
    return found


@contextmanager
def _checkout(commit: str) -> Iterator[Path]:
    """The project as it was at a commit of this clone."""
    with scratch_directory() as directory:
        root = directory / "before"
        command = ["git", "worktree", "add", "--detach", "--quiet", str(root), commit]
        subprocess.run(command, cwd=ROOT, check=True)
        try:
            yield root
        finally:
            remove = ["git", "worktree", "remove", "--force", str(root)]
            subprocess.run(remove, cwd=ROOT, check=True)


def beside_readers(bench: Bench) -> Iterator[Figure]:
    """50 purchases a second, alone and while 20 heavy searches and an export are asked for."""
    alone: list[float] = []
    beside: list[float] = []
    bench.database.manage("digest")
    with bench.serving(DESK) as measuring:
        for _ in range(bench.rounds):
            alone.append(_paced(measuring, bench.seconds))
            with reading(bench.database, searches=20):
                beside.append(_paced(measuring, bench.seconds))
    ours, base = statistics.median(beside), statistics.median(alone)
    what, note = "p99 at 50 purchases a second, 20 searches and an export", f"{ours:.1f} ms"
    against = f"without them, {base:.1f} ms"
    yield Figure(what, against, ours / base, 2.0, at_most=True, note=note)


def _paced(measuring: Measuring, seconds: float) -> float:
    count = int(50 * seconds)
    bodies = traffic.requests(traffic.SPREAD, count, time.time_ns())
    due = [(20.0 * place, body) for place, body in enumerate(bodies)]
    load, _ = measuring.timed(due, 64, decided=count)
    return load.p99_ms


def first_purchases(bench: Bench) -> Iterator[Figure]:
    """A card's first purchase beside its second: cards and cardholders are new to the desk."""
    first: list[float] = []
    second: list[float] = []
    with bench.serving(DESK) as measuring:
        for turn in range(bench.rounds):
            cards = traffic.Cards(f"new{turn}x{time.time_ns()}x", 1_000)
            for found in (first, second):
                bodies = traffic.requests(cards, cards.count, time.time_ns(), in_turn=True)
                due = [(0.0, body) for body in bodies]
                load, _ = measuring.timed(due, 8, decided=cards.count)
                found.append(load.cpu_ms)
    ours, base = statistics.median(first), statistics.median(second)
    note = f"{ours:.2f} against {base:.2f} ms"
    what, against = "processor time of a card's first purchase", "its second"
    yield Figure(what, against, ours / base, 1.5, at_most=True, note=note)


def fresh_tables(bench: Bench) -> Iterator[Figure]:
    """PostgreSQL's processor time where nothing was ever analyzed, beside where it was."""
    fresh: list[float] = []
    analyzed: list[float] = []
    for _ in range(bench.rounds):
        with scratch_directory() as directory, Database(directory) as database:
            prepare(database, bench.directory)
            for found in (fresh, analyzed):
                with bench.serving(DESK, database) as measuring:
                    load = measuring.closed(traffic.SPREAD, 8, bench.seconds, time.time_ns())
                    found.append(load.database_ms)
                database.rows("ANALYZE")
    ours, base = statistics.median(fresh), statistics.median(analyzed)
    note = f"{ours:.2f} against {base:.2f} ms"
    what = "PostgreSQL's processor time a decision, fresh database"
    yield Figure(what, "analyzed", ours / base, 1.1, at_most=True, note=note)


def instructions(bench: Bench) -> Iterator[Figure]:
    """Processor time of a decision with something of each kind in force, beside limits alone."""
    found: dict[tuple[bool, int], list[float]] = {}
    with (
        scratch_directory() as one,
        Database(one) as without,
        scratch_directory() as other,
        Database(other) as with_all,
    ):
        desks = [(False, without), (True, with_all)]
        _load(in_force.plain(), without, one)
        _load(in_force.instructed(), with_all, other)
        for turn in range(bench.rounds):
            for is_with_all, database in desks if turn % 2 else desks[::-1]:
                with bench.serving(DESK, database) as measuring:
                    for connections in (8, 64):
                        seed = time.time_ns()
                        load = measuring.closed(traffic.SPREAD, connections, bench.seconds, seed)
                        found.setdefault((is_with_all, connections), []).append(load.cpu_ms)
    for connections in (8, 64):
        ours, base = (statistics.median(found[it, connections]) for it in (True, False))
        what = f"processor time with one of each in force, {connections} connections"
        note = f"{ours:.2f} against {base:.2f} ms"
        yield Figure(what, "limits alone", ours / base, 1.1, at_most=True, note=note)


def memory(bench: Bench) -> Iterator[Figure]:
    """What a worker holds more after 100,000 decisions than after 1,000."""
    with bench.serving(DESK) as measuring:
        measuring.closed(traffic.SPREAD, 64, 2, time.time_ns())
        early, decided = memory_mb(measuring.pid), 0
        until = time.monotonic() + 90
        while decided < 100_000 and time.monotonic() < until:
            decided += measuring.closed(traffic.SPREAD, 64, 10, time.time_ns()).answers
        grown = memory_mb(measuring.pid) - early
    what, note = f"MB more after {decided:,} decisions", f"{early:.0f} MB before"
    yield Figure(what, "after the first ones", grown, 5.0, at_most=True, note=note)


def core(bench: Bench) -> Iterator[Figure]:
    """decide() alone, without a server."""
    del bench
    microseconds = decide.seconds() * 1e6
    yield Figure("decide(), 10 rules and 5 limits", "µs", microseconds, 30, at_most=True)


FIGURES: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    "core": core,
    "rates": rates,
    "nginx": behind_nginx,
    "due-times": due_times,
    "lives": whole_lives,
    "later-events": beside_later_events,
    "readers": beside_readers,
    "first-purchases": first_purchases,
    "fresh-tables": fresh_tables,
    "instructions": instructions,
    "memory": memory,
}
