"""The loop of whatever changes a purchase: what is tried again, and what is left of an attempt."""

from collections.abc import Callable

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from authorizations.models import CardGroup
from authorizations.rules.purchases.events import PurchaseEvent
from authorizations.services.store.attempts import (
    ATTEMPTS,
    KeepsChangingError,
    carry_out,
)
from authorizations.services.store.locks import AlsoLocked, Retry
from authorizations.services.store.plans import Plan, call
from tests.support.builders import authorization_request

pytestmark = pytest.mark.django_db(transaction=True)

SOME = AlsoLocked(groups=[1])


class LostError(Exception):
    """With what was computed."""


def attempts(
    *outcomes: str | Retry | Exception,
) -> tuple[Callable[[Retry], Plan[str | Retry]], list[AlsoLocked | None]]:
    """Attempts with these outcomes in turn, each of which writes a group; and what each got."""
    remaining = iter(outcomes)
    asked: list[AlsoLocked | None] = []

    def attempt(before: Retry) -> Plan[str | Retry]:
        asked.append(before.also)
        outcome = next(remaining)
        yield from call(lambda: CardGroup.objects.create(name=f"Attempt {len(asked)}"))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return attempt, asked


def kept() -> list[str]:
    return list(CardGroup.objects.order_by("pk").values_list("name", flat=True))


def test_what_has_to_be_locked_first_is_told_to_the_next_attempt() -> None:
    attempt, asked = attempts(Retry(SOME), "done")
    assert carry_out(attempt) == "done"
    assert asked == [None, SOME]


def test_a_card_is_registered_between_two_attempts_while_nothing_is_locked() -> None:
    told = authorization_request()
    attempt, asked = attempts(Retry(unsettled=told), "done")
    registered: list[tuple[PurchaseEvent, bool]] = []

    def register(event: PurchaseEvent) -> None:
        registered.append((event, connection.in_atomic_block))

    assert carry_out(attempt, register=register) == "done"
    assert registered == [(told, False)]
    assert len(asked) == 2


def test_it_is_given_up_after_four_attempts() -> None:
    attempt, asked = attempts(*[Retry()] * (ATTEMPTS + 1))
    with pytest.raises(KeepsChangingError):
        carry_out(attempt)
    assert len(asked) == ATTEMPTS


def test_attempts_are_counted_anew_once_a_part_is_done() -> None:
    waiting = [Retry()] * (ATTEMPTS - 1)
    attempt, asked = attempts(*waiting, Retry(is_further=True), *waiting, "done")
    assert carry_out(attempt) == "done"
    assert len(asked) == 2 * ATTEMPTS


def test_an_attempt_that_raises_leaves_nothing_and_no_transaction_behind() -> None:
    attempt, asked = attempts(Retry(), ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        carry_out(attempt)
    assert len(asked) == 2
    assert kept() == ["Attempt 1"]
    assert not connection.in_atomic_block


def test_what_was_written_elsewhere_meanwhile_is_tried_again() -> None:
    attempt, _ = attempts(IntegrityError("the same event"), "done")
    assert carry_out(attempt) == "done"
    assert kept() == ["Attempt 2"]


def test_what_is_refused_each_time_is_raised() -> None:
    attempt, asked = attempts(*[IntegrityError("a check")] * ATTEMPTS)
    with pytest.raises(IntegrityError, match="a check"):
        carry_out(attempt)
    assert len(asked) == ATTEMPTS
    assert kept() == []


def test_another_failure_of_the_database_is_raised_at_once() -> None:
    attempt, asked = attempts(OperationalError("gone"), "done")
    with pytest.raises(OperationalError, match="gone"):
        carry_out(attempt, lost=LostError)
    assert len(asked) == 1


def lose_the_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    """COMMIT is carried out, and its reply does not arrive."""
    commit = connection._commit  # type: ignore[attr-defined]

    def lost() -> None:
        commit()
        raise OperationalError("the reply is lost")

    monkeypatch.setattr(connection, "_commit", lost)


def test_where_the_reply_to_commit_is_lost_what_was_computed_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attempt, asked = attempts("computed")
    lose_the_reply(monkeypatch)
    with pytest.raises(LostError, match="computed") as lost:
        carry_out(attempt, lost=LostError)
    assert isinstance(lost.value.__cause__, OperationalError)
    assert len(asked) == 1


def test_nothing_was_computed_where_the_reply_to_the_commit_of_a_vain_attempt_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attempt, _ = attempts(Retry(), "computed")
    lose_the_reply(monkeypatch)
    with pytest.raises(OperationalError, match="the reply is lost"):
        carry_out(attempt, lost=LostError)


def test_it_can_be_part_of_a_transaction() -> None:
    attempt, _ = attempts(Retry(), "done")
    with transaction.atomic():
        assert carry_out(attempt) == "done"
    assert kept() == ["Attempt 1", "Attempt 2"]
