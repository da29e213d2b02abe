"""Lists in the order of their primary key: the newest row has the highest."""

import re
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from authorizations.services.queries.listing import ListPiece, WrongKeyError

_NUMBER = re.compile("[0-9]{1,19}")
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class ByKey:
    """A list of rows whose primary keys are numbers in the order of writing."""

    rows: QuerySet[Any]

    def key(self, row: Any) -> str:
        return str(row.pk)

    def older(self, key: str, size: int) -> ListPiece:
        rows = self.rows.filter(pk__lt=number(key)) if key else self.rows
        return self._piece(rows.order_by("-pk"), size)

    def newer(self, key: str, size: int) -> ListPiece:
        piece = self._piece(self.rows.filter(pk__gt=number(key)).order_by("pk"), size)
        return ListPiece(piece.rows[::-1], piece.rest)

    def _piece(self, rows: QuerySet[Any], size: int) -> ListPiece:
        found = list(rows[: size + 1])
        return ListPiece(found[:size], self.key(found[size - 1]) if len(found) > size else "")


def number(key: str) -> int:
    """The key as a number. Raises WrongKeyError."""
    # Checked first: int() raises for very long numbers.
    if not _NUMBER.fullmatch(key) or int(key) > _LARGEST:
        raise WrongKeyError(key)
    return int(key)
