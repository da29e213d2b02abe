"""Lists in the order of a time that has only a BRIN index: it knows roughly which pages of a table
hold which times, and costs next to nothing to keep up.

Such an index finds a window of time, but can't walk along it. So windows are looked at one after
the other, each longer than the last, until there are rows enough; where that takes too long, the
list says how far it has looked, and goes on from there.
"""

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from authorizations.services.queries.listing import ListPiece, WrongKeyError

BUDGET_S = 0.1
"""After so long no further window is looked at."""

SMALL_BYTES = 32 * 2**20
"""A smaller table is looked at in one go."""

FIRST_WINDOW = timedelta(minutes=1)

_GROWTH = 4
_QUICK_S = 0.01  # a window looked at within this time may be followed by a longer one
_LONGEST = timedelta(days=10_000)
_YEAR_9000 = datetime(9000, 1, 1, tzinfo=UTC)
_YEAR_2000 = datetime(2000, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_KEY = re.compile(r"(?P<at>[0-9]{1,16})(?:-(?P<pk>[^\x00]{1,255}))?")

Window = tuple[dict[str, datetime], datetime | None]
"""Conditions on the time, and the edge up to which everything has been seen after it."""


class TimeKey(NamedTuple):
    """A place in the list; without `pk`, between all rows of this time and what is older."""

    at: datetime
    pk: Any = None


@dataclass(frozen=True, slots=True)
class ByTime:
    """Rows in the order of their column `at`, from `since` and before `until`.

    `is_narrow` says that another index finds the few rows that the filters leave.
    """

    rows: QuerySet[Any]
    at: str
    since: datetime | None = None
    until: datetime | None = None
    is_narrow: bool = False

    def key(self, row: Any) -> str:
        return _written(TimeKey(getattr(row, self.at), row.pk))

    def older(self, key: str, size: int) -> ListPiece:
        place = self._read(key) if key else None
        newest = min(place.at if place else timezone.now(), self.until or _YEAR_9000)
        rows = self._within.filter(_before(place, self.at)) if place else self._within
        return self._walk(rows.order_by(f"-{self.at}", "-pk"), self._back(newest), size)

    def newer(self, key: str, size: int) -> ListPiece:
        place = self._read(key)
        rows = self._within.filter(_after(place, self.at))
        oldest = max(place.at, self.since or place.at)
        piece = self._walk(rows.order_by(self.at, "pk"), self._forward(oldest), size)
        return replace(piece, rows=piece.rows[::-1])

    def _walk(self, rows: QuerySet[Any], windows: Iterable[Window], size: int) -> ListPiece:
        """The first rows, from window to window, as far as time allows."""
        deadline = time.monotonic() + BUDGET_S
        found: list[Any] = []
        for window, edge in windows:
            found += rows.filter(**window)[: size + 1 - len(found)]
            if len(found) > size:
                return ListPiece(found[:size], self.key(found[size - 1]))
            if edge and time.monotonic() > deadline:
                return ListPiece(found, _written(TimeKey(edge)), edge)
        return ListPiece(found)

    def _back(self, newest: datetime) -> Iterator[Window]:
        later: dict[str, datetime] = {}
        for edge in self._edges(newest, -FIRST_WINDOW):
            if edge <= (self.since or _YEAR_2000):
                break
            yield {f"{self.at}__gte": edge} | later, edge
            later = {f"{self.at}__lt": edge}
        yield later, None

    def _forward(self, oldest: datetime) -> Iterator[Window]:
        earlier: dict[str, datetime] = {}
        for edge in self._edges(oldest, FIRST_WINDOW):
            if edge >= (self.until or timezone.now()):
                break
            yield {f"{self.at}__lt": edge} | earlier, edge
            earlier = {f"{self.at}__gte": edge}
        yield earlier, None

    def _edges(self, start: datetime, step: timedelta) -> Iterator[datetime]:
        """Where windows end; none where one look at everything is quick."""
        if self.is_narrow or self._is_small():
            return
        while True:
            begin = time.monotonic()
            start += step
            yield start  # and is back when that window has been looked at
            if time.monotonic() - begin < _QUICK_S and abs(step) < _LONGEST:
                step *= _GROWTH

    @property
    def _within(self) -> QuerySet[Any]:
        span = {"gte": self.since, "lt": self.until}
        return self.rows.filter(**{f"{self.at}__{op}": edge for op, edge in span.items() if edge})

    @property
    def _pk(self) -> Any:
        return self.rows.model._meta.pk  # noqa: SLF001 - Django documents it

    def _is_small(self) -> bool:
        with connection.cursor() as cursor:
            table = self.rows.model._meta.db_table  # noqa: SLF001
            cursor.execute("SELECT pg_relation_size(%s::regclass)", [table])
            [size] = cursor.fetchone()
        return bool(size < SMALL_BYTES)

    def _read(self, text: str) -> TimeKey:
        match = _KEY.fullmatch(text)
        if match is None:
            raise WrongKeyError(text)
        at = _EPOCH + int(match["at"]) * _MICROSECOND
        try:
            return TimeKey(at, self._pk.to_python(match["pk"]) if match["pk"] else None)
        except ValidationError:
            raise WrongKeyError(text) from None


def _written(key: TimeKey) -> str:
    at = (key.at - _EPOCH) // _MICROSECOND
    return f"{at}" if key.pk is None else f"{at}-{key.pk}"


def _before(place: TimeKey, at: str) -> Q:
    earlier = Q(**{f"{at}__lt": place.at})
    if place.pk is None:
        return earlier
    # The first part is what an index understands.
    return Q(**{f"{at}__lte": place.at}) & (earlier | Q(**{at: place.at, "pk__lt": place.pk}))


def _after(place: TimeKey, at: str) -> Q:
    if place.pk is None:
        return Q(**{f"{at}__gte": place.at})
    later = Q(**{f"{at}__gt": place.at}) | Q(**{at: place.at, "pk__gt": place.pk})
    return Q(**{f"{at}__gte": place.at}) & later
