"""Gives files that the program writes to the owner of the folder they are in.

This matters if root runs it once: a single `sudo make run` would leave files that the folder's
owner can neither read nor replace.
"""

import os
import pwd
from contextlib import suppress
from pathlib import Path


def user_name(uid: int) -> str:
    """The name of an operating system user, or its number if it has no name, as in containers."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def give(made: Path | int, folder: Path) -> None:
    """Give a new file, as a path or descriptor, to the owner of `folder`.

    Does nothing unless run by root, or if root lacks that right, as in some containers.
    """
    if os.geteuid() != 0:
        return
    owner = folder.stat()
    with suppress(PermissionError):
        if isinstance(made, int):
            os.fchown(made, owner.st_uid, owner.st_gid)
        else:
            os.chown(made, owner.st_uid, owner.st_gid, follow_symlinks=False)


def make_folder(path: Path, mode: int = 0o700) -> None:
    """Make a folder and its parents, unless they exist. Raises OSError."""
    if path.is_dir():
        return
    if not path.parent.is_dir():
        make_folder(path.parent, 0o755)
    with suppress(FileExistsError):  # made by a different process meanwhile
        path.mkdir(mode=mode)
        give(path, path.parent)


def touch(path: Path) -> None:
    """Make a file that only its owner can read, unless it exists. Raises OSError."""
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            give(descriptor, path.parent)
        finally:
            os.close(descriptor)
