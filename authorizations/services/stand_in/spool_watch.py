"""Whether answers could be kept on this host's disk, looked at before one has to be.

A thread of each server process looks; whoever asks hears what it found, without waiting for the
disk.
"""

import errno
import logging
import os
import secrets
import time
from pathlib import Path

from django.conf import settings

from authz_project import first_env, owners

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 10.0
_SILENT_AFTER_S = 5.0
_MOST_NAMED = 1_000
"""So many files are looked at: after an outage there may be more."""

_found = ""
_looking_since: float | None = None


def problem() -> str:
    """What was found last, in a sentence that says what to do; empty where all is well."""
    since = _looking_since
    if since is not None and time.monotonic() - since > _SILENT_AFTER_S:
        return f"SPOOL_DIR, {settings.SPOOL_DIR}, does not answer: see what is wrong with its disk."
    return _found


def look() -> None:
    """Try the disk, and say so in the log when that comes to something else than before."""
    global _found, _looking_since  # noqa: PLW0603 - what this process knows
    _looking_since = time.monotonic()
    before, _found = _found, unwritable(Path(settings.SPOOL_DIR))
    _looking_since = None
    if _found and _found != before:
        logger.error("%s", _found)
    elif before and not _found:
        logger.warning("SPOOL_DIR, %s, can be written again.", settings.SPOOL_DIR)


def unwritable(directory: Path) -> str:
    """Why this user can't keep answers there, in a sentence that says what to do; empty where they
    can. Leaves nothing behind.
    """
    if settings.DEPLOYED and not settings.SPOOL_DIR_IS_SET:
        return (
            f"SPOOL_DIR is not set, and {settings.DEPLOYED}. Set it to a directory of this host "
            f"that survives a restart; {first_env.WITH_SETTINGS}."
        )
    me = owners.user_name(os.geteuid())
    cure = f"`chown -R {me} {directory}` gives it to that user; or set another SPOOL_DIR."
    try:
        culprit = _try(directory)
    except PermissionError:
        culprit = directory
    except OSError as refused:
        return _sentence(
            directory,
            refused.strerror or str(refused),
            "Make room on its disk."
            if refused.errno in (errno.ENOSPC, errno.EDQUOT)
            else "Set it to a directory of this user's, on a disk that can be written.",
        )
    if culprit is None:
        return ""
    whose = _owner(culprit)
    belongs = f" ({culprit} belongs to {whose})" if whose != me else ""
    return _sentence(directory, f"Permission denied{belongs}", cure)


def _try(directory: Path) -> Path | None:
    """The file or directory that stands in the way; None where nothing does. Raises OSError."""
    if not directory.exists():
        above = next(path for path in directory.parents if path.exists())
        return None if above.is_dir() and os.access(above, os.W_OK | os.X_OK) else above
    probe = directory / f"{os.getpid()}-{secrets.token_hex(4)}.new"
    try:
        probe.write_bytes(b"\0")
    finally:
        probe.unlink(missing_ok=True)
    for _, path in zip(range(_MOST_NAMED), directory.iterdir(), strict=False):
        if not os.access(path, os.R_OK | os.W_OK) and path.exists():
            return path
    return None


def _owner(path: Path) -> str:
    try:
        return owners.user_name(path.stat().st_uid)
    except OSError:
        return owners.user_name(os.geteuid())


def _sentence(directory: Path, reason: str, cure: str) -> str:
    me = owners.user_name(os.geteuid())
    return (
        f"SPOOL_DIR, {directory}, can't be written by {me}: {reason}. While the database is away "
        f"every purchase would be declined. {cure}"
    )
