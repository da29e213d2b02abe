"""Periods as lists write them: "1-7 Nov 2026", "until 7 Nov 2026"."""

from datetime import date, datetime

from django.utils.formats import date_format

DASH = "\N{EN DASH}"


def days_words(first: date | None, last: date | None) -> str:
    """The days from `first` to `last`, with a common month or year written once."""
    if first is None or last is None:
        return f"Since {_day(first)}" if first else f"Until {_day(last)}"
    if first == last:
        return _day(first)
    if first.year != last.year:
        return f"{_day(first)} {DASH} {_day(last)}"
    if first.month != last.month:
        return f"{_written(first, 'j M')} {DASH} {_day(last)}"
    return f"{first.day}{DASH}{_day(last)}"


def hour_words(start: datetime) -> str:
    """ "18 Nov 2026, 14:00-15:00", in the time zone of `start`."""
    return f"{_day(start)}, {start:%H:%M}{DASH}{(start.hour + 1) % 24 or 24:02}:{start:%M}"


def _day(day: date | None) -> str:
    return _written(day, "j M Y")


def _written(day: date | None, form: str) -> str:
    return date_format(day, form) if day else ""
