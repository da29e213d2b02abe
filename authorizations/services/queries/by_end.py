"""Lists of what ends: the soonest first, those without an end last, of equal ones the newest."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import F, Q, QuerySet

from authorizations.services.queries.by_key import number
from authorizations.services.queries.listing import ListPiece, WrongKeyError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class ByEnd:
    """A list of rows with `ends_at`, which is None for good.

    A key is the end in microseconds, empty without one, and the row's: "1796040000000000.17".
    "Older" is what ends later.
    """

    rows: QuerySet[Any]

    def key(self, row: Any) -> str:
        end = "" if row.ends_at is None else (row.ends_at - _EPOCH) // _MICROSECOND
        return f"{end}.{row.pk}"

    def older(self, key: str, size: int) -> ListPiece:
        rows = self.rows
        if key:
            end, pk = _parts(key)
            after = Q(ends_at=end, pk__lt=pk)
            rows = rows.filter(after if end is None else after | Q(ends_at__gt=end) | _FOR_GOOD)
        return self._piece(rows.order_by(F("ends_at").asc(nulls_last=True), "-pk"), size)

    def newer(self, key: str, size: int) -> ListPiece:
        end, pk = _parts(key)
        before = Q(ends_at=end, pk__gt=pk)
        sooner = Q(ends_at__isnull=False) if end is None else Q(ends_at__lt=end)
        rows = self.rows.filter(before | sooner)
        piece = self._piece(rows.order_by(F("ends_at").desc(nulls_first=True), "pk"), size)
        return ListPiece(piece.rows[::-1], piece.rest)

    def _piece(self, rows: QuerySet[Any], size: int) -> ListPiece:
        found = list(rows[: size + 1])
        return ListPiece(found[:size], self.key(found[size - 1]) if len(found) > size else "")


_FOR_GOOD = Q(ends_at=None)


def _parts(key: str) -> tuple[datetime | None, int]:
    """The end and the row's key. Raises WrongKeyError."""
    end, dot, pk = key.partition(".")
    if not dot:
        raise WrongKeyError(key)
    try:
        return (_EPOCH + number(end) * _MICROSECOND if end else None), number(pk)
    except OverflowError as error:
        raise WrongKeyError(key) from error
