"""Times as the record shows them: to the second, in the reader's zone, with the zone's name."""

from datetime import datetime

from django.utils.formats import date_format
from django.utils.timezone import localtime


def exact_time(at: datetime) -> str:
    """ "18 Nov 2026, 13:00:05 CET"."""
    local = localtime(at)
    return f"{date_format(local, 'DATETIME_FORMAT')} {local:%Z}"
