"""Freezes and blocks as purchases meet them: at once, in every scope, to the second."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.utils import IntegrityError
from django.utils import timezone

from authorizations.models import Card, CardGroup, Decision, Instruction, LedgerEntry, Lifting
from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.services.policies import stops
from authorizations.services.policies.stops import StopError
from authorizations.services.store import lookup
from authorizations.services.store.locks import ExpectedScopes
from simulator.stripe.sample_merchants import MERCHANTS
from tests.support.damage import rewrite
from tests.support.desk import Shopper, in_force
from tests.support.verification import redecided

pytestmark = pytest.mark.django_db

ADA = Shopper(card_id="ic_ada", cardholder_id="ich_ada")
BEA = Shopper(card_id="ic_bea", cardholder_id="ich_bea", name="Bea")
PROGRAM = Scope(ScopeKind.PROGRAM, "")
UBER = {
    "merchant": MERCHANTS[0]._replace(
        name="Uber *Trip", country="NL", city="Amsterdam", network_id="1234567890"
    )
}


@pytest.fixture
def operator() -> User:
    return User.objects.create(username="operator")


@pytest.fixture(autouse=True)
def granting() -> None:
    in_force(spending_limits=[{"amount": 100_000, "interval": "monthly"}])


def frozen(scope: Scope, operator: User, **until: Any) -> Instruction:
    return stops.freeze(scope, by=operator, reason="lost", **until)


def test_a_frozen_cardholder_pays_with_none_of_their_cards_and_others_do(operator: User) -> None:
    assert ADA.reason(100) == "approved"
    frozen(Scope(ScopeKind.CARDHOLDER, "ich_ada"), operator)
    second = Shopper(card_id="ic_ada2", cardholder_id="ich_ada")
    assert (ADA.reason(100), second.reason(100)) == ("card_frozen", "card_frozen")
    assert BEA.reason(100) == "approved"


def test_a_new_card_of_a_frozen_cardholder_that_nobody_has_seen_is_declined(operator: User) -> None:
    frozen(Scope(ScopeKind.CARDHOLDER, "ich_new"), operator)
    assert Shopper(card_id="ic_new", cardholder_id="ich_new").reason(100) == "card_frozen"


def test_a_frozen_group_is_that_which_the_card_is_in_now(operator: User) -> None:
    ADA.asks(100)
    group = CardGroup.objects.create(name="Drivers")
    frozen(Scope(ScopeKind.GROUP, str(group.pk)), operator)
    assert ADA.reason(100) == "approved"
    Card.objects.filter(pk="ic_ada").update(group=group)
    assert ADA.reason(100) == "card_frozen"
    Card.objects.filter(pk="ic_ada").update(group=None)
    assert ADA.reason(100) == "approved"


def test_an_increment_of_a_purchase_begun_in_a_group_looks_at_the_present_one(
    operator: User,
) -> None:
    begun_in, moved_to = (CardGroup.objects.create(name=name) for name in ("Old", "New"))
    ADA.asks(100)
    Card.objects.filter(pk="ic_ada").update(group=begun_in)
    purchase = ADA.purchase(100)
    assert ADA.reason(purchase) == "approved"
    Card.objects.filter(pk="ic_ada").update(group=moved_to)
    frozen(Scope(ScopeKind.GROUP, str(moved_to.pk)), operator)
    increment = purchase.increment(50, approved=100, at=purchase.created + 60)
    assert ADA.reason(increment) == "card_frozen"


def test_a_frozen_group_holds_while_others_forget_the_scopes_of_the_card(
    operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a group of requests does that leaves out the card because somebody else has locked it."""

    class Forgotten(dict[str, ExpectedScopes]):
        def get(self, *_: Any) -> Any:
            return None

    ADA.asks(100)
    group = CardGroup.objects.create(name="Drivers")
    Card.objects.filter(pk="ic_ada").update(group=group)
    frozen(Scope(ScopeKind.GROUP, str(group.pk)), operator)
    monkeypatch.setattr(lookup, "_seen", Forgotten())
    assert ADA.reason(100) == "card_frozen"


def test_the_whole_program_is_frozen_and_unfrozen_with_the_next_request(operator: User) -> None:
    stop = frozen(PROGRAM, operator)
    assert ADA.reason(100) == "card_frozen"
    assert stops.lift(stop, by=operator, reason="found again")
    assert ADA.reason(100) == "approved"
    assert not stops.lift(stop, by=operator, reason="twice")
    assert Lifting.objects.get().reason == "found again"


def test_a_freeze_of_one_card_is_not_of_the_card_that_replaces_it(operator: User) -> None:
    ADA.asks(100)
    frozen(Scope(ScopeKind.CARD, "ic_ada"), operator)
    successor = Shopper(
        card_id="ic_ada_new", cardholder_id="ich_ada", card={"replacement_for": "ic_ada"}
    )
    assert ADA.reason(100) == "card_frozen"
    assert successor.reason(100) == "approved"


