"""The middle of the way: requests are decided by what is on record, without any database."""

from typing import Any

import pytest

from authorizations.rules.decision.windows import windows_for
from authorizations.services.authorize.decision import LockedRequest, decide_purchases
from authorizations.services.authorize.outcome import Outcome
from authorizations.services.store import statements
from authorizations.services.store.lookup import Existing, LockedScopes
from authorizations.services.store.statements import Statement
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


def without_asking(*purchases: LockedRequest) -> list[Outcome]:
    """What a plan returns that asks the database for nothing."""
    with pytest.raises(StopIteration) as done:
        next(decide_purchases(purchases))
    found: list[Outcome] = done.value.value
    return found


def test_several_are_decided_each_by_what_is_on_record_of_it() -> None:
    approved, declined = without_asking(locked(4_000, used=6_000), locked(4_001, used=6_000))
    assert (approved.decision.approved, approved.decision.amount) == (True, 4_000)
    assert declined.decision.reason == "amount_limit_exceeded"
    assert [row.amount for row in approved.remembered] == [10_000]
    assert declined.remembered == []


def test_what_is_not_remembered_is_asked_for_and_decided_by_the_answer() -> None:
    plan = decide_purchases([locked(4_000, used=None)])
    [asked] = next(plan)
    assert isinstance(asked, Statement)
    assert asked.text == statements.SUM
    with pytest.raises(StopIteration) as done:
        plan.send([[(0, 0, "", "", "", "", "", 6_001, 0, 0, 1, 0, 1)]])
    [outcome] = done.value.value
    assert outcome.decision.reason == "amount_limit_exceeded"


def test_an_error_of_the_database_is_raised_where_it_was_asked() -> None:
    plan = decide_purchases([locked(4_000, used=None)])
    next(plan)
    with pytest.raises(ZeroDivisionError):
        plan.throw(ZeroDivisionError())
