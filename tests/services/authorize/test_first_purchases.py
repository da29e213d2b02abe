"""A card's first purchases: what is an earlier one, under the lock, and as the record proves it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authorizations.models import Decision, Policy
from authorizations.rules.basics.folding import folded
from authorizations.rules.basics.purchase_exceptions import Waiver
from authorizations.services.authorize.group import decide_together
from authorizations.services.authorize.transaction import authorize
from authorizations.services.policies.purchase_exceptions import allow_once, waivable
from authorizations.services.stand_in import replay_one
from authorizations.services.store.plans import drive
from authorizations.wire.convert import MAX_TEXT_CHARS
from simulator.stripe.sample_lives import force_capture
from simulator.stripe.sample_merchants import SampleMerchant
from simulator.stripe.samples import MERCHANTS
from tests.services.authorize.test_group import member, within_a_transaction
from tests.services.authorize.test_races import at_once
from tests.support.damage import damage
from tests.support.database_roles import served_as
from tests.support.desk import NOON, Shopper, deliver, in_force, republish
from tests.support.lifecycle import Told, card_of
from tests.support.spool import answered
from tests.support.verification import assert_clean, contradictions, differences, redecided

ADA = Shopper(card_id="ic_ada", cardholder_id="ich_ada")
BEA = Shopper(card_id="ic_bea", cardholder_id="ich_ada")
DECLINED = "first_purchase_not_allowed"
BAKERY = MERCHANTS[0]
ABROAD = next(it for it in MERCHANTS if it.country != BAKERY.country and it.mcc != BAKERY.mcc)

pytestmark = pytest.mark.django_db


def small(*kinds: str) -> Any:
    """A first purchase has at most 5,000."""
    return in_force(
        "Team", first_purchases=list(kinds or ["merchant"]), first_purchase_amount=5_000
    )


def test_a_small_purchase_opens_the_merchant_for_larger_ones() -> None:
    small()
    assert [ADA.reason(amount) for amount in (5_001, 0, 5_001, 5_000, 9_000)] == [
        *(DECLINED, "approved", DECLINED),
        *("approved", "approved"),
    ]
    assert ADA.reason(5_001, merchant=ABROAD) == DECLINED
    assert BEA.reason(5_001) == DECLINED
    assert_clean()


def test_without_an_amount_only_what_the_card_knows_is_open() -> None:
    policy = in_force("Team")
    ADA.asks(100)
    republish(policy, first_purchases=["country"])
    assert ADA.reason(100, merchant=ABROAD) == DECLINED
    assert ADA.reason(9_000) == "approved"
    assert_clean()


@pytest.mark.parametrize(
    ("kind", "changes", "expected"),
    [
        ("merchant", {"name": "Somebody else", "country": "DE"}, "approved"),
        ("merchant", {"network_id": "9"}, DECLINED),
        ("merchant", {"network_id": ""}, "approved"),
        ("merchant", {"network_id": "", "country": "DE"}, DECLINED),
        ("merchant", {"network_id": "", "name": ""}, DECLINED),
        ("merchant", {"network_id": BAKERY.network_id * 20}, DECLINED),
        ("category", {"category": "renamed"}, "approved"),
        ("category", {"mcc": "5411"}, DECLINED),
        ("category", {"mcc": ""}, DECLINED),
        ("category", {"mcc": "", "category": ""}, DECLINED),
        ("country", {"network_id": "9", "mcc": "5411"}, "approved"),
        ("country", {"country": "DE"}, DECLINED),
        ("country", {"country": ""}, DECLINED),
    ],
)
def test_what_is_the_same_place(kind: str, changes: dict[str, Any], expected: str) -> None:
    small(kind)
    ADA.asks(100)
    elsewhere = BAKERY._replace(**changes)
    assert ADA.reason(9_000, merchant=elsewhere) == expected
    assert_clean()


def test_a_merchant_without_a_network_id_is_known_by_its_name() -> None:
    small()
    unnumbered = BAKERY._replace(network_id="")
    ADA.asks(100, merchant=unnumbered._replace(name=BAKERY.name.upper()))
    assert ADA.reason(9_000, merchant=unnumbered) == "approved"
    assert ADA.reason(9_000) == "approved"
    assert ADA.reason(9_000, merchant=unnumbered._replace(name="Lepic")) == DECLINED
    assert_clean()


def test_a_category_without_a_code_is_known_by_its_name() -> None:
    small("category")
    ADA.asks(100, merchant=BAKERY._replace(mcc=""))
    assert ADA.reason(9_000, merchant=ABROAD._replace(mcc="", category=BAKERY.category)) == (
        "approved"
    )
    assert ADA.reason(9_000) == DECLINED
    assert_clean()


def test_the_longest_texts_can_be_kept_and_found() -> None:
    small()
    longest = "\N{PILE OF POO}" * MAX_TEXT_CHARS
    odd = BAKERY._replace(name=longest, network_id=longest, category=longest)
    assert ADA.reason(100, merchant=odd) == "approved"
    assert ADA.reason(9_000, merchant=odd) == "approved"
    assert ADA.reason(9_000, merchant=odd._replace(network_id=longest[:-1] + "1")) == DECLINED
    assert_clean()


def test_a_replacement_goes_on_where_the_card_it_replaces_was() -> None:
    small()
    new = Shopper(card_id="ic_new", cardholder_id="ich_ada", card={"replacement_for": "ic_ada"})
    assert [it.reason(100) for it in (ADA, new)] == ["approved"] * 2
    assert new.reason(9_000) == "approved"
    assert_clean()


# --- What is an earlier purchase


def test_a_voided_purchase_was_one() -> None:
    small()
    bought = Told(5_000)
    bought.buys()
    bought.voids()
    assert Shopper().reason(9_000) == "approved"
    assert_clean()


def test_one_that_stripe_did_not_approve_in_the_end_was_none() -> None:
    small()
    bought = Told(5_000)
    assert bought.asks()["approved"] is True
    bought.stripe("suspected_fraud", approved=False)
    assert Shopper().reason(9_000) == DECLINED
    assert_clean()


def test_what_stripe_forced_through_is_one() -> None:
    small()
    assert Shopper().reason(9_000) == DECLINED
    forced = force_capture(card_of(Shopper()), amount=700, at=NOON, chance=Random(1))
    assert deliver(forced).status_code == 200
    assert Shopper().reason(9_000) == "approved"
    assert_clean()


def test_a_declined_one_is_none() -> None:
    small()
    in_force("Small", spending_limits=[{"amount": 4_000, "interval": "per_authorization"}])
    assert ADA.reason(4_500) == "amount_limit_exceeded"
    assert ADA.reason(5_001) == DECLINED
    assert_clean()


def test_stand_ins_approvals_count_once_they_are_replayed() -> None:
    small()
    ADA.asks(0)
    replay_one.replay(answered(ADA.event(ADA.purchase(100), "evt_away"), 100))
    assert ADA.reason(9_000) == "approved"
    assert [*differences(), *contradictions()] == []


def test_an_answer_whose_commit_was_lost_says_what_was_known_then(lose: Any) -> None:
    small()
    replay_all = lose(ADA.event(ADA.purchase(4_000), "evt_first"))
    assert ADA.reason(5_000) == "approved"
    assert replay_all() == ["written"]
    assert lose(ADA.event(ADA.purchase(9_000), "evt_known"))() == ["written"]
    assert Decision.objects.get(pk="evt_known").approved
    assert_clean()


def test_an_increment_stays_within_the_amount_of_a_first_purchase() -> None:
    small()
    purchase = ADA.purchase(4_000)
    assert ADA.reason(purchase) == "approved"
    assert ADA.reason(purchase.increment(1_001, approved=4_000, at=NOON)) == DECLINED
    assert ADA.reason(purchase.increment(1_000, approved=4_000, at=NOON)) == "approved"
    ADA.asks(100)  # from now on the card has paid there before
    more = purchase.increment(1_000, approved=4_000, at=NOON)
    assert ADA.reason(more.increment(9_000, approved=1_000, at=NOON)) == "approved"
    assert_clean()


def test_an_exception_opens_a_place() -> None:
    in_force("Team", first_purchases=["merchant"])
    assert ADA.reason(700) == DECLINED
    declined = Decision.objects.latest("position")
    waives = [waiver for _, waiver in waivable(declined).checks]
    assert waives == [Waiver(DECLINED, Policy.objects.get(name="Team").pk)]
    allow_once(
        "ic_ada",
        waives,
        up_to=700,
        currency="eur",
        until=timezone.now() + timedelta(hours=1),
        by=User.objects.create(username="operator"),
        reason="Ada called",
    )
    purchase = ADA.purchase(700)
    assert ADA.reason(purchase) == "approved"
    assert ADA.reason(purchase.increment(900, approved=700, at=NOON)) == "approved"
    assert ADA.reason(9_000) == "approved"
    assert_clean()


# --- At once


def test_of_purchases_decided_together_each_sees_those_before_it() -> None:
    small()
    for shopper in (ADA, BEA):
        shopper.asks(0)
    events = [ADA.event(ADA.purchase(amount)) for amount in (9_000, 100, 9_000)]
    events.insert(2, BEA.event(BEA.purchase(9_000)))
    with served_as("webhook"):
        answers = together(events)
    assert [reason_of(one) for one in answers] == [DECLINED, "approved", DECLINED, "approved"]
    assert_clean()


def together(events: Sequence[Any]) -> list[bytes]:
    """The answers of a group; what leaves it is answered by itself."""
    members = [member(it, timezone.now()) for it in events]
    computed, *_ = drive(within_a_transaction(decide_together(members)))
    return [
        one.body if one else authorize(it.request, it.delivery)
        for it, one in zip(members, computed, strict=True)
    ]


def reason_of(answer: bytes) -> str:
    return next(it for it in (DECLINED, "approved") if f'"reason":"{it}"'.encode() in answer)


@pytest.mark.django_db(transaction=True)
def test_of_sixteen_at_once_those_after_the_first_small_one_pass() -> None:
    small()
    ADA.asks(0)
    reasons = at_once(*[lambda: ADA.reason(9_000), lambda: ADA.reason(100)] * 8)
    assert set(reasons) <= {"approved", DECLINED}
    assert reasons[1::2] == ["approved"] * 8
    assert_clean()


class Move(NamedTuple):
    """A request of a card at a merchant."""

    card: int
    amount: int
    at: SampleMerchant


PLACES = [
    BAKERY._replace(country=country, mcc=mcc, network_id=network_id, name=name)
    for country in ("FR", "DE")
    for mcc, network_id, name in [
        ("5462", "1", "Lepic"),
        ("5411", "", "LEPIC"),
        ("5411", "2", "L\N{LATIN SMALL LETTER E WITH ACUTE}pic"),
        ("", "2", ""),
    ]
]
moves = st.builds(
    Move, st.integers(0, 2), st.sampled_from([0, 5_000, 5_001]), st.sampled_from(PLACES)
)


def is_alike(kind: str, one: SampleMerchant, other: SampleMerchant) -> bool:
    """The rule once more, in other words."""
    if kind == "country":
        return one.country == other.country
    if kind == "category":
        return (one.mcc or one.category) == (other.mcc or other.category)
    if one.network_id and other.network_id:
        return one.network_id == other.network_id
    names = (folded(one.name), folded(other.name))
    return names[0] == names[1] != "" and one.country == other.country


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kinds=st.lists(st.sampled_from(["merchant", "category", "country"]), min_size=1, unique=True),
    groups=st.lists(st.lists(moves, min_size=1, max_size=6), max_size=6),
)
def test_every_answer_is_that_of_a_reference(
    kinds: list[str], groups: Sequence[Sequence[Move]]
) -> None:
    # The third card replaces the first.
    shoppers = [
        *(ADA, BEA),
        replace(ADA, card_id="ic_new", card={"replacement_for": "ic_ada"}),
    ]
    with transaction.atomic():
        small(*kinds)
        for shopper in shoppers:
            shopper.asks(0)
        bought: list[Move] = []
        for group in groups:
            expected = []
            for move in group:
                before = [it for it in bought if it.card % 2 == move.card % 2]
                is_known = all(
                    any(is_alike(kind, it.at, move.at) for it in before) for kind in kinds
                )
                passes = move.amount <= 5_000 or is_known
                expected.append("approved" if passes else DECLINED)
                if passes and move.amount:
                    bought.append(move)
            events = []
            for move in group:
                shopper = shoppers[move.card]
                events.append(shopper.event(shopper.purchase(move.amount, merchant=move.at)))
            assert [reason_of(one) for one in together(events)] == expected
        assert_clean()
        transaction.set_rollback(True)


# --- In the record


def test_what_a_decision_says_otherwise_is_found() -> None:
    small("merchant", "country")
    assert [ADA.reason(amount) for amount in (100, 9_000)] == ["approved"] * 2
    first, second = Decision.objects.order_by("position").exclude(position=0)
    assert first.context["first_of"] == ["merchant", "country"]
    assert "first_of" not in second.context
    damage(first, context=first.context | {"first_of": ["merchant"]})
    assert any("first purchase of" in found for found in contradictions())
    assert redecided()


def test_where_no_policy_asks_nothing_is_read_and_nothing_kept() -> None:
    in_force("Team")
    ADA.asks(0)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert ADA.reason(9_000) == "approved"
    assert not any("of_merchant" in it["sql"] for it in queries.captured_queries)
    assert "first_of" not in Decision.objects.latest("position").context
