"""Load on a server, and what came of it: rates, latencies, processor time, rows."""

import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import traffic
from benchmarks.database import Database
from benchmarks.processes import cpu_seconds
from benchmarks.servers import PORT, ROOT, SECRET

_THREADS = 2
_MOST_PER_SECOND = 3_750


class InvalidRunError(Exception):
    """What was measured is no figure: something failed, or was not decided as it should be."""


@dataclass(frozen=True)
class Load:
    """`answers` came at `rate` a second; processor time in milliseconds an answer."""

    answers: int
    rate: float
    p50_ms: float
    p99_ms: float
    web_ms: float
    database_ms: float

    @property
    def cpu_ms(self) -> float:
        return self.web_ms + self.database_ms


@dataclass(frozen=True)
class Measuring:
    """A server that runs as `pid`, and the database it decides with; the quickstart has none.

    `closed` loads go to `address`, and name `host`.
    """

    pid: int
    directory: Path
    database: Database | None = None
    address: str = f"http://127.0.0.1:{PORT}"
    host: str = f"127.0.0.1:{PORT}"

    def closed(self, cards: traffic.Cards, connections: int, seconds: float, seed: int) -> Load:
        """As much as so many connections get answered, each sending when it has its answer."""
        count = int(_MOST_PER_SECOND * max(seconds, 1))
        return self.sent(traffic.requests(cards, count, seed), connections, seconds)

    def sent(self, bodies: Iterable[str], connections: int, seconds: float) -> Load:
        path = self.directory / "requests"
        traffic.write(path, SECRET, bodies)
        before = self._counted()
        answers, rate, p50_ms, p99_ms = self._wrk(path, connections, seconds)
        after = self._counted()
        self._check(before, after, answers, spare=connections)
        web, base = (later - sooner for sooner, later in zip(before[2:], after[2:], strict=True))
        per_answer = 1000 / answers
        return Load(answers, rate, p50_ms, p99_ms, web * per_answer, base * per_answer)

    def timed(
        self,
        due: Iterable[tuple[float, str]],
        connections: int,
        *,
        decided: int,
        settling_s: float = 0,
    ) -> tuple[Load, list[float]]:
        """Each at its time, counted from when it was due; also the milliseconds of each, in order.

        `decided` is how many of them are requests for a decision. After the last answer work in
        the background has `settling_s` seconds, and is counted.
        """
        path = self.directory / "due"
        traffic.write_due(path, SECRET, due)
        before = self._counted()
        begun = time.monotonic()
        times = _client(path, connections)
        length_s = time.monotonic() - begun
        time.sleep(settling_s)
        after = self._counted()
        self._check(before, after, decided)
        web, base = (later - sooner for sooner, later in zip(before[2:], after[2:], strict=True))
        count = len(times)
        return Load(
            answers=count,
            rate=count / length_s,
            p50_ms=statistics.median(times),
            p99_ms=p99(times),
            web_ms=web * 1000 / count,
            database_ms=base * 1000 / count,
        ), times

    def _wrk(self, path: Path, connections: int, seconds: float) -> tuple[int, float, float, float]:
        command = [
            *("wrk", f"-t{_THREADS}", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "2s"),
            *("-s", str(ROOT / "benchmarks" / "replay.lua"), self.address),
            *("--", str(path), str(_THREADS), self.host),
        ]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        [line] = [line for line in output.splitlines() if line.startswith("RESULT")]
        answers, rate, p50_ms, p99_ms, failed, repeated = line.split()[1:]
        if int(failed):
            raise InvalidRunError(f"{failed} of {answers} requests failed.")
        if int(repeated):
            raise InvalidRunError(f"{repeated} requests were sent twice: more have to be prepared.")
        return int(answers), float(rate), float(p50_ms), float(p99_ms)

    def _counted(self) -> tuple[int, int, float, float]:
        base = self.database
        decided = base.decided() if base else (0, 0)
        return *decided, cpu_seconds(self.pid), base.cpu_seconds() if base else 0.0

    def _check(
        self,
        before: tuple[int, int, float, float],
        after: tuple[int, int, float, float],
        answers: int,
        spare: int = 0,
    ) -> None:
        """A decision counts where its row is there, made with the database.

        `spare` more may be there: what was asked when the load ended, and its answer not awaited.
        """
        if self.database is None:
            return
        here, elsewhere = after[0] - before[0], after[1] - before[1]
        if elsewhere:
            raise InvalidRunError(f"{elsewhere} purchases were not decided with the database.")
        if not answers <= here <= answers + spare:
            raise InvalidRunError(f"{answers} answers, but {here} decisions in the database.")


def p99(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


def require_wrk() -> None:
    if not shutil.which("wrk"):
        sys.exit("The benchmark sends its load with wrk: apt-get install wrk")


def _client(path: Path, connections: int) -> list[float]:
    command = [sys.executable, "-m", "benchmarks.client", str(PORT), str(connections), str(path)]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    answers = json.loads(output)
    if wrong := [status for _, status in answers if status != 200]:
        raise InvalidRunError(f"{len(wrong)} of {len(answers)} were answered with {wrong[0]}.")
    return [took_ms for took_ms, _ in answers]
