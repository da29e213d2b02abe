"""The window that a limit measures, and so which usage a decision needs.

Windows are half-open [start, end) in Unix seconds and begin at midnight in the policy's time zone:
a day on which the clocks change has 23 or 25 hours.
"""

from calendar import monthrange
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from authorizations.rules.basics.clocks import FOREVER, local_time, midnight, zone
from authorizations.rules.basics.controls import (
    JANUARY_1,
    MONTHS,
    DayOfYear,
    Interval,
    LimitControl,
    Weekday,
)
from authorizations.rules.decision.controls import AppliedControls, SpendingControls
from authorizations.rules.decision.values import Window
from authorizations.rules.purchases.events import AuthorizationRequest, Placed

_LAST_DAY = date(9999, 1, 1)
"""The year 9999 is one window for every interval, as `date` has no day after it."""

_WEEKDAYS = tuple(Weekday)


def windows_for(
    request: AuthorizationRequest, applied: Iterable[AppliedControls]
) -> tuple[Window, ...]:
    """Every window whose usage `decide` reads, without duplicates."""
    if request.amount == 0:
        return ()
    return windows_at(request.created, applied, lambda limit: limit_concerns(limit, request))


def windows_at(
    at: int,
    applied: Iterable[AppliedControls],
    is_wanted: Callable[[LimitControl], bool] = lambda _: True,
) -> tuple[Window, ...]:
    """The windows around an instant, without duplicates, of the limits that `is_wanted` selects."""
    needed = (
        limit_window(limit, policy, at)
        for policy in applied
        for limit in policy.controls.spending_limits
        if limit.has_window and is_wanted(limit)
    )
    return tuple(dict.fromkeys(needed))


def limit_concerns(limit: LimitControl, purchase: Placed) -> bool:
    """Whether the limit applies to this purchase: currency, filter and, for funds, age match."""
    if limit.since is not None and purchase.created < limit.since:
        return False
    if limit.amount is not None and limit.currency != purchase.currency:
        return False
    return limit.filter.concerns(purchase.merchant)


def limit_window(limit: LimitControl, policy: AppliedControls, at: int) -> Window:
    """The window of a limit around the instant `at`."""
    start, end = limit_bounds(limit, policy.controls, at)
    return Window(
        policy.measured,
        start,
        end,
        limit.filter.key,
        limit.currency if limit.amount is not None else "",
        limit.interval is Interval.ROLLING,
    )


def limit_bounds(limit: LimitControl, controls: SpendingControls, at: int) -> tuple[int, int]:
    """Start and end of the limit's window around `at`.

    A rolling window has everything created after `at` minus its length, with no upper end:
    requests can arrive out of order, and each has to count the others. That of funds has everything
    since the pot's first entry.
    """
    if limit.interval is Interval.ROLLING:
        return at - limit.rolling_seconds + 1, FOREVER
    if limit.since is not None:
        return limit.since, FOREVER
    period = CalendarPeriod(limit.interval, controls.time_zone, controls.week_starts, limit.begins)
    # Usually the current window is still that of the previous call.
    latest = _latest.get(period)
    if latest is None or not latest[0] <= at < latest[1]:
        latest = _latest[period] = bounds(period, at)
    return latest


class CalendarPeriod(NamedTuple):
    """What calendar windows depend on; `begins` is that of a limit."""

    interval: Interval
    time_zone: str
    week_starts: Weekday = Weekday.SUNDAY
    begins: DayOfYear = JANUARY_1


_latest: dict[CalendarPeriod, tuple[int, int]] = {}


def bounds(period: CalendarPeriod, at: int) -> tuple[int, int]:
    """Start and end of the calendar window that contains `at`."""
    interval, time_zone, week_starts, begins = period
    if interval is Interval.ALL_TIME:
        return 0, FOREVER
    day = local_time(time_zone, at).date()
    if day >= _LAST_DAY:
        return _midnight(time_zone, _LAST_DAY), FOREVER
    first, following = _days(interval, week_starts, begins, day)
    start, end = _midnight(time_zone, first), _midnight(time_zone, following)
    while at >= end:
        # If clocks go back across midnight, yesterday's date is shown again after today began.
        first, following = _days(interval, week_starts, begins, following)
        start, end = end, _midnight(time_zone, following)
    return start, end


@lru_cache(maxsize=4096)
def _midnight(time_zone: str, day: date) -> int:
    return int(midnight(day, zone(time_zone)).timestamp())


@lru_cache(maxsize=4096)
def _days(
    interval: Interval, week_starts: Weekday, begins: DayOfYear, day: date
) -> tuple[date, date]:
    """The first day of the period that contains `day`, and the first day of the next one."""
    if interval is Interval.DAILY:
        return day, day + timedelta(days=1)
    if interval is Interval.WEEKLY:
        first = day - timedelta(days=(day.weekday() - _WEEKDAYS.index(week_starts)) % 7)
        return first, min(first + timedelta(days=7), _LAST_DAY)
    if interval not in MONTHS:
        raise ValueError(f"{interval} has no calendar period")
    months, (month, day_of_month) = MONTHS[interval], begins
    # The latest month, counted from the year 0, in which a period can begin up to this one.
    latest = day.year * 12 + day.month - 1
    latest -= (latest - (month - 1)) % months
    if _in_month(latest, day_of_month) > day:
        latest -= months
    following = _in_month(latest + months, day_of_month)
    return _in_month(latest, day_of_month), min(following, _LAST_DAY)


def _in_month(months: int, day: int) -> date:
    """A day of the month that is so many months after the year 0; its last day if it is shorter."""
    year, month = divmod(months, 12)
    return date(year, month + 1, min(day, monthrange(year, month + 1)[1]))
