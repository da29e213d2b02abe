"""Lists of the record, newest first, paged by key.

A page begins after the key where the one before it ended; rows are never counted or skipped with
OFFSET, so its cost does not depend on the number of rows. Each kind of list defines its keys.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


class WrongKeyError(ValueError):
    """The text is not a valid key of this list."""


@dataclass(frozen=True, slots=True)
class ListPiece:
    """Some rows, newest first; `rest` is the key where the list continues, or "" at its end.

    If time ran out before all requested rows were found, `looked_to` is how far the search came.
    """

    rows: list[Any]
    rest: str = ""
    looked_to: datetime | None = None


class Listing(Protocol):
    """A list with its filters. Keys are strings for URLs; "" is the newest end.

    Raises WrongKeyError for a malformed key.
    """

    def key(self, row: Any) -> str: ...

    def older(self, key: str, size: int) -> ListPiece:
        """The newest rows that are older than the key."""

    def newer(self, key: str, size: int) -> ListPiece:
        """The oldest rows that are newer than the key."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, newest first; `newer` and `older` are the keys of the next pages, "" at an end."""

    rows: list[Any]
    newer: str = ""
    older: str = ""
    looked_to: datetime | None = None


def page(listing: Listing, *, size: int, before: str = "", after: str = "") -> Page:
    """The page of rows just older than `before` or just newer than `after`; else the newest."""
    if after:
        piece = listing.newer(after, size)
        if piece.rest:
            oldest = listing.key(piece.rows[-1]) if piece.rows else after
            return Page(piece.rows, piece.rest, oldest, piece.looked_to)
        before = ""  # the newest page, and a full one
    piece = listing.older(before, size)
    newest = listing.key(piece.rows[0]) if piece.rows else before
    return Page(piece.rows, newest if before else "", piece.rest, piece.looked_to)


def chunks(listing: Listing, size: int) -> Iterator[list[Any]]:
    """All rows, newest first, `size` at a time, each chunk read by a short query of its own."""
    key = ""
    while True:
        piece = listing.older(key, size)
        if piece.rows:
            yield piece.rows
        if not piece.rest:
            return
        key = piece.rest
