"""Days and hours of the reader's clock, also where clocks change or differ by quarters."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from authorizations.services.digest.periods import Length, Period


def today(zone: str, year: int, month: int, day: int) -> Period:
    at = datetime(year, month, day, 12, tzinfo=ZoneInfo(zone))
    return Period.of(Length.TODAY, at, ZoneInfo(zone))


def starts(period: Period, zone: str) -> list[str]:
    return [f"{edge.astimezone(ZoneInfo(zone)):%H:%M%z}" for edge in period.edges[:-1]]


@pytest.mark.parametrize(
    ("zone", "day", "hours", "some"),
    [
        ("UTC", (2026, 11, 18), 24, ["00:00+0000", "01:00+0000"]),
        ("Asia/Kathmandu", (2026, 11, 18), 24, ["00:00+0545", "01:00+0545"]),
        ("Asia/Kolkata", (2026, 11, 18), 24, ["00:00+0530", "01:00+0530"]),
        ("Europe/Paris", (2026, 3, 29), 23, ["01:00+0100", "03:00+0200"]),
        ("Europe/Paris", (2026, 10, 25), 25, ["02:00+0200", "02:00+0100"]),
        # Midnight is skipped here, and comes twice there.
        ("America/Santiago", (2026, 9, 6), 23, ["01:00-0300", "02:00-0300"]),
        ("America/Havana", (2026, 11, 1), 25, ["00:00-0400", "00:00-0500", "01:00-0500"]),
        # Clocks that change by half an hour.
        ("Australia/Lord_Howe", (2026, 4, 5), 25, ["01:00+1100", "01:30+1030", "02:00+1030"]),
        ("Australia/Lord_Howe", (2026, 10, 4), 24, ["01:00+1030", "02:30+1100", "03:00+1100"]),
    ],
)
def test_a_day_has_the_hours_its_clocks_show(
    zone: str, day: tuple[int, int, int], hours: int, some: list[str]
) -> None:
    shown = starts(today(zone, *day), zone)
    assert len(shown) == hours
    place = shown.index(some[0])
    assert shown[place : place + len(some)] == some


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "Asia/Kathmandu", "America/St_Johns"])
@pytest.mark.parametrize("length", Length)
def test_every_column_begins_on_a_quarter_of_an_hour(zone: str, length: Length) -> None:
    period = Period.of(length, datetime(2026, 11, 3, 23, tzinfo=UTC), ZoneInfo(zone))
    assert all(edge.minute % 15 == 0 and edge.second == 0 for edge in period.edges)
    assert all(start < end for start, end in pairwise((period.before, *period.edges)))


def test_the_last_days_end_with_today_and_follow_as_many_others() -> None:
    paris = ZoneInfo("Europe/Paris")
    late = datetime(2026, 10, 27, 23, 30, tzinfo=UTC)  # the 28th in Paris
    period = Period.of(Length.WEEK, late, paris)
    assert (period.first, period.last) == (date(2026, 10, 22), date(2026, 10, 28))
    lengths = [end - start for start, end in pairwise(period.edges)]
    hour = timedelta(hours=1)
    assert lengths == [24 * hour] * 3 + [25 * hour] + [24 * hour] * 3
    assert period.before == datetime(2026, 10, 15, tzinfo=paris)
    assert len(Period.of(Length.MONTH, late, paris).edges) == 31
