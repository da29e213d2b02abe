"""Windows: every instant is in exactly one, whatever clocks do."""

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from authorizations.rules.basics.clocks import FOREVER, local_time
from authorizations.rules.basics.controls import (
    JANUARY_1,
    MONTHS,
    DayOfYear,
    Interval,
    LimitControl,
    Weekday,
)
from authorizations.rules.decision.windows import CalendarPeriod, bounds, limit_bounds
from authorizations.rules.policy import document_limits
from authorizations.rules.policy.document import controls, normalize
from tests.rules.deciding import THOROUGHLY, instant
from tests.support.documents import policy

DAY = 86_400
CALENDAR = [
    i for i in document_limits.PERIODS if i not in (Interval.PER_AUTHORIZATION, Interval.ROLLING)
]
PERIODS = [interval for interval in CALENDAR if interval is not Interval.ALL_TIME]

ODD_ZONES = [
    "America/St_Johns",  # 1988 to 2011 clocks changed at one minute past midnight
    "America/Sao_Paulo",  # at midnight
    "Africa/Cairo",  # at midnight, several times a year
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Pyongyang",  # by half an hour, at midnight
    "Australia/Lord_Howe",  # by half an hour
    "Antarctica/Troll",  # by two hours
    "Pacific/Apia",  # without 30 December 2011
    "Pacific/Kwajalein",  # without 21 August 1993
    "Pacific/Kiritimati",
    "Etc/GMT+12",
    "Asia/Kathmandu",
    "Europe/Dublin",
    "Europe/Paris",
    "UTC",
]
zones = st.sampled_from(ODD_ZONES)
instants = st.integers(instant("1975-01-01"), instant("2100-01-01"))


# Of 2001, so that 29 February is not among them.
days_of_year = st.dates(date(2001, 1, 1), date(2001, 12, 31)).map(lambda it: (it.month, it.day))
beginnings = st.just(JANUARY_1) | days_of_year


def period(
    interval: Interval, zone: str, week_starts: Weekday, begins: DayOfYear
) -> CalendarPeriod:
    """A period as limits have it: months begin on no day after the 28th."""
    month, day = begins
    last = 28 if interval is Interval.MONTHLY else 31
    return CalendarPeriod(interval, zone, week_starts, (month, min(day, last)))


@st.composite
def moments(draw: st.DrawFn) -> tuple[str, int]:
    """A zone, and an instant in it: half of them close to a midnight of that zone."""
    name, at = draw(zones), draw(instants)
    if draw(st.booleans()):
        day = local_time(name, at).date()
        midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(name))
        at = int(midnight.timestamp()) + draw(st.integers(-7_300, 7_300))
    return name, at


def transition(zone: str, wall_clock: str) -> tuple[str, int]:
    return zone, instant(wall_clock, zone)


