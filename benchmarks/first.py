"""`make bench-first`: how long the first purchases take after a start, beside the hundredth.

Once a server with one process is ready, purchases are sent one after the other on one connection;
then it is started again. (A second one would still be loading and take processor time.) The
cards were used before, so that only the start makes a difference.
"""

import http.client
import os
import statistics
import time
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import traffic
from benchmarks.database import Database
from benchmarks.figures import prepare
from benchmarks.scratch import scratch_directory
from benchmarks.servers import DESK, PORT, SECRET, Server, running

STARTS = int(os.environ.get("BENCH_STARTS") or 15)
LAST = 110
SERVER = Server("one process", [*DESK.command[:-1], "1"], notifies=True)
HUNDREDTHS = range(91, LAST)
"""Their median stands for the hundredth's time: a single one may coincide with a checkpoint."""


def main() -> None:
    console = Console()
    with scratch_directory() as directory, Database(directory) as database:
        prepare(database, directory)
        requests = directory / "requests"
        begun = [
            _one_start(database, requests, turn)
            for turn in track(range(STARTS + 1), "Starting", console=console)
        ][1:]  # in the first one the cards are new
    table = Table("purchase", "median ms", "slowest ms")
    for place in (0, 1, 2, 4, 9):
        table.add_row(f"{place + 1}", *_figures([times[place] for times in begun]))
    hundredths = [statistics.median(times[it] for it in HUNDREDTHS) for times in begun]
    table.add_row("100", *_figures(hundredths))
    console.print(table)


def _figures(times_ms: list[float]) -> tuple[str, str]:
    return f"{statistics.median(times_ms):.1f}", f"{max(times_ms):.1f}"


def _one_start(database: Database, requests: Path, turn: int) -> list[float]:
    """The milliseconds that each purchase took after one start."""
    bodies = traffic.requests(traffic.SPREAD, LAST + traffic.SPREAD.count, seed=turn)
    traffic.write(requests, SECRET, bodies)
    lines = requests.read_text().splitlines()
    asked = list(zip(lines[::2], lines[1::2], strict=True))
    with running(SERVER, database.environment):
        client = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
        _wait_until_ready(client)
        times = [_milliseconds(client, *it) for it in asked[:LAST]]
        if turn == 0:  # each card is to be known to the next starts
            for it in asked[LAST:] * 3:
                _milliseconds(client, *it)
        client.close()
    return times


def _wait_until_ready(client: http.client.HTTPConnection) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        client.request("GET", "/readyz", headers={"X-Forwarded-Proto": "https"})
        response = client.getresponse()
        response.read()
        if response.status == 200:
            return
        time.sleep(0.05)
    raise RuntimeError("The server did not say that it is ready.")


def _milliseconds(client: http.client.HTTPConnection, signature: str, body: str) -> float:
    headers = {"Stripe-Signature": signature, "Content-Type": "application/json"}
    began = time.perf_counter()
    client.request("POST", "/webhook", body.encode(), headers)
    response = client.getresponse()
    response.read()
    took_ms = (time.perf_counter() - began) * 1000
    if response.status != 200:
        raise RuntimeError(f"A purchase was answered with {response.status}.")
    return took_ms


if __name__ == "__main__":
    main()
