"""The period of an overview, divided into the columns of its charts."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from enum import StrEnum

from authorizations.rules.basics.clocks import midnight

QUARTER = timedelta(minutes=15)


class Length(StrEnum):
    """Today by hours, or the last 7 or 30 days by days, including today."""

    TODAY = "today"
    WEEK = "7d"
    MONTH = "30d"


DAYS = {Length.TODAY: 1, Length.WEEK: 7, Length.MONTH: 30}


@dataclass(frozen=True, slots=True)
class Period:
    """Local days `first` to `last`; column n goes from `edges[n]` up to `edges[n + 1]`, in UTC.

    `before` is the beginning of the period of the same length just before this one.
    """

    length: Length
    first: date
    last: date
    before: datetime
    edges: tuple[datetime, ...]

    @classmethod
    def of(cls, length: Length, now: datetime, zone: tzinfo) -> "Period":
        """The period that ends with the day of `now` in `zone`.

        Today's hours are those of the wall clock: there are 23 or 25 on days the clocks change.
        """
        last = now.astimezone(zone).date()
        days = timedelta(days=DAYS[length])
        first = last + timedelta(days=1) - days
        edges = [midnight(first + timedelta(days=day), zone) for day in range(days.days + 1)]
        if length is Length.TODAY:
            start, end = edges
            # Quarter by quarter: offsets of zones are multiples of a quarter of an hour, and some
            # clocks change by half an hour.
            quarters = [start + QUARTER * number for number in range((end - start) // QUARTER)]
            hours = [at for at in quarters[1:] if _hour(at, zone) != _hour(at - QUARTER, zone)]
            edges = [start, *hours, end]
        return cls(length, first, last, midnight(first - days, zone), tuple(edges))

    @property
    def start(self) -> datetime:
        return self.edges[0]

    @property
    def end(self) -> datetime:
        return self.edges[-1]


def _hour(at: datetime, zone: tzinfo) -> tuple[int, timedelta | None]:
    local = at.astimezone(zone)
    return local.hour, local.utcoffset()
