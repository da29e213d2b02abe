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
    """Where they are; made where it is not there yet."""
    place = Path(settings.SPOOL_DIR)
    owners.make_folder(place)
    return place


def database(name: str) -> Path:
    """The path of an SQLite file there: SQLite makes those beside it belong to whom it belongs."""
    path = directory() / name
    owners.touch(path)
    return path


@contextmanager
def alone(name: str, *, wait: bool) -> Iterator[bool]:
    """Keep other processes of the host out meanwhile; False where one of them is in already."""
    path = directory() / name
    owners.touch(path)
    with locked(path, wait=wait) as is_mine:
        yield is_mine


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file to be written, which takes the place of `path` once it is on the disk."""
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
