"""Locks on files (flock), by which the processes of a host keep out of each other's way.

The kernel gives one back when its file is closed, so also when its process ends, however it does.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path


def lock(file: int | FileIO, *, shared: bool = False, wait: bool = True) -> bool:
    """Whether this open file has the lock now: False where another has, and it is not waited for.

    Shared, it keeps out only whoever wants it alone. Raises OSError.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(file, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def locked(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Lock a file or directory meanwhile; False where another has it, and it is not waited for."""
    fd = os.open(path, os.O_RDONLY)
    try:
        yield lock(fd, wait=wait)
    finally:
        os.close(fd)
