"""Where the processor time of a decision goes in a server under load, part by part.

    python -m benchmarks.spent

Two processes on all cores, with wrk and PostgreSQL beside them, so caches are as cold as they are
in service: the same parts take two to four times as long as in a loop of their own (statements.py).
The clocks themselves take some five per cent.
"""

import http.client
import json
import os
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import traffic
from benchmarks.database import Database
from benchmarks.figures import prepare
from benchmarks.loads import Load, Measuring, require_wrk
from benchmarks.scratch import scratch_directory
from benchmarks.servers import PORT, ROOT, Server, running

SECONDS = float(os.environ.get("BENCH_SECONDS") or 4)
CONNECTIONS = (8, 64)
_START = (
    "import os, socket, sys; s = socket.create_server(('127.0.0.1', {port}), backlog=512); "
    "os.set_inheritable(s.fileno(), True); os.execv(sys.executable, [sys.executable, '-m', "
    "'authz_project.serving.supervisor', '--fd', str(s.fileno()), '--processes', '2', "
    "'--application', 'benchmarks.spent_app:application'])"
)


def main() -> None:
    """Print the table."""
    require_wrk()
    with scratch_directory() as directory, Database(directory) as database:
        prepare(database, directory)
        spent = directory / "spent"
        spent.mkdir()
        server = Server(
            "measured",
            [sys.executable, "-c", _START.format(port=PORT)],
            notifies=True,
            environment={"SPENT_DIR": str(spent), "PYTHONPATH": str(ROOT)},
        )
        with running(server, database.environment, database.root) as pid:
            measuring = Measuring(pid, directory, database)
            measuring.closed(traffic.SPREAD, 8, 2, time.time_ns())
            found = {number: _measured(measuring, spent, number) for number in CONNECTIONS}
    table = Table("µs of the processor a decision", *(f"{number} connections" for number in found))
    parts = sorted(set().union(*(it for _, it in found.values())) - {"whole"})
    for part in parts:
        table.add_row(part, *(f"{it[part]:.0f}" for _, it in found.values()))
    rest = [it["whole"] - sum(it[part] for part in parts) for _, it in found.values()]
    table.add_row("the event loop, tasks, uvicorn", *(f"{it:.0f}" for it in rest))
    table.add_row("the server's thread, whole", *(f"{it['whole']:.0f}" for _, it in found.values()))
    table.add_row("PostgreSQL", *(f"{load.database_ms * 1000:.0f}" for load, _ in found.values()))
    table.add_row("decisions a second", *(f"{load.rate:,.0f}" for load, _ in found.values()))
    Console().print(table)


def _measured(measuring: Measuring, spent: Path, connections: int) -> tuple[Load, dict[str, float]]:
    """The load, and the microseconds of each part an answer, of all processes together."""
    measuring.closed(traffic.SPREAD, connections, 1, time.time_ns())
    _tell("/begin")
    load = measuring.closed(traffic.SPREAD, connections, SECONDS, time.time_ns())
    _tell("/end")
    total: Counter[str] = Counter()
    for path in spent.iterdir():
        total.update(json.loads(path.read_text()))
        path.unlink()
    return load, {part: nanoseconds / 1000 / load.answers for part, nanoseconds in total.items()}


def _tell(path: str) -> None:
    """To every process: connections are given to them in turn."""
    for _ in range(8):
        client = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
        with suppress(OSError, http.client.HTTPException):
            client.request("GET", path)
            client.getresponse().read()
        client.close()


if __name__ == "__main__":
    main()
