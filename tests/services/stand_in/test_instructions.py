"""What operators have instructed, without the database: kind by kind, what stand-in answers to a
purchase that the desk was asked about as well, and whether it ends to the second.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from authorizations.models import CardGroup, Policy
from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.rules.basics.purchase_exceptions import Waiver
from authorizations.rules.decision.stand_in import StandInCause
from authorizations.services.policies import exclusions, funds, groups, own_amounts, stops
from authorizations.services.policies.planned import PlannedTimes
from authorizations.services.policies.publish import publish
from authorizations.services.policies.purchase_exceptions import allow_once
from authorizations.services.stand_in import local_copy_refresh
from simulator.stripe.samples import Json
from tests.support.desk import Shopper, deliver, in_force, says
from tests.support.stand_in import delivery, on_this_host, stood_in

pytestmark = pytest.mark.django_db(transaction=True)

ADA = Shopper(card_id="ic_ada", cardholder_id="ich_ada", at=int(time.time()))
CARD, HOLDER = Scope(ScopeKind.CARD, "ic_ada"), Scope(ScopeKind.CARDHOLDER, "ich_ada")
PROGRAM = Scope(ScopeKind.PROGRAM, "")
WHY: dict[str, Any] = {"by": None, "reason": "Test"}
AMOUNT = 500
APPROVED, EXCEEDED = "approved", "amount_limit_exceeded"


@pytest.fixture(autouse=True)
def host(tmp_path: Path) -> Iterator[Path]:
    with on_this_host(tmp_path / "spool") as directory:
        yield directory


def a_purchase(limit: int) -> Policy:
    limits = [{"key": "each", "amount": limit, "interval": "per_authorization"}]
    return in_force("Team", spending_limits=limits)


def team() -> Scope:
    group = CardGroup.objects.create(name="Team")
    groups.move("ic_ada", group)
    return Scope(ScopeKind.GROUP, str(group.pk))


def frozen(scope: Callable[[], Scope]) -> Callable[[datetime], None]:
    def freeze(until: datetime) -> None:
        a_purchase(1_000)
        stops.freeze(scope(), until=until, **WHY)

    return freeze


def blocked(scope: Callable[[], Scope], **terms: Any) -> Callable[[datetime], None]:
    def block(until: datetime) -> None:
        a_purchase(1_000)
        stops.block(scope(), terms, until=until, **WHY)

    return block


def own_amount(limit: int, scope: Scope, **figures: Any) -> Callable[[datetime], None]:
    def give(until: datetime) -> None:
        own_amounts.give(scope, a_purchase(limit), "each", until=until, **WHY, **figures)

    return give


def leave_out(until: datetime) -> None:
    a_purchase(1_000)
    strict = in_force("Strict", spending_limits=[{"amount": 100, "interval": "per_authorization"}])
    exclusions.leave_out(strict, PROGRAM, CARD, until=until, **WHY)


def plan_until(until: datetime) -> None:
    policy = a_purchase(1_000)
    [limit] = says(policy)["spending_limits"]
    limits = [limit | {"amount": 100}]
    changed = says(policy) | {"spending_limits": limits}
    publish(changed, None, policy=policy, times=PlannedTimes(None, until))


def plan_from(begins: datetime) -> None:
    policy = a_purchase(100)
    [limit] = says(policy)["spending_limits"]
    limits = [limit | {"amount": 1_000}]
    changed = says(policy) | {"spending_limits": limits}
    publish(changed, None, policy=policy, times=PlannedTimes(begins))


def own_amount_from(begins: datetime) -> None:
    own_amounts.give(CARD, a_purchase(1_000), "each", amount=100, begins=begins, **WHY)


def allow(until: datetime) -> None:
    policy = a_purchase(100)
    waived = [Waiver("amount_limit_exceeded", policy.pk, "each")]
    allow_once("ic_ada", waived, up_to=1_000, currency="eur", until=until, **WHY)


def fill(_: datetime) -> None:
    policy = in_force("Pot", unlimited=False, spending_limits=[{"key": "pot", "funds": True}])
    funds.enter(policy, "pot", CARD, 1_000, reference="PO-17", **WHY)


def try_often(**more: Any) -> Callable[[datetime], None]:
    def tried(_: datetime) -> None:
        limit = {"key": "tries", "attempts": 3, "interval": "rolling", "minutes": 60}
        in_force("Team", unlimited=True, spending_limits=[limit | more])
        assert [ADA.reason(1), ADA.reason(1)] == [APPROVED, APPROVED]

    return tried


def regroup(_: datetime) -> None:
    """A group asks for what the metadata of the card's next request says; only events move it."""
    a_purchase(1_000)
    group = CardGroup.objects.create(name="Team", metadata_key="team", metadata_value="x")
    limits = [{"amount": 100, "interval": "per_authorization"}]
    in_force("Of the team", spending_limits=limits, to={"group": group})


