"""`make bench`: the rate of durable decisions, beside Stripe's quickstart, which stores nothing.

All servers are measured in turn in one run on one machine, so that the ratios hold elsewhere, too.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import decide, traffic
from benchmarks.servers import PORT, ROOT, SECRET, SERVERS, Server, environment, running

ROUNDS = int(os.environ.get("BENCH_ROUNDS") or 3)
SECONDS = int(os.environ.get("BENCH_SECONDS") or 8)
REQUESTS = 3_750 * SECONDS
CONNECTIONS = 8
THREADS = 2


@dataclass(frozen=True)
class Run:
    """One run of wrk: rates per second, latencies in milliseconds."""

    rate: float
    p50_ms: float
    p99_ms: float
    failed: int
    repeated: int


def main() -> None:
    console = Console()
    if not shutil.which("wrk"):
        sys.exit("The benchmark sends its load with wrk: apt-get install wrk")
    console.print(decide.measured())
    # A directory that the database's own user can reach.
    with tempfile.TemporaryDirectory(prefix="desk-bench-") as directory:
        Path(directory).chmod(0o755)
        runs = _measure_all(Path(directory), console)
    console.print(_table(runs))


def _measure_all(directory: Path, console: Console) -> dict[str, list[Run]]:
    base = environment(directory / "postgres")
    prepare_desk(base, directory)
    runs: dict[str, list[Run]] = {server.name: [] for server in SERVERS}
    with console.status("Measuring...") as status:
        for turn in range(ROUNDS):
            for server in SERVERS:
                status.update(f"Round {turn + 1} of {ROUNDS}: {server.name}")
                runs[server.name].append(_measure(server, base, directory / "requests", turn))
    return runs


def prepare_desk(base: dict[str, str], directory: Path) -> None:
    policies = directory / "policies.json"
    policies.write_text(json.dumps(decide.POLICY_FILE))
    for command in (["migrate", "--verbosity", "0"], ["import_policies", str(policies)]):
        subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env=base,
            check=True,
            stdout=subprocess.DEVNULL,
        )


def _measure(server: Server, base: dict[str, str], requests: Path, turn: int) -> Run:
    traffic.write(requests, SECRET, REQUESTS, seed=turn)
    with running(server, base):
        _wrk(requests, seconds=2)  # warm: imports, plans, caches
        traffic.write(requests, SECRET, REQUESTS, seed=1000 + turn)
        return _wrk(requests, seconds=SECONDS)


def _wrk(requests: Path, seconds: int) -> Run:
    command = [
        *("wrk", f"-t{THREADS}", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "2s"),
        *("-s", str(ROOT / "benchmarks" / "replay.lua"), f"http://127.0.0.1:{PORT}"),
        *("--", str(requests), str(THREADS)),
    ]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    [line] = [line for line in output.splitlines() if line.startswith("RESULT")]
    rate, p50_ms, p99_ms, failed, repeated = line.split()[1:]
    return Run(float(rate), float(p50_ms), float(p99_ms), int(failed), int(repeated))


def _table(runs: dict[str, list[Run]]) -> Table:
    rates = {name: statistics.median(run.rate for run in of) for name, of in runs.items()}
    base = rates["quickstart, flask run"]
    table = Table("server", "decisions/s", "to flask run", "p50 ms", "p99 ms", "failed", "repeated")
    for name, of in runs.items():
        table.add_row(
            name,
            f"{rates[name]:,.0f}",
            f"{rates[name] / base:.2f}",
            f"{statistics.median(run.p50_ms for run in of):.1f}",
            f"{statistics.median(run.p99_ms for run in of):.1f}",
            str(sum(run.failed for run in of)),
            str(sum(run.repeated for run in of)),
        )
    return table


if __name__ == "__main__":
    main()
