"""The middle of the way: requests are decided by what is on record, without any database."""

from typing import Any

import pytest

from authorizations.models.ledger import LIMITS_READ
from authorizations.rules.decision.windows import windows_for
from authorizations.services.authorize import decision
from authorizations.services.authorize.decision import (
    LockedRequest,
    decide_in_turn,
    decide_purchase,
)
from authorizations.services.authorize.outcome import Outcome
from authorizations.services.runtime.pipeline import Statement
from authorizations.services.store import sum_statements
from authorizations.services.store.lookup import Existing, LockedScopes
from authorizations.services.store.usage import Remembered
from tests.rules.deciding import applied
from tests.support import builders

DAILY = applied(spending_limits=[{"amount": 10_000, "interval": "daily"}])


def locked(amount: int, used: int | None, **facts: Any) -> LockedRequest:
    """A request of a card that has used up so much of its limit; None where nobody has counted."""
    request = builders.authorization_request(amount=amount, **facts)
    remembered = [
        Remembered(
            scope="card:ic_marie",
            window_start=window.start,
            window_end=window.end,
            filter_key=window.filter_key,
            filter="{}",
            currency=window.currency,
            amount=used,
            refunded_amount=0,
            count=1,
        )
        for window in windows_for(request, [DAILY])
        if used is not None
    ]
    held = LockedScopes("ic_marie", frozen=False, cardholder_id="ich_marie", group_id=None)
    known = Existing(
        is_decided=False,
        purchase=None,
        remembered=remembered,
        applied=(DAILY,),
        has_strays=False,
    )
    return LockedRequest(request, held, known)


def without_asking(*purchases: LockedRequest) -> list[Outcome | None]:
    """What a plan returns that asks the database for nothing."""
    with pytest.raises(StopIteration) as done:
        next(decide_in_turn(purchases, lambda _: False))
    found: list[Outcome | None] = done.value.value
    return found


def test_each_is_decided_with_what_those_before_it_take() -> None:
    approved, declined, last = without_asking(
        locked(3_000, used=6_000), locked(1_001, used=6_000), locked(1_000, used=6_000)
    )
    assert approved
    assert declined
    assert last
    assert (approved.decision.approved, approved.decision.amount) == (True, 3_000)
    assert declined.decision.reason == "amount_limit_exceeded"
    assert (last.decision.approved, last.decision.amount) == (True, 1_000)
    assert [row.amount for row in approved.remembered] == [9_000]
    assert declined.remembered == []
    assert [row.amount for row in last.remembered] == [10_000]


def test_one_that_leaves_takes_nothing_from_those_after_it() -> None:
    plan = decide_in_turn(
        [locked(3_000, used=6_000), locked(4_000, used=6_000)],
        lambda outcome: outcome.decision.amount == 3_000,
    )
    with pytest.raises(StopIteration) as done:
        next(plan)
    left, approved = done.value.value
    assert left is None
    assert approved.decision.amount == 4_000


def test_one_that_fails_leaves_and_the_others_are_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    made = decision.answer_of

    def failing(request: Any, verdict: Any) -> Any:
        if request.amount == 3_000:
            raise ZeroDivisionError
        return made(request, verdict)

    monkeypatch.setattr(decision, "answer_of", failing)
    failed, approved = without_asking(locked(3_000, used=6_000), locked(4_000, used=6_000))
    assert failed is None
    assert approved
    assert approved.decision.amount == 4_000


def test_one_that_needs_sums_of_a_scope_in_which_one_before_it_counts_leaves() -> None:
    tomorrow = builders.authorization_request().created + 86_400
    counted, asking = without_asking(
        locked(100, used=6_000), locked(200, used=None, created=tomorrow)
    )
    assert counted
    assert asking is None


def test_what_is_not_remembered_is_asked_for_and_decided_by_the_answer() -> None:
    plan = decide_purchase(locked(4_000, used=None))
    [asked] = next(plan)
    assert isinstance(asked, Statement)
    assert asked.text == sum_statements.SUM
    with pytest.raises(StopIteration) as done:
        plan.send([[(0, 0, *("" for _ in LIMITS_READ), 6_001, 0, 0, 1, 0, 1)]])
    outcome = done.value.value
    assert outcome.decision.reason == "amount_limit_exceeded"


def test_an_error_of_the_database_is_raised_where_it_was_asked() -> None:
    plan = decide_purchase(locked(4_000, used=None))
    next(plan)
    with pytest.raises(ZeroDivisionError):
        plan.throw(ZeroDivisionError())