class Answers(NamedTuple):
    """What the desk answers now, and stand-in now and from the end on (or beginning)."""

    desk: str
    stand_in: str
    afterwards: str


FROZEN = Answers("card_frozen", "card_frozen", APPROVED)
BLOCKED = Answers("blocked", "blocked", APPROVED)
LOWERED = Answers(EXCEEDED, EXCEEDED, APPROVED)
RAISED = Answers(APPROVED, APPROVED, EXCEEDED)

KINDS: dict[str, tuple[Callable[[datetime], None], Answers]] = {
    "a freeze of the card": (frozen(lambda: CARD), FROZEN),
    "a freeze of the cardholder": (frozen(lambda: HOLDER), FROZEN),
    "a freeze of the group": (frozen(team), FROZEN),
    "a freeze of the program": (frozen(lambda: PROGRAM), FROZEN),
    "a block of a merchant": (
        blocked(lambda: PROGRAM, merchant={"network_id": ADA.purchase(1).merchant.network_id}),
        BLOCKED,
    ),
    "a block of a category": (
        blocked(lambda: PROGRAM, category=ADA.purchase(1).merchant.category),
        BLOCKED,
    ),
    "a block of a country, for a group": (
        blocked(team, country=ADA.purchase(1).merchant.country),
        BLOCKED,
    ),
    "an own amount that is lower": (own_amount(1_000, CARD, amount=100), LOWERED),
    "an own amount that is higher": (own_amount(100, CARD, amount=1_000), RAISED),
    "a raise of the cardholder's": (own_amount(100, HOLDER, raise_by=400), RAISED),
    "an own amount that begins": (own_amount_from, Answers(APPROVED, APPROVED, EXCEEDED)),
    "an exclusion": (leave_out, RAISED),
    "a planned version that ends": (plan_until, LOWERED),
    "a planned version that begins": (plan_from, LOWERED),
    "an exception": (allow, Answers(APPROVED, EXCEEDED, EXCEEDED)),
    "funds": (fill, Answers(APPROVED, "stand_in", "stand_in")),
    "attempts": (try_often(), Answers("attempt_limit_exceeded", APPROVED, APPROVED)),
    "a freeze by attempts": (
        try_often(then_freeze=True),
        Answers("card_frozen", "card_frozen", "card_frozen"),
    ),
    "metadata of a known card's request": (regroup, Answers(APPROVED, APPROVED, APPROVED)),
}


@pytest.mark.parametrize(("instruct", "expected"), KINDS.values(), ids=KINDS.keys())
def test_without_the_database_it_is_answered_so_and_ends_to_the_second(
    instruct: Callable[[datetime], None], expected: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ADA.reason(0) in {APPROVED, "no_policy"}
    end = timezone.now().replace(microsecond=0) + timedelta(minutes=10)
    instruct(end)
    local_copy_refresh.renew_policies()
    local_copy_refresh.renew_cards()
    asking = replace(ADA, at=int(end.timestamp()), card={"metadata": {"team": "x"}})
    event = asking.event(asking.purchase(AMOUNT))
    connection.close()
    monkeypatch.setattr(connection, "ensure_connection", away)
    monkeypatch.setattr(connection, "connect", away)
    at = end.timestamp()
    found = [stand_in(event, moment, monkeypatch) for moment in (at - 0.001, at)]
    monkeypatch.undo()
    with transaction.atomic():
        desk = deliver(event).json()["metadata"]["reason"]
        transaction.set_rollback(True)
    assert Answers(desk, *found) == expected


def stand_in(event: Json, moment: float, monkeypatch: pytest.MonkeyPatch) -> str:
    """The reason of an answer at this moment by the host's clock, to a new event."""
    monkeypatch.setattr(time, "time", lambda: moment)
    again = event | {"id": f"{event['id']}_{moment}"}
    answer = json.loads(stood_in(delivery(again), StandInCause.DEADLINE_MISSED))
    return str(answer["metadata"]["reason"])


def away() -> None:
    raise OperationalError("The database is away.")
