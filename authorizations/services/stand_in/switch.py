"""Switches stand-in on and off by hand.

The database has the history. Each host has the current state in a file, so that reading it costs
almost nothing and works while the database is away.
"""

import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from authorizations.models import StandInSwitch
from authorizations.services.host import host_files

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0

_ONE_AT_A_TIME = 0x57A4D14  # any number that no other advisory lock of ours has
_FILE, _LOCK = "stand-in-switch.json", "stand-in-switch.lock"


@dataclass(frozen=True, slots=True)
class Switched:
    """The state of the switch, and since when, in Unix seconds."""

    on: bool = False
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class _Seen:
    """What this process read last; `read_at` is on the clock of time.monotonic()."""

    directory: str = ""
    read_at: float = float("-inf")
    switched: Switched = Switched()


_seen = _Seen()
_is_kept_fresh = False


def is_on() -> bool:
    """Whether stand-in answers every request; up to a second behind other processes."""
    return state().on


def state() -> Switched:
    """The state of the switch, as this host last read it."""
    global _seen  # noqa: PLW0603 - replaced whole, so threads never see half of it
    directory, now = str(settings.SPOOL_DIR), time.monotonic()
    is_old = now - _seen.read_at >= LOOK_EVERY_S and not _is_kept_fresh
    if _seen.directory != directory or is_old:
        _seen = _Seen(directory, now, _read(_path()))
    return _seen.switched


def keep_fresh() -> None:
    """Read the state again; from now on that happens only here, and the caller repeats it.

    So a disk that hangs holds up this thread alone.
    """
    global _seen, _is_kept_fresh  # noqa: PLW0603 - as above
    _is_kept_fresh = True
    _seen = _Seen(str(settings.SPOOL_DIR), time.monotonic(), _read(_path()))


def _path() -> Path:
    return Path(settings.SPOOL_DIR) / _FILE


def _read(path: Path) -> Switched:
    try:
        content = json.loads(path.read_bytes())
        return Switched(content["on"] is True, float(content["since"]))
    except FileNotFoundError:
        return Switched()
    except (OSError, ValueError, TypeError, KeyError):
        logger.exception("Whether stand-in is switched on can't be read: %s", path)
        return _seen.switched if _seen.directory == str(settings.SPOOL_DIR) else Switched()


def look_again() -> None:
    """Forget what this process read, so that the next question reads the file."""
    global _seen  # noqa: PLW0603 - as above
    _seen = _Seen()


_is_kept_fresh = False


def newest() -> StandInSwitch | None:
    """The last time it was switched."""
    return StandInSwitch.objects.select_related("author").order_by("-pk").first()


def set_to(*, on: bool, by: User, reason: str) -> bool:
    """Switch it and return True; return False if it is in that state already.

    This host follows at once, other hosts when they next read the database.
    """
    with transaction.atomic():
        # Of two at the same time, only one switches.
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ONE_AT_A_TIME])
        last = newest()
        if (last is not None and last.is_on) == on:
            return False
        StandInSwitch.objects.create(is_on=on, author=by, switched_at=timezone.now(), reason=reason)
        # If this fails, the next renewal in the background catches up.
        transaction.on_commit(renew, robust=True)
    return True


def renew() -> None:
    """Bring this host's file up to date with the database.

    Raises django.db.Error, and OSError if the file can't be written.
    """
    global _seen  # noqa: PLW0603 - as above
    with host_files.alone(_LOCK, wait=True):  # without it, an older state could be written last
        last = StandInSwitch.objects.order_by("-pk").first()
        switched = Switched(last.is_on, last.switched_at.timestamp()) if last else Switched()
        path = host_files.directory() / _FILE
        if _read(path) != switched:
            with host_files.replacing(path) as new:
                new.write_text(json.dumps({"on": switched.on, "since": switched.since}))
        _seen = _Seen(str(settings.SPOOL_DIR), time.monotonic(), switched)
