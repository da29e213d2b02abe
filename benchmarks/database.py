"""The desk's database in a benchmark: kept running, asked, and measured from outside."""

import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import psycopg

from authz_project.embedded_postgres.cluster import DATABASE
from authz_project.embedded_postgres.server import embedded_server
from benchmarks.processes import cpu_seconds
from benchmarks.servers import ROOT, environment

_DECIDED = """
SELECT count(*) FILTER (WHERE decided_by = 'desk' AND stand_in = ''),
    count(*) FILTER (WHERE decided_by <> 'desk' OR stand_in <> '')
FROM authorizations_decision
"""


class Database:
    """An embedded PostgreSQL in `directory`, with the tables of the checkout in `root`.

    `environment` is what that checkout's programs are started with.
    """

    def __init__(self, directory: Path, root: Path = ROOT) -> None:
        data = directory / "postgres"
        self.root = root
        self.environment = environment(data)
        self._server = embedded_server(data)
        self._running = self._server.use()
        self.manage("migrate", "--verbosity", "0")

    def manage(self, *command: str) -> None:
        subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=self.root,
            env=self.environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(
            host=self._running.host,
            port=self._running.port,
            user=self._running.user,
            password=self._running.password,
            dbname=DATABASE,
            autocommit=True,
        ) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def decided(self) -> tuple[int, int]:
        """Decisions made with the database, and all others: stand-in's and Stripe's own."""
        [(here, elsewhere)] = self.rows(_DECIDED)
        return here, elsewhere

    def cpu_seconds(self) -> float:
        return cpu_seconds(self._running.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._server.leave()
