"""The clocks on the wall: what a time zone shows at an instant."""

from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

FOREVER = 253_402_300_800
"""The year 10000: the end of windows that have none."""

_LAST_CLOCK = FOREVER - 86_400
"""The last instant at which every time zone's clock shows the year 9999 at most."""


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=4096)
def local_time(time_zone: str, at: int) -> datetime:
    """The wall clock of a time zone at an instant; it stands still on the last day of 9999."""
    return datetime.fromtimestamp(min(at, _LAST_CLOCK), zone(time_zone))


def midnight(day: date, zone: tzinfo) -> datetime:
    """The instant a local day begins, in UTC; where midnight is skipped, the first one after it."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
