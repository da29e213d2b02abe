"""The stretch of time that an overview is about, cut into the columns of its charts."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from enum import StrEnum

from authorizations.rules.basics.clocks import midnight

QUARTER = timedelta(minutes=15)


class Length(StrEnum):
    """Today by hours, or so many days, today included, by days."""

    TODAY = "today"
    WEEK = "7d"
    MONTH = "30d"


DAYS = {Length.TODAY: 1, Length.WEEK: 7, Length.MONTH: 30}


@dataclass(frozen=True, slots=True)
class Period:
    """Local days `first` to `last`; column n goes from `edges[n]` up to `edges[n + 1]`, in UTC.

    `before` is where a stretch of as many days, just before this one, begins.
    """

    length: Length
    first: date
    last: date
    before: datetime
    edges: tuple[datetime, ...]

    @classmethod
    def of(cls, length: Length, now: datetime, zone: tzinfo) -> "Period":
        """The period that ends with the day of `now` in `zone`."""
        last = now.astimezone(zone).date()
        days = timedelta(days=DAYS[length])
        first = last + timedelta(days=1) - days
        starts = [first + timedelta(days=place) for place in range(days.days + 1)]
        edges = [midnight(day, zone) for day in starts]
        if length is Length.TODAY:
            edges = _hours(edges[0], edges[1], zone)
        return cls(length, first, last, midnight(first - days, zone), tuple(edges))

    @property
    def start(self) -> datetime:
        return self.edges[0]

    @property
    def end(self) -> datetime:
        return self.edges[-1]


def _hours(start: datetime, end: datetime, zone: tzinfo) -> list[datetime]:
    """Where an hour of the wall clock begins: 23 or 25 of them on days the clocks change.

    Found in steps of a quarter, because zones differ by those, and some clocks change by half an
    hour.
    """
    quarters = [start + QUARTER * place for place in range((end - start) // QUARTER)]
    begun = [at for at in quarters[1:] if _hour(at, zone) != _hour(at - QUARTER, zone)]
    return [start, *begun, end]


def _hour(at: datetime, zone: tzinfo) -> tuple[int, timedelta | None]:
    local = at.astimezone(zone)
    return local.hour, local.utcoffset()
