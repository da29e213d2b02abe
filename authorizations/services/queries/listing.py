"""Lists of the record: newest first, and a page at a time by key, however many rows there are.

Nothing is counted and nothing skipped: a page begins where another ended. What a key is, and how
rows are found from one, is the business of each kind of list.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


class WrongKeyError(ValueError):
    """The text is no key of this list."""


@dataclass(frozen=True, slots=True)
class ListPiece:
    """Some rows, newest first, and the key from which the list goes on; "" where it ends there.

    Where it goes on without having found all rows it was asked for, `looked_to` is how far it
    came in the time it had.
    """

    rows: list[Any]
    rest: str = ""
    looked_to: datetime | None = None


class Listing(Protocol):
    """A list with its filters. Keys are texts for addresses; "" is the newest end.

    Raises WrongKeyError for a text that is none.
    """

    def key(self, row: Any) -> str: ...

    def older(self, key: str, size: int) -> ListPiece:
        """The newest rows that are older than the key."""

    def newer(self, key: str, size: int) -> ListPiece:
        """The oldest rows that are newer than the key."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, newest first; `newer` and `older` are the keys to go on from, "" where it ends."""

    rows: list[Any]
    newer: str = ""
    older: str = ""
    looked_to: datetime | None = None


def page(listing: Listing, *, size: int, before: str = "", after: str = "") -> Page:
    """The rows just before or just after a key, or the newest."""
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
    """All rows newest first, so many at a time, each time by a short query of its own."""
    key = ""
    while True:
        piece = listing.older(key, size)
        if piece.rows:
            yield piece.rows
        if not piece.rest:
            return
        key = piece.rest
