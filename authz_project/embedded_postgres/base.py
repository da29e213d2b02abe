"""Django's PostgreSQL backend, which starts the embedded server just before it is needed."""

import atexit
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.db.backends.postgresql import base, client
from psycopg_pool import ConnectionPool

from . import programs
from .server import EmbeddedServer, Running, embedded_server


class DatabaseClient(client.DatabaseClient):
    """`manage.py dbshell`, with the psql from the wheel."""

    connection: "DatabaseWrapper"

    def runshell(self, parameters: Iterable[str]) -> None:
        running = self.connection.embedded_server.use()
        self.connection.settings_dict.update(connection_settings(running))
        self.executable_name = str(programs.installed() / "psql")
        super().runshell(parameters)


class DatabaseWrapper(base.DatabaseWrapper):
    """Settings: ENGINE, NAME, OPTIONS as for PostgreSQL, and DIRECTORY (a Path).

    HOST, PORT, USER and PASSWORD are the embedded server's own. Importing settings or
    making this object starts nothing; the first connection does.
    """

    client_class = DatabaseClient

    @property
    def embedded_server(self) -> EmbeddedServer:
        directory: Path = self.settings_dict["DIRECTORY"]
        return embedded_server(directory)

    def get_connection_params(self) -> dict[str, Any]:
        running = self.embedded_server.use()
        return {
            **super().get_connection_params(),
            **{name.lower(): value for name, value in connection_settings(running).items()},
        }

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        server = self.embedded_server
        running = server.use()
        try:
            return super().get_new_connection(conn_params)
        except self.Database.OperationalError:
            server.revive_soon(running, then=self._forget_pool)
            raise

    def _forget_pool(self) -> None:
        """Drop the pool of a dead server, which would wait longer after each attempt."""
        pool = pools.pop(self.alias, None)
        if pool is not None:
            pool.close()


# Django's own pools, by alias; all objects of the backend share them.
pools: dict[str, ConnectionPool] = DatabaseWrapper._connection_pools  # type: ignore[attr-defined]  # noqa: SLF001


@atexit.register
def _close_pools() -> None:
    """Close the pools before the server is stopped: atexit calls what is registered last first."""
    for pool in list(pools.values()):
        pool.close()


def connection_settings(running: Running) -> dict[str, str]:
    """The embedded server, in the form of Django's DATABASES."""
    return {
        "HOST": running.host,
        "PORT": str(running.port),
        "USER": running.user,
        "PASSWORD": running.password,
    }
