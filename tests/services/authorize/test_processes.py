"""Sixteen processes at once: what is given is used up exactly, by whichever of them.

As several servers answer for one desk: they share nothing but the database.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from itertools import accumulate
from random import Random
from typing import Any

import pytest
from django.utils import timezone

from authorizations.models import (
    Authorization,
    Card,
    CardGroup,
    Decision,
    ExceptionUse,
    FundEntry,
    Instruction,
    Policy,
    PotSum,
)
from authorizations.rules.basics.controls import OwnBudget, Scope, ScopeKind
from authorizations.rules.basics.purchase_exceptions import Waiver
from authorizations.services.policies import funds
from authorizations.services.policies.purchase_exceptions import allow_once
from authorizations.services.policies.stops import StopError
from tests.support.desk import Shopper, in_force
from tests.support.processes import NUMBER, Processes, many
from tests.support.verification import assert_clean

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

ADA = Shopper(card_id="ic_ada", cardholder_id="ich_ada")
ADAS_OTHER = Shopper(card_id="ic_ada2", cardholder_id="ich_ada")
BEA = Shopper(card_id="ic_bea", cardholder_id="ich_bea")


@pytest.fixture(scope="module")
def processes(django_db_setup: None) -> Iterator[Processes]:
    with many(__name__) as found:
        yield found


def retry(amount: int, authorization_id: str, _: int) -> str:
    """The same purchase again; without an id, as the shop asks for it anew."""
    if not authorization_id:
        return ADA.reason(amount)
    return ADA.reason(ADA.purchase(amount, authorization_id=authorization_id))


@pytest.mark.parametrize("authorization_id", ["", "iauth_one"])
def test_of_sixteen_identical_retries_on_one_exception_exactly_one_is_approved(
    processes: Processes, authorization_id: str
) -> None:
    team = in_force("Team", spending_limits=[{"amount": 50_000, "interval": "monthly"}])
    ADA.asks(0)
    allow_once(
        "ic_ada",
        [Waiver("amount_limit_exceeded", team.pk, "monthly")],
        up_to=60_000,
        currency="eur",
        until=timezone.now() + timedelta(hours=1),
        by=None,
        reason="Trip",
    )
    reasons = processes.play(partial(retry, 54_000, authorization_id))
    assert Counter(reasons) == {"approved": 1, "amount_limit_exceeded": NUMBER - 1}
    assert ExceptionUse.objects.count() == 1
    assert Authorization.objects.get(counted_amount__gt=0).counted_amount == 54_000
    assert_clean()


def tries(_: int) -> list[str]:
    return [ADA.reason(700) for _ in range(3)]


@pytest.mark.parametrize(
    ("freezes", "refused"),
    [({}, "attempt_limit_exceeded"), ({"then_freeze": True}, "card_frozen")],
    ids=["alone", "with a freeze"],
)
def test_no_more_attempts_than_the_limit_has_are_let_through(
    processes: Processes, freezes: dict[str, Any], refused: str
) -> None:
    limit = {"key": "tries", "attempts": 20, "interval": "rolling", "minutes": 60} | freezes
    in_force("Team", unlimited=True, spending_limits=[limit])
    in_force("Cents", spending_limits=[{"amount": 10 * 700, "interval": "daily"}])
    BEA.asks(0)
    found = Counter(reason for those in processes.play(tries) for reason in those)
    # Declined ones are attempts as well.
    assert found == {"approved": 10, "amount_limit_exceeded": 10, refused: 3 * NUMBER - 20}
    assert Instruction.objects.filter(kind="freeze").count() == len(freezes)
    assert_clean()


POT_AT = int(timezone.now().timestamp()) + 86_400  # after its first entry
SPENDER = Shopper(card_id="ic_ada", cardholder_id="ich_ada", at=POT_AT)


def spends_or_fills(place: int) -> dict[str, int]:
    """What is spent of the pot, added to it and taken out of it by this process."""
    chance, done = Random(place), Counter[str]()
    team = Policy.objects.get(name="Team")
    for turn in range(8):
        if place < NUMBER - 4:
            amount = chance.randrange(1, 200)
            reason = SPENDER.reason(amount)
            assert reason in {"approved", "funds_exceeded"}
            done["spent"] += amount if reason == "approved" else 0
            continue
        amount = 60 if place % 2 else -50
        scope = Scope(ScopeKind.CARD, "ic_ada")
        try:
            reference = f"{place}-{turn}"
            funds.enter(team, "pot", scope, amount, by=None, reference=reference, reason="Week 49")
        except StopError as refused:
            if "is left" not in str(refused):
                raise
        else:
            done["added" if amount > 0 else "taken"] += abs(amount)
    return dict(done)


def test_a_pot_that_is_filled_and_emptied_meanwhile_is_never_overdrawn(
    processes: Processes,
) -> None:
    in_force("Team", unlimited=False, spending_limits=[{"key": "pot", "funds": True}])
    assert SPENDER.reason(0) == "approved"
    team, scope = Policy.objects.get(), Scope(ScopeKind.CARD, "ic_ada")
    funds.enter(team, "pot", scope, 1_000, by=None, reference="first", reason="Week 49")
    done = sum((Counter(its) for its in processes.play(spends_or_fills)), Counter[str]())
    assert done["added"] == 2 * 8 * 60
    [pot] = PotSum.objects.all()
    assert pot.amount == 1_000 + done["added"] - done["taken"]
    assert 0 <= pot.amount - done["spent"] < 200
    assert_never_overdrawn()
    assert_clean()


def assert_never_overdrawn() -> None:
    """In the order in which it happened: all took turns under one lock."""
    steps = [*FundEntry.objects.values_list("entered_at", "amount")]
    spent = Decision.objects.filter(approved=True).values_list("decided_at", "approved_amount")
    steps += [(at, -amount) for at, amount in spent]
    assert min(accumulate(amount for _, amount in sorted(steps))) >= 0


@pytest.mark.parametrize("each", [OwnBudget.CARD.value, OwnBudget.CARDHOLDER.value])
def test_each_member_spends_all_that_is_its_own_and_no_cent_more(
    processes: Processes, each: str
) -> None:
    for shopper in (ADA, ADAS_OTHER, BEA):
        shopper.asks(0)
    team = CardGroup.objects.create(name="Team")
    Card.objects.update(group=team)
    limits = [{"amount": 1_000, "interval": "daily"}]
    in_force(spending_limits=limits, to={"group": team, "each": each})
    found = Counter(reason for those in processes.play(buys) for reason in those)
    key = "card_id" if each == OwnBudget.CARD else "cardholder_id"
    spent = Counter[str]()
    for row in Authorization.objects.all():
        spent[getattr(row, key)] += row.counted_amount
    members = 3 if each == OwnBudget.CARD else 2
    assert spent == dict.fromkeys(spent, 5 * 170)
    assert len(spent) == members
    assert found == {"approved": 5 * members, "amount_limit_exceeded": 3 * NUMBER - 5 * members}
    assert_clean()


def buys(place: int) -> list[str]:
    shopper = (ADA, ADAS_OTHER, BEA, ADAS_OTHER)[place % 4]
    return [shopper.reason(170) for _ in range(3)]
