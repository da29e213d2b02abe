"""Moments in the past as commands take them."""

import re
from argparse import ArgumentTypeError
from datetime import datetime, timedelta

from django.utils import timezone

_BACK = re.compile(r"([0-9]{1,6})([dh])")
_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1)}


_FORMS = "a date, such as 2026-11-01, or a time, such as 2026-11-01T08:30:00Z"
_FORMS_BACK = f"{_FORMS}, or how long ago, such as 2d or 36h"


def instant(text: str, forms: str = _FORMS) -> datetime:
    """A date is its first moment in the desk's own time zone, as is a time without a zone."""
    try:
        found = datetime.fromisoformat(text.strip())
        found = found if found.tzinfo else timezone.make_aware(found)
        is_possible = 0 <= found.timestamp() <= timezone.now().timestamp()
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"{text!r} can't be read. Write {forms}.") from None
    if not is_possible:
        raise ArgumentTypeError(
            f"{text!r} must lie in the past, and not before 1970. Write {forms}."
        )
    return found


def instant_or_back(text: str) -> datetime:
    """The same, or so long before now: "2d" are two days, "36h" hours."""
    back = _BACK.fullmatch(text.strip())
    if back is None:
        return instant(text, _FORMS_BACK)
    now = timezone.now()
    length = int(back[1]) * _UNITS[back[2]]
    if length.total_seconds() > now.timestamp():
        raise ArgumentTypeError(f"{text!r} must not lie before 1970. Write {_FORMS_BACK}.")
    return now - length
