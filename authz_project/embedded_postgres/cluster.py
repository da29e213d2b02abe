"""The files of a new server, and the database in it."""

import os
import secrets
import shutil
from pathlib import Path

import psycopg
from psycopg import sql

from . import programs
from .errors import EmbeddedPostgresError
from .place import PORT, Account, Place

# The only role. It owns the server, so that tests can create databases.
ROLE = "authorizations"
DATABASE = "authorizations"


def ensure_cluster(place: Place) -> None:
    """Make the data directory, unless it exists. An incomplete one is never used."""
    if place.data.exists():
        return
    if not place.server.has_a_name():
        raise EmbeddedPostgresError(
            f"PostgreSQL makes no database for a user without a name, and the user number "
            f"{place.server.uid} has none here. Give it one (`useradd --uid {place.server.uid} "
            "desk`), run as a different user, or set DATABASE_URL to a PostgreSQL server."
        )
    if not place.password_file.exists():
        write_private(place.password_file, secrets.token_urlsafe(32), place.keeper)
    unfinished = place.home / "new-data"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    place.server.own(unfinished, 0o700)
    # initdb runs as the server's user, who may not read the keeper's file.
    handed_over = place.home / "new-password"
    write_private(handed_over, password(place), place.server)
    try:
        programs.run(
            programs.usable(place) / "initdb",
            f"--pgdata={unfinished}",
            f"--username={ROLE}",
            f"--pwfile={handed_over}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            # So that text is sorted the same on every machine.
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            account=place.server,
        )
    finally:
        handed_over.unlink()
    unfinished.rename(place.data)


def password(place: Place) -> str:
    """The role's password, which only the keeper (and root) can read."""
    try:
        return place.password_file.read_text().strip()
    except FileNotFoundError:
        raise EmbeddedPostgresError(
            f"{place.password_file} is missing, which is needed to log in to the data in "
            f"{place.data}. Put it back, or remove {place.home} to begin with an empty database."
        ) from None


def write_private(path: Path, text: str, owner: Account) -> None:
    """Write a new file that only its owner can read."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
    owner.own(path, 0o600)


def ensure_database(place: Place) -> None:
    """Create the database unless it exists; fails if this program can't log in."""
    try:
        with psycopg.connect(
            host=str(place.sockets),
            port=PORT,
            user=ROLE,
            password=password(place),
            dbname="postgres",
            connect_timeout=10,
            autocommit=True,
        ) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if found.fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    except psycopg.OperationalError as refused:
        raise EmbeddedPostgresError(
            f"The embedded PostgreSQL in {place.home} runs but does not let this program in: "
            f"{refused}\nPut the right {place.password_file} back, or set DATABASE_URL."
        ) from refused
