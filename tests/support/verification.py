"""What the proofs of the record find."""

import pytest

from authorizations.services.verify import decision_stream, running_sums, windows_as_of
from authorizations.services.verify.books import verify_books
from authorizations.services.verify.checking import Difference
from authorizations.services.verify.record import verify_record
from authorizations.services.verify.redecide import redecide_all


def differences() -> list[str]:
    """Each as a person reads it: none, as it should be."""
    return [str(found) for piece in verify_books() for found in piece.differences]


def redecided() -> list[Difference]:
    """What comes out differently when every decision is made again: nothing, as it should be."""
    return [found for piece in redecide_all() for found in piece.differences]


def contradictions() -> list[str]:
    """Where the record's rows contradict each other: nowhere, as it should be."""
    return [str(found) for piece in verify_record() for found in piece.differences]


def assert_clean() -> None:
    """Every decision comes out again the same, and the books and the record agree."""
    found = [*redecided(), *differences(), *contradictions()]
    assert not found, "\n".join(map(str, found))


def differences_piecemeal(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The same, where little is read at once and no sum is kept that nobody asks about."""
    with monkeypatch.context() as patched:
        patched.setattr(decision_stream, "SIZE", 2)
        patched.setattr(running_sums, "_MIN_DROPPED", 0)
        patched.setattr(windows_as_of, "_MAX_CALENDAR_SUMS", 0)
        patched.setattr(windows_as_of, "_MAX_SCOPES", 1)
        return differences()
