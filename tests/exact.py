"""Whether the books are exact, in one call."""

from authorizations.services.verify_books import verify_books


def wrong_in_books() -> list[str]:
    """Every difference there is: none, as it should be."""
    return [str(found) for piece in verify_books() for found in piece.differences]
