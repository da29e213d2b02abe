"""Files in settings.SPOOL_DIR that the processes of a host share: replaced whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from authz_project import owners
from authz_project.file_locks import locked


def directory() -> Path:
    """The directory of these files; creates it if necessary."""
    path = Path(settings.SPOOL_DIR)
    owners.make_folder(path)
    return path


def database(name: str) -> Path:
    """The path of an SQLite file there; SQLite gives the files beside it the same owner."""
    path = directory() / name
    owners.touch(path)
    return path


@contextmanager
def alone(name: str, *, wait: bool) -> Iterator[bool]:
    """Exclude other processes of the host from the block; yields False if one is in it.

    `wait`: wait until none is.
    """
    path = directory() / name
    owners.touch(path)
    with locked(path, wait=wait) as is_mine:
        yield is_mine


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file to write; it replaces `path` once it is on disk."""
    new = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.new")
    try:
        yield new
        new.chmod(0o600)
        owners.give(new, path.parent)
        with new.open("rb") as written:
            os.fsync(written.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
