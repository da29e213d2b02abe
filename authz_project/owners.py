"""What this program writes belongs to the owner of the folder it lies in.

Also where root ran it once: a single `sudo make run` would else leave files behind that the same
desk, run by its owner, can neither read nor replace.
"""

import os
import pwd
from contextlib import suppress
from pathlib import Path


def user_name(uid: int) -> str:
    """The name of an operating system user; the number where it has none, as in containers."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def give(made: Path | int, folder: Path) -> None:
    """Let what was just made, a path or an open file, belong to the owner of `folder`.

    Only root can, and only root has to. A root without that right keeps it.
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
    """Make a folder where it is missing, and those above it. Raises OSError."""
    if path.is_dir():
        return
    if not path.parent.is_dir():
        make_folder(path.parent, 0o755)
    with suppress(FileExistsError):  # somebody else was quicker
        path.mkdir(mode=mode)
        give(path, path.parent)


def touch(path: Path) -> None:
    """Make a file that only its owner can read, unless it is there. Raises OSError."""
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            give(descriptor, path.parent)
        finally:
            os.close(descriptor)