@THOROUGHLY
@given(moments(), st.sampled_from(CALENDAR), st.sampled_from(Weekday), beginnings, st.floats(0, 1))
@example(
    transition("America/St_Johns", "2006-10-29 00:01"),
    Interval.DAILY,
    Weekday.SUNDAY,
    JANUARY_1,
    0.5,
)
@example(
    transition("America/St_Johns", "2006-04-02 00:01"),
    Interval.DAILY,
    Weekday.SUNDAY,
    JANUARY_1,
    0.5,
)
@example(
    transition("America/Sao_Paulo", "2017-10-15 01:00"),
    Interval.WEEKLY,
    Weekday.SUNDAY,
    JANUARY_1,
    0.0,
)
@example(
    transition("Africa/Cairo", "2010-08-11 00:00"), Interval.DAILY, Weekday.SUNDAY, JANUARY_1, 0.01
)
@example(
    transition("Pacific/Apia", "2011-12-29 23:59"), Interval.DAILY, Weekday.FRIDAY, JANUARY_1, 1.0
)
@example(
    transition("Pacific/Apia", "2011-12-31 00:00"),
    Interval.WEEKLY,
    Weekday.SATURDAY,
    JANUARY_1,
    0.0,
)
@example(
    transition("Asia/Pyongyang", "2015-08-15 00:00"),
    Interval.MONTHLY,
    Weekday.SUNDAY,
    JANUARY_1,
    0.0,
)
@example(
    transition("Pacific/Apia", "2011-12-31 00:00"), Interval.YEARLY, Weekday.SUNDAY, (12, 30), 0.0
)
@example(
    transition("Asia/Pyongyang", "2015-08-15 00:00"), Interval.MONTHLY, Weekday.SUNDAY, (1, 15), 0.0
)
@example(
    transition("America/Sao_Paulo", "2017-10-15 01:00"),
    Interval.QUARTERLY,
    Weekday.SUNDAY,
    (1, 15),
    0.0,
)
@example(("UTC", instant("2028-02-29")), Interval.QUARTERLY, Weekday.SUNDAY, (5, 31), 0.0)
def test_every_instant_is_in_one_window_and_windows_touch_without_gap_or_overlap(
    moment: tuple[str, int],
    interval: Interval,
    week_starts: Weekday,
    begins: DayOfYear,
    where: float,
) -> None:
    name, at = moment
    of = period(interval, name, week_starts, begins)
    start, end = bounds(of, at)
    assert start <= at < end
    inside = start + int((end - 1 - start) * where)
    for other in (start, inside, end - 1):
        assert bounds(of, other) == (start, end)
    if interval is not Interval.ALL_TIME:
        assert bounds(of, end)[0] == end
        assert bounds(of, start - 1)[1] == start


def begins_on(day: date, of: CalendarPeriod) -> bool:
    """Whether a window of the period begins with this day."""
    month, number = of.begins
    match of.interval:
        case Interval.WEEKLY:
            return tuple(Weekday)[day.weekday()] is of.week_starts
        case Interval.MONTHLY:
            return day.day == number
        case Interval.QUARTERLY:
            quarters = {(month + months - 1) % 12 + 1 for months in (0, 3, 6, 9)}
            last = monthrange(day.year, day.month)[1]
            return day.month in quarters and day.day == min(number, last)
        case Interval.YEARLY:
            return (day.month, day.day) == (month, number)
    return True


LENGTHS = {
    Interval.DAILY: (1, 1),
    Interval.WEEKLY: (7, 7),
    Interval.MONTHLY: (28, 31),
    Interval.QUARTERLY: (89, 92),
    Interval.YEARLY: (365, 366),
}


@THOROUGHLY
@given(moments(), st.sampled_from(PERIODS), st.sampled_from(Weekday), beginnings)
@example(transition("Pacific/Apia", "2011-12-31 00:00"), Interval.YEARLY, Weekday.SUNDAY, (12, 30))
@example(("UTC", instant("2028-02-29")), Interval.QUARTERLY, Weekday.SUNDAY, (5, 31))
def test_a_window_begins_with_its_first_day_and_has_as_many_days_as_the_calendar(
    moment: tuple[str, int], interval: Interval, week_starts: Weekday, begins: DayOfYear
) -> None:
    name, at = moment
    of = period(interval, name, week_starts, begins)
    start, end = bounds(of, at)
    first, following = local_time(name, start).date(), local_time(name, end).date()
    left_out = {"Pacific/Apia": "2011-12-30", "Pacific/Kwajalein": "1993-08-21"}.get(name, "")
    day_before = first - timedelta(days=1)
    # The day after one that a zone left out begins what would have begun with that one.
    firsts = [first, day_before] if str(day_before) == left_out else [first]
    assert any(begins_on(day, of) for day in firsts)
    # At midnight, or in the first second of a day whose midnight the clocks skip.
    assert local_time(name, start - 1).date() < first
    shortest, longest = LENGTHS[interval]
    is_without_a_day = str(first) <= left_out < str(following)
    assert shortest <= (following - first).days <= longest + is_without_a_day


