"""Moments in the past, as options of commands."""

import re
from argparse import ArgumentTypeError
from datetime import datetime, timedelta

from django.utils import timezone

from authorizations.rules.basics.clocks import midnight

_BACK = re.compile(r"([0-9]{1,6})([dh])")
_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1)}
_FORMS = (
    "a date, such as 2026-11-01, or a time, such as 2026-11-01T08:30:00Z, or how long ago, such as "
    "2d or 36h"
)


def instant_or_day_back(text: str) -> datetime:
    """As instant_or_back, but "31d" is the beginning of that day.

    So it is the same moment if the command is run again on the same day.
    """
    found = instant_or_back(text)
    if not _BACK.fullmatch(text.strip()):
        return found
    return midnight(timezone.localtime(found).date(), timezone.get_current_timezone())


def instant_or_back(text: str) -> datetime:
    """A date or a time, or a time before now such as "2d" or "36h".

    A date or a time without a zone is in TIME_ZONE; a date is its beginning. Raises
    ArgumentTypeError.
    """
    now = timezone.now()
    back = _BACK.fullmatch(text.strip())
    if back is None:
        try:
            found = datetime.fromisoformat(text.strip())
            found = found if found.tzinfo else timezone.make_aware(found)
            is_possible = 0 <= found.timestamp() <= now.timestamp()
        except (ValueError, OverflowError):
            raise ArgumentTypeError(f"{text!r} can't be read. Write {_FORMS}.") from None
        if not is_possible:
            raise ArgumentTypeError(
                f"{text!r} must lie in the past, and not before 1970. Write {_FORMS}."
            )
        return found
    length = int(back[1]) * _UNITS[back[2]]
    if length.total_seconds() > now.timestamp():
        raise ArgumentTypeError(f"{text!r} must not lie before 1970. Write {_FORMS}.")
    return now - length
