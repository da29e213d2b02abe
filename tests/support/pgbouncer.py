"""PgBouncer, as Debian ships it, between a desk and its database: each transaction on whichever
connection to PostgreSQL is free.
"""

import os
import pwd
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg

from tests.support.missing_programs import needed

BLIND = "POOLED_APP_IS_BLIND"
"""With this variable set the server of pooled_app.py does not look whether there is a pooler."""

PATIENCE_S = 60.0


@contextmanager
def pooling(url: str, roles: Mapping[str, str] | None = None, **settings: object) -> Iterator[str]:
    """The address of the same database through PgBouncer.

    `url` names a socket's directory in its path, or a host. `roles` are further log-ins, with their
    passwords; `settings` go into the file, as `pool_mode="session"`.
    """
    program = needed("pgbouncer")
    parts = urlsplit(url)
    directory, _, name = parts.path.rpartition("/")
    port, listening = parts.port or 5432, _free_port()
    login = {unquote(parts.username or ""): unquote(parts.password or "")}
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as scratch:
        here = Path(scratch)
        users = here / "users"
        users.write_text("".join(f'"{n}" "{p}"\n' for n, p in {**login, **(roles or {})}.items()))
        told = {
            "listen_addr": "127.0.0.1",
            "listen_port": listening,
            "unix_socket_dir": "",
            "auth_type": "plain",
            "auth_file": users,
            "pool_mode": "transaction",
            "default_pool_size": 8,
            "max_client_conn": 200,
            "server_login_retry": 1,
            **settings,
        }
        ini = here / "pgbouncer.ini"
        ini.write_text(
            f"[databases]\n* = host={directory or parts.hostname} port={port}\n[pgbouncer]\n"
            + "".join(f"{key} = {value}\n" for key, value in told.items())
        )
        with (here / "log").open("wb") as log:
            process = subprocess.Popen(
                [program, str(ini)], stdout=log, stderr=log, **_as_whom(directory, here)
            )
        who = parts.netloc.rpartition("@")[0]
        through = f"postgres://{who}@127.0.0.1:{listening}/{name}"
        try:
            _wait(process, through, here / "log")
            yield through
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def _as_whom(directory: str, scratch: Path) -> dict[str, Any]:
    """It refuses to be root; whoever owns the sockets may reach them."""
    if os.geteuid() != 0:
        return {}
    owner = Path(directory).stat().st_uid if directory else 0
    account = pwd.getpwuid(owner) if owner else pwd.getpwnam("nobody")
    for path in (scratch, *scratch.iterdir()):
        os.chown(path, account.pw_uid, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < until:
        with suppress(psycopg.OperationalError):
            psycopg.connect(url, connect_timeout=5).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"PgBouncer does not answer:\n{log.read_text(errors='replace')}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