@THOROUGHLY
@given(moments())
@example(("Africa/Cairo", 1_745_445_600))  # the clock skips the midnight at its end
@example(("Africa/Cairo", 1_745_532_000))  # and so the one at its start
@example(transition("America/St_Johns", "2006-10-29 00:01"))  # back across midnight
@example(transition("Pacific/Apia", "2011-12-29 23:59"))
def test_a_day_lasts_until_its_clock_first_shows_a_later_date(moment: tuple[str, int]) -> None:
    name, at = moment
    start, end = bounds(CalendarPeriod(Interval.DAILY, name, Weekday.SUNDAY), at)
    shown = local_time(name, start).date()
    # Every zone's midnights are whole quarters of an hour apart.
    quarters = range(start, start + 3 * DAY, 900)
    assert end == next(t for t in quarters if local_time(name, t).date() > shown)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Paris", "2026-03-28", 24),
        ("Europe/Paris", "2026-03-29", 23),
        ("Europe/Paris", "2026-10-25", 25),
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Antarctica/Troll", "2026-03-29", 22),
        ("Antarctica/Troll", "2026-10-25", 26),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        # Clocks went back just after midnight: that hour belongs to the day that had begun.
        ("America/St_Johns", "2006-10-28", 24),
        ("America/St_Johns", "2006-10-29", 25),
        ("America/St_Johns", "2006-04-02", 23),
        ("America/Sao_Paulo", "2017-10-15", 23),
        ("America/Sao_Paulo", "2018-02-17", 25),
        ("Africa/Cairo", "2026-04-24", 23),
        ("Asia/Pyongyang", "2015-08-14", 24.5),
        ("Pacific/Apia", "2011-12-29", 24),
        ("Pacific/Apia", "2011-12-31", 24),
        ("Asia/Kathmandu", "1986-01-01", 23.75),
        ("UTC", "2026-03-29", 24),
    ],
)
def test_a_day_has_so_many_hours(zone: str, day: str, hours: float) -> None:
    start, end = bounds(
        CalendarPeriod(Interval.DAILY, zone, Weekday.SUNDAY), instant(f"{day} 12:00", zone)
    )
    assert (end - start) / 3600 == hours
    assert local_time(zone, start).date().isoformat() == day


PARIS = [
    # The day of 23 hours and the day of 25 hours.
    ("daily", "monday", "2026-03-29 12:00", "2026-03-28 23:00", "2026-03-29 22:00"),
    ("daily", "monday", "2026-10-25 02:30", "2026-10-24 22:00", "2026-10-25 23:00"),
    ("daily", "monday", "2026-03-29 00:00", "2026-03-28 23:00", "2026-03-29 22:00"),
    ("daily", "monday", "2026-03-28 23:59:59", "2026-03-27 23:00", "2026-03-28 23:00"),
    # Weeks, with clocks changing on the Sunday in them.
    ("weekly", "monday", "2026-03-29 12:00", "2026-03-22 23:00", "2026-03-29 22:00"),
    ("weekly", "sunday", "2026-03-29 12:00", "2026-03-28 23:00", "2026-04-04 22:00"),
    ("weekly", "saturday", "2026-10-25 12:00", "2026-10-23 22:00", "2026-10-30 23:00"),
    ("weekly", "thursday", "2026-12-31 12:00", "2026-12-30 23:00", "2027-01-06 23:00"),
    # Months: the short one, the leap day, summer into winter, the year's end.
    ("monthly", "monday", "2026-02-28 23:59:59", "2026-01-31 23:00", "2026-02-28 23:00"),
    ("monthly", "monday", "2028-02-29 12:00", "2028-01-31 23:00", "2028-02-29 23:00"),
    ("monthly", "monday", "2026-10-31 23:30", "2026-09-30 22:00", "2026-10-31 23:00"),
    ("monthly", "monday", "2026-12-31 23:59:59", "2026-11-30 23:00", "2026-12-31 23:00"),
    ("monthly", "monday", "2027-01-01 00:00", "2026-12-31 23:00", "2027-01-31 23:00"),
    ("quarterly", "monday", "2026-03-31 12:00", "2025-12-31 23:00", "2026-03-31 22:00"),
    ("quarterly", "monday", "2026-12-31 12:00", "2026-09-30 22:00", "2026-12-31 23:00"),
    ("yearly", "monday", "2028-02-29 12:00", "2027-12-31 23:00", "2028-12-31 23:00"),
    ("yearly", "monday", "2026-01-01 00:00", "2025-12-31 23:00", "2026-12-31 23:00"),
]


