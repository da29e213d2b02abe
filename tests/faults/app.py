"""The real application on a disk and with a clock that the suite can break.

What is wrong (flags.py) is read at each call, so that a fault begins and ends at once.
"""

import errno
import os
import time
from collections.abc import Callable
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from tests.faults.flags import CLOCK, DISK, HANGS, READY

_DIRECTORY = Path(os.environ["FAULTS_DIR"])

_true_time = time.time


def _said(name: str) -> str:
    try:
        return (_DIRECTORY / name).read_text()
    except FileNotFoundError:
        return ""


def _breakable(call: Callable[..., Any]) -> Callable[..., Any]:
    def called(fd: int, *arguments: Any) -> Any:
        wrong = _said(DISK) if _is_of_spool(fd) else ""
        while wrong == HANGS:
            time.sleep(0.02)
            wrong = _said(DISK)
        if wrong:
            raise OSError(getattr(errno, wrong), f"{wrong}, says the suite")
        return call(fd, *arguments)

    return called


def _is_of_spool(fd: int) -> bool:
    try:
        return Path(f"/proc/self/fd/{fd}").readlink().suffix == ".spool"
    except OSError:
        return False


def _shifted_time() -> float:
    return _true_time() + float(_said(CLOCK) or 0)


class _ShiftedDatetime:
    @staticmethod
    def now(zone: tzinfo) -> datetime:
        return datetime.fromtimestamp(time.time(), zone)


# Before the program is imported: it takes these functions by name.
for _name in ("write", "fsync", "fdatasync"):
    setattr(os, _name, _breakable(getattr(os, _name)))
time.time = _shifted_time

from authz_project.asgi import application  # noqa: E402, I001 - sets up Django
from authorizations.web import door  # noqa: E402

door.datetime = _ShiftedDatetime  # type: ignore[attr-defined,assignment]
(_DIRECTORY / f"{READY}{os.getpid()}").touch()

__all__ = ["application"]