def test_of_several_freezes_each_is_lifted_by_itself(operator: User) -> None:
    one, other = frozen(PROGRAM, operator), frozen(PROGRAM, operator)
    stops.lift(one, by=operator, reason="done")
    assert ADA.reason(100) == "card_frozen"
    stops.lift(other, by=operator, reason="done")
    assert ADA.reason(100) == "approved"


def test_a_block_by_network_id_holds_everywhere_or_in_one_group(operator: User) -> None:
    ADA.asks(100)
    BEA.asks(100)
    group = CardGroup.objects.create(name="Drivers")
    Card.objects.filter(pk="ic_ada").update(group=group)
    terms = {"merchant": {"network_id": "1234567890"}}
    in_group = Scope(ScopeKind.GROUP, str(group.pk))
    stop = stops.block(in_group, terms, by=operator, reason="fraud")
    assert ADA.reason(100, **UBER) == "blocked"
    assert BEA.reason(100, **UBER) == "approved"
    assert ADA.reason(100) == "approved"
    stops.lift(stop, by=operator, reason="settled")
    stops.block(PROGRAM, {"country": "NL"}, by=operator, reason="sanctions")
    assert (ADA.reason(100, **UBER), BEA.reason(100, **UBER)) == ("blocked", "blocked")


def test_it_ends_to_the_second_by_the_clock_of_the_database(operator: User) -> None:
    """A decision's own transaction began earlier: what counts is when its rows are locked."""
    stop = frozen(PROGRAM, operator, until=timezone.now() + timedelta(seconds=1.5))
    assert ADA.reason(100) == "card_frozen"
    while _database_clock() < _ends(stop):
        time.sleep(0.05)
    assert ADA.reason(100) == "approved"
    assert not stops.lift(stop, by=operator, reason="too late")
    assert not Lifting.objects.exists()


def test_what_begins_later_does_not_hold_yet(operator: User) -> None:
    stop = frozen(PROGRAM, operator)
    begins = _database_clock() + timedelta(seconds=1.5)
    rewrite(stop, starts_at=begins)
    assert ADA.reason(100) == "approved"
    assert not stops.in_force().exists()
    while _database_clock() < begins:
        time.sleep(0.05)
    assert ADA.reason(100) == "card_frozen"
    assert stops.in_force().get() == stop


def _database_clock() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        [now] = cursor.fetchone()
    assert isinstance(now, datetime)
    return now


def _ends(stop: Instruction) -> datetime:
    assert stop.ends_at
    return stop.ends_at.astimezone(UTC)


def test_the_decision_keeps_what_stopped_it_and_is_made_again_after_all_have_ended(
    operator: User,
) -> None:
    stop = stops.block(PROGRAM, {"country": "NL"}, by=operator, reason="sanctions")
    ADA.asks(100, event_id="evt_blocked", **UBER)
    stops.lift(stop, by=operator, reason="over")
    User.objects.filter(pk=operator.pk).update(username="someone_else")
    kept = Decision.objects.get(pk="evt_blocked").context["stops"]
    assert [(it["id"], it["country"], it["author"]) for it in kept] == [(stop.pk, "NL", "operator")]
    assert redecided() == []
    assert not LedgerEntry.objects.exists()


def test_a_decision_keeps_only_those_blocks_that_stop_it(operator: User) -> None:
    by_id, by_name = ({"network_id": "1234567890"}, {"begins_with": "uber"})
    met = [
        stops.block(PROGRAM, {"merchant": entry}, by=operator, reason="fraud").pk
        for entry in (by_id, {"is": "Lyft"}, by_name)
    ]
    ADA.asks(100, event_id="evt_blocked", **UBER)
    ADA.asks(100, event_id="evt_elsewhere")
    kept = {
        row.pk: [stop["id"] for stop in (row.context or {}).get("stops", [])]
        for row in Decision.objects.all()
    }
    assert kept == {"evt_blocked": [met[0], met[2]], "evt_elsewhere": []}
    assert redecided() == []


def test_without_a_reason_or_with_an_end_in_the_past_nothing_is_written(operator: User) -> None:
    with pytest.raises(StopError, match="Give a reason"):
        stops.freeze(PROGRAM, by=operator, reason=" ")
    with pytest.raises(StopError, match="in the past"):
        frozen(PROGRAM, operator, until=timezone.now() - timedelta(seconds=1))
    with pytest.raises(StopError, match="too far away"):
        frozen(PROGRAM, operator, until=datetime(2200, 1, 1, tzinfo=UTC))
    with pytest.raises(StopError, match="Leave out line breaks"):
        stops.freeze(PROGRAM, by=operator, reason="Lost\tand found")
    assert not Instruction.objects.exists()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE authorizations_instruction SET ends_at = now() + interval '1 day'",
        "DELETE FROM authorizations_instruction",
        "UPDATE authorizations_lifting SET reason = 'other'",
        "DELETE FROM authorizations_lifting",
    ],
)
def test_what_was_stopped_stays_on_record(operator: User, statement: str) -> None:
    stops.lift(frozen(PROGRAM, operator), by=operator, reason="done")
    with (
        pytest.raises(IntegrityError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
