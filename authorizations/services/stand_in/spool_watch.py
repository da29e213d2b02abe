"""Checks that answers can be written to this host's disk, before stand-in has to write one.

A thread of each server process checks; `problem` reports its latest finding without waiting for
the disk.
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
_MAX_FILES = 1_000
"""Maximum files to check; after an outage there may be more."""

_found = ""
_looking_since: float | None = None


def problem() -> str:
    """The latest finding, as a sentence that says what to do; empty if there is no problem."""
    since = _looking_since
    if since is not None and time.monotonic() - since > _SILENT_AFTER_S:
        return f"SPOOL_DIR, {settings.SPOOL_DIR}, does not answer: see what is wrong with its disk."
    return _found


def look() -> None:
    """Check the disk, and log a finding that differs from the one before."""
    global _found, _looking_since  # noqa: PLW0603 - the state of this process
    _looking_since = time.monotonic()
    before, _found = _found, unwritable(Path(settings.SPOOL_DIR))
    _looking_since = None
    if _found and _found != before:
        logger.error("%s", _found)
    elif before and not _found:
        logger.warning("SPOOL_DIR, %s, can be written again.", settings.SPOOL_DIR)


def unwritable(directory: Path) -> str:
    """Why this user can't write answers there, as a sentence that says what to do; empty if it can.

    Leaves nothing behind.
    """
    if settings.DEPLOYED and not settings.SPOOL_DIR_IS_SET:
        return (
            f"SPOOL_DIR is not set, and {settings.DEPLOYED}. Set it to a directory of this host "
            f"that survives a restart; {first_env.WITH_SETTINGS}."
        )
    me = owners.user_name(os.geteuid())
    obstacle = directory
    reason = ""
    try:
        if (found := _obstacle(directory)) is None:
            return ""
        obstacle = found
    except PermissionError:
        pass
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "Make room on its disk."
        else:
            remedy = "Set it to a directory of this user's, on a disk that can be written."
    if not reason:
        try:
            owner = owners.user_name(obstacle.stat().st_uid)
        except OSError:
            owner = me
        reason = "Permission denied"
        if owner != me:
            reason += f" ({obstacle} belongs to {owner})"
        remedy = f"`chown -R {me} {directory}` gives it to that user; or set another SPOOL_DIR."
    return (
        f"SPOOL_DIR, {directory}, can't be written by {me}: {reason}. While the database is away "
        f"every purchase would be declined. {remedy}"
    )


def _obstacle(directory: Path) -> Path | None:
    """The file or directory that is in the way; None if none is. Raises OSError."""
    if not directory.exists():
        above = next(path for path in directory.parents if path.exists())
        return None if above.is_dir() and os.access(above, os.W_OK | os.X_OK) else above
    probe = directory / f"{os.getpid()}-{secrets.token_hex(4)}.new"
    try:
        probe.write_bytes(b"\0")
    finally:
        probe.unlink(missing_ok=True)
    for _, path in zip(range(_MAX_FILES), directory.iterdir(), strict=False):
        if not os.access(path, os.R_OK | os.W_OK) and path.exists():
            return path
    return None
