"""Local time: what the clocks of a time zone show at an instant."""

from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

FOREVER = 253_402_300_800
"""The year 10000 in Unix seconds: the end of windows without an end."""

_LAST_CLOCK = FOREVER - 86_400
"""The last instant at which no time zone is past the year 9999."""


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=4096)
def local_time(time_zone: str, at: int) -> datetime:
    """The local time at an instant in Unix seconds; it stops on the last day of 9999."""
    return datetime.fromtimestamp(min(at, _LAST_CLOCK), zone(time_zone))


def midnight(day: date, zone: tzinfo) -> datetime:
    """When a local day begins, in UTC. If midnight is skipped, the first instant after it."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
