"""Another PostgreSQL of this machine than the one the tests run on, such as Debian's."""

import os
import pwd
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from tests.faults.database import PATIENCE_S, free_port

DEBIANS = Path("/usr/lib/postgresql")


def installed() -> list[Path]:
    """The `bin` directories of Debian's packages, by version."""
    return sorted(found.parent for found in DEBIANS.glob("*/bin/postgres"))


@contextmanager
def serving(
    programs: Path, superuser: str = "root_of_it", password: str = "", port: int = 0
) -> Iterator[str]:
    """The address of an empty server's database `postgres`; it is thrown away."""
    password, port = password or secrets.token_hex(16), port or free_port()
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as scratch:
        here, who = Path(scratch), _somebody()
        (here / "password").write_text(password)
        for path in (here, here / "password"):
            if who:
                os.chown(path, who["user"], who["group"])
        subprocess.run(
            [
                *(programs / "initdb", "--pgdata", here / "data", "--username", superuser),
                *("--pwfile", here / "password", "--auth", "scram-sha-256", "--encoding", "UTF8"),
                *("--locale", "C", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            cwd=here,
            **who,
        )
        settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": ""}
        command = [str(programs / "postgres"), "-D", str(here / "data"), "--fsync=off"]
        command += [f"--{name}={value}" for name, value in settings.items()]
        with (here / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=here, **who)
        url = f"postgres://{superuser}:{password}@127.0.0.1:{port}/postgres"
        try:
            _wait(process, url, here / "log")
            yield url
        finally:
            process.send_signal(signal.SIGINT)  # fast: whoever is connected is cut off
            process.wait(PATIENCE_S)


def run(url: str, statement: str) -> None:
    """Outside of a transaction."""
    with psycopg.connect(url, autocommit=True) as opened:
        opened.execute(statement.encode())


def _somebody() -> dict[str, Any]:
    """PostgreSQL refuses to be root."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam("nobody")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < until:
        with suppress(psycopg.OperationalError):
            psycopg.connect(url, connect_timeout=5).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"PostgreSQL does not start:\n{log.read_text(errors='replace')}")