@pytest.mark.parametrize(("interval", "week_starts", "at", "start", "end"), PARIS)
def test_in_paris_a_window_is_in_utc(
    interval: str, week_starts: str, at: str, start: str, end: str
) -> None:
    seconds = instant(at, "Europe/Paris")
    found = bounds(
        CalendarPeriod(Interval(interval), "Europe/Paris", Weekday(week_starts)), seconds
    )
    told = [f"{datetime.fromtimestamp(t, UTC):%Y-%m-%d %H:%M}" for t in found]
    assert told == [start, end]


@given(instants, st.sampled_from(sorted(MONTHS)), st.sampled_from(["UTC", "Europe/Paris"]))
def test_months_quarters_and_years_without_a_beginning_of_their_own_are_the_calendars(
    at: int, interval: Interval, zone: str
) -> None:
    months = MONTHS[interval]
    start, end = bounds(CalendarPeriod(interval, zone), at)
    day = local_time(zone, at).date()
    first = datetime(day.year, (day.month - 1) // months * months + 1, 1, tzinfo=ZoneInfo(zone))
    assert start == int(first.timestamp())
    # Within the month after the last one.
    following = (first + timedelta(days=31 * months)).replace(day=1)
    assert end == int(following.timestamp())


OWN_BEGINNINGS = [
    # Months from the 16th: clocks change in them, at the year's end, up to their last second.
    ("monthly", {"month_starts": 16}, "2026-03-29 12:00", "2026-03-15 23:00", "2026-04-15 22:00"),
    (
        "monthly",
        {"month_starts": 16},
        "2026-01-15 23:59:59",
        "2025-12-15 23:00",
        "2026-01-15 23:00",
    ),
    ("monthly", {"month_starts": 28}, "2026-02-28 00:00", "2026-02-27 23:00", "2026-03-27 23:00"),
    # Fiscal years, and the quarters in them.
    (
        "yearly",
        {"year_starts": "04-06"},
        "2026-04-05 23:59:59",
        "2025-04-05 22:00",
        "2026-04-05 22:00",
    ),
    (
        "yearly",
        {"year_starts": "04-06"},
        "2026-04-06 00:00",
        "2026-04-05 22:00",
        "2027-04-05 22:00",
    ),
    (
        "yearly",
        {"year_starts": "12-31"},
        "2028-02-29 12:00",
        "2027-12-30 23:00",
        "2028-12-30 23:00",
    ),
    (
        "quarterly",
        {"year_starts": "04-06"},
        "2026-03-29 12:00",
        "2026-01-05 23:00",
        "2026-04-05 22:00",
    ),
    (
        "quarterly",
        {"year_starts": "10-01"},
        "2026-11-18 12:00",
        "2026-09-30 22:00",
        "2026-12-31 23:00",
    ),
    # A quarter from the last day of a shorter month: November, then February, leap or not.
    (
        "quarterly",
        {"year_starts": "05-31"},
        "2026-12-15 12:00",
        "2026-11-29 23:00",
        "2027-02-27 23:00",
    ),
    (
        "quarterly",
        {"year_starts": "05-31"},
        "2028-02-29 12:00",
        "2028-02-28 23:00",
        "2028-05-30 22:00",
    ),
]


@pytest.mark.parametrize(("interval", "begins", "at", "start", "end"), OWN_BEGINNINGS)
def test_months_and_years_begin_on_the_day_that_their_limit_names(
    interval: str, begins: dict[str, Any], at: str, start: str, end: str
) -> None:
    written = policy(
        time_zone="Europe/Paris",
        spending_limits=[{"amount": 100, "interval": interval, **begins}],
    )
    value = controls(normalize(written))
    found = limit_bounds(value.spending_limits[0], value, instant(at, "Europe/Paris"))
    assert [f"{datetime.fromtimestamp(t, UTC):%Y-%m-%d %H:%M}" for t in found] == [start, end]


def test_one_window_holds_all_time() -> None:
    for at in (0, instant("2026-11-18"), FOREVER - 1):
        assert bounds(CalendarPeriod(Interval.ALL_TIME, "UTC", Weekday.SUNDAY), at) == (0, FOREVER)


# --- the ends of time


@THOROUGHLY
@given(
    st.integers(0, 2 * 366 * DAY) | st.integers(FOREVER - 3 * 366 * DAY, FOREVER - 1),
    st.sampled_from(CALENDAR),
    st.sampled_from([*ODD_ZONES, "Africa/Monrovia"]),
    st.sampled_from(Weekday),
    beginnings,
)
@example(0, Interval.DAILY, "Etc/GMT+12", Weekday.SUNDAY, JANUARY_1)
@example(0, Interval.YEARLY, "Etc/GMT+12", Weekday.SUNDAY, (12, 31))
@example(FOREVER - 1, Interval.DAILY, "Pacific/Kiritimati", Weekday.SUNDAY, JANUARY_1)
@example(FOREVER - 1, Interval.YEARLY, "UTC", Weekday.SUNDAY, JANUARY_1)
@example(FOREVER - 366 * DAY, Interval.WEEKLY, "UTC", Weekday.SUNDAY, JANUARY_1)
@example(FOREVER - 366 * DAY, Interval.YEARLY, "UTC", Weekday.SUNDAY, (4, 6))
def test_windows_touch_also_where_calendars_end(
    at: int, interval: Interval, zone: str, week_starts: Weekday, begins: DayOfYear
) -> None:
    of = period(interval, zone, week_starts, begins)
    start, end = bounds(of, at)
    assert start <= at < end <= FOREVER
    if end < FOREVER:
        assert bounds(of, end)[0] == end
    if start > 0:
        assert bounds(of, start - 1)[1] == start


NEAR = st.sampled_from([-DAY, -1, 0, 1, DAY])


@given(st.lists(st.tuples(instants, NEAR, beginnings)), st.sampled_from(PERIODS))
def test_the_window_of_a_limit_does_not_depend_on_those_asked_about_before(
    moments: list[tuple[int, int, DayOfYear]], interval: Interval
) -> None:
    value = controls(normalize(policy(time_zone="Europe/Paris")))
    for near, later, begins in moments:
        of = period(interval, value.time_zone, value.week_starts, begins)
        for at in (near, near + later):
            assert limit_bounds(LimitControl(interval, begins=of.begins), value, at) == bounds(
                of, at
            )


# --- rolling


def hours(number: int) -> LimitControl:
    limits = [{"amount": 100, "interval": "rolling", "hours": number}]
    return controls(normalize(policy(spending_limits=limits))).spending_limits[0]


@given(instants, st.integers(1, 9_600))
def test_a_rolling_window_holds_what_was_created_within_its_length_and_whatever_came_after(
    at: int, number: int
) -> None:
    start, end = limit_bounds(hours(number), controls(normalize(policy())), at)
    assert start <= at < end
    # A purchase exactly so long before is over, one a second later is not.
    assert at - number * 3600 < start
    assert at - number * 3600 + 1 == start
    assert end == FOREVER
