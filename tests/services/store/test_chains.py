"""Cards that replace each other: however a chain is learned of, its cards share one root, and the
limit of that one.
"""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from authorizations.models import Assignment, Authorization, Card, Policy
from authorizations.services.store.cards import register
from simulator.stripe.sample_lives import card_event
from tests.services.authorize.test_races import approved_total, at_once
from tests.support import builders
from tests.support.desk import NOON, Shopper, deliver, in_force
from tests.support.lifecycle import card_of
from tests.support.threads import apart, until_waiting
from tests.support.verification import differences

pytestmark = pytest.mark.django_db(transaction=True)

CHANCE = Random(14)
TRIES = 10


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def roots() -> dict[str, str]:
    return dict(Card.objects.values_list("pk", "root_id"))


def known_by_id_only(*ids: str) -> None:
    for id_ in ids:
        Card.objects.create(pk=id_)


# --- the database itself

HANG_B = "UPDATE authorizations_card SET root_id = 'ic_a' WHERE root_id = 'ic_b'"
ADD_C = """
INSERT INTO authorizations_card (
    id, root_id, replacement_for, last4, brand, type, currency, status, frozen, frozen_reason,
    details_at, first_seen
) VALUES ('ic_c', 'ic_b', 'ic_b', '', '', '', '', 'active', false, '', 0, now())
"""
HANG_C = "UPDATE authorizations_card SET root_id = 'ic_b' WHERE id = 'ic_c'"


@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_a_root_stays_its_own_root_against_a_neighbour_who_has_not_committed(
    turned: bool, is_known: bool
) -> None:
    known_by_id_only("ic_a", "ic_b", *(["ic_c"] if is_known else []))
    first, second = (HANG_B, HANG_C if is_known else ADD_C)[:: -1 if turned else 1]
    with transaction.atomic():
        execute(first)
        waiting = apart(lambda: execute(second))
        until_waiting(1)
    with pytest.raises(IntegrityError, match="card_root_is_its_own_root"):
        waiting.result()
    assert all(roots()[root_id] == root_id for root_id in roots().values())


def test_a_card_that_others_hang_under_cannot_be_hung_under_another() -> None:
    known_by_id_only("ic_a", "ic_b")
    execute(ADD_C)
    with pytest.raises(IntegrityError, match="card_root_is_its_own_root"):
        execute("UPDATE authorizations_card SET root_id = 'ic_a' WHERE id = 'ic_b'")


# --- two links learned of at once

B = builders.card(id="ic_b", replacement_for="ic_a")
C = builders.card(id="ic_c", replacement_for="ic_b")


@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize("order", [(B, C), (C, B)])
def test_a_link_learned_of_while_another_is_being_written_waits_for_it(
    order: tuple[Any, Any], is_known: bool
) -> None:
    """A and B are known by id only, C as well or not at all."""
    known_by_id_only("ic_a", "ic_b", *(["ic_c"] if is_known else []))
    first, second = order
    with transaction.atomic():
        register(first, "evt_1", NOON)
        waiting = apart(lambda: register(second, "evt_2", NOON))
        until_waiting(1)
    waiting.result()
    assert roots() == {"ic_a": "ic_a", "ic_b": "ic_a", "ic_c": "ic_a"}
    assert differences() == []


def told_by_events(a: str, b: str, c: str) -> list[Callable[[], Any]]:
    """B replaces A, and C replaces B, each told by an event about the card."""
    return [
        partial(deliver, card_event(replacing(b, a), "updated", at=NOON, chance=CHANCE)),
        partial(deliver, card_event(replacing(c, b), "created", at=NOON, chance=CHANCE)),
    ]


def told_by_purchases(a: str, b: str, c: str) -> list[Callable[[], Any]]:
    return [partial(shopper(b, a).asks, 0), partial(shopper(c, b).asks, 0)]


def shopper(card: str, replaced: str) -> Shopper:
    return Shopper(card_id=card, card={"replacement_for": replaced})


def replacing(card: str, replaced: str) -> dict[str, Any]:
    return card_of(shopper(card, replaced))


@pytest.mark.parametrize("told", [told_by_events, told_by_purchases])
@pytest.mark.parametrize("is_known", [False, True])
def test_two_links_learned_of_at_the_same_moment_share_one_limit(
    told: Callable[..., list[Callable[[], Any]]], is_known: bool
) -> None:
    in_force(spending_limits=[{"amount": 100, "interval": "daily"}])
    for number in range(TRIES):
        a, b, c = (f"ic_{name}{number}" for name in "abc")
        known_by_id_only(a, b, *([c] if is_known else []))
        at_once(*told(a, b, c))
        reasons = [shopper(b, a).reason(100), shopper(c, b).reason(100)]
        assert reasons == ["approved", "amount_limit_exceeded"], number
    assert set(roots().values()) == {f"ic_a{number}" for number in range(TRIES)}
    assert approved_total() == TRIES * 100
    assert differences() == []


def test_a_chain_of_six_learned_of_link_by_link_at_the_same_moment_is_one() -> None:
    in_force(spending_limits=[{"amount": 100, "interval": "daily"}])
    for number in range(5):
        chain = [f"ic_{number}_{place}" for place in range(6)]
        pairs = list(zip(chain[1:], chain, strict=False))
        at_once(*[partial(shopper(*pair).asks, 0) for pair in reversed(pairs)])
        for pair in pairs:  # what no attempt could lock is put right by the next event
            shopper(*pair).asks(0)
        assert {roots()[card] for card in chain} == {chain[0]}
        assert [shopper(*pair).reason(60) for pair in pairs].count("approved") == 1
    assert differences() == []


# --- what is broken all the same

UNGUARDED = "SET LOCAL session_replication_role = replica"


def broken_chain() -> None:
    """As restored from a copy without its constraints: C hangs under B, and B under A."""
    in_force(spending_limits=[{"amount": 100, "interval": "daily"}])
    known_by_id_only("ic_a", "ic_b")
    assert shopper("ic_c", "ic_b").reason(60) == "approved"
    with transaction.atomic():
        execute(UNGUARDED)
        Card.objects.filter(pk="ic_b").update(root="ic_a", replacement_for="ic_a")


def test_verify_books_names_a_root_under_another_root() -> None:
    broken_chain()
    assert differences() == [
        "card ic_c: root is ic_b; expected ic_a, the root of ic_b",
        "card ic_c: root is ic_b; expected ic_a, the root of ic_b, which it replaces",
    ]


@pytest.mark.parametrize("tells_link", [False, True])
def test_the_next_purchase_of_a_broken_chain_puts_it_right(tells_link: bool) -> None:
    broken_chain()
    asks = shopper("ic_c", "ic_b") if tells_link else Shopper(card_id="ic_c")
    assert asks.reason(60) == "amount_limit_exceeded"
    assert set(roots().values()) == {"ic_a"}
    assert shopper("ic_b", "ic_a").reason(41) == "amount_limit_exceeded"
    assert shopper("ic_b", "ic_a").reason(40) == "approved"
    assert differences() == []


def test_what_every_card_of_a_broken_chain_bought_is_added_up_anew() -> None:
    """Nobody knows of whose purchases the sums are that either root has."""
    in_force(spending_limits=[{"amount": 100, "interval": "daily"}])
    for asks in (Shopper(card_id="ic_a"), Shopper(card_id="ic_b"), shopper("ic_c", "ic_b")):
        assert asks.reason(30) == "approved"
    with transaction.atomic():
        execute(UNGUARDED)
        Card.objects.filter(pk="ic_b").update(root="ic_a", replacement_for="ic_a")
    assert Shopper(card_id="ic_c").reason(11) == "amount_limit_exceeded"
    assert Shopper(card_id="ic_c").reason(10) == "approved"
    # What was hung elsewhere past the history stays a difference of the decisions before it.
    assert [found for found in differences() if not found.startswith("decision ")] == []


def test_the_next_event_about_a_card_of_a_broken_chain_puts_it_right() -> None:
    broken_chain()
    deliver(card_event(replacing("ic_c", "ic_b"), "updated", at=NOON, chance=CHANCE))
    assert set(roots().values()) == {"ic_a"}
    assert Authorization.objects.get().card.root_id == "ic_a"
    assert differences() == []


def test_roots_that_lead_in_a_circle_are_put_right_as_well() -> None:
    in_force()
    known_by_id_only("ic_a", "ic_b")
    with transaction.atomic():
        execute(UNGUARDED)
        execute("UPDATE authorizations_card SET root_id = 'ic_a' WHERE id = 'ic_b'")
        execute("UPDATE authorizations_card SET root_id = 'ic_b' WHERE id = 'ic_a'")
    assert Shopper(card_id="ic_b").reason(60) == "approved"
    assert len(set(roots().values())) == 1
    assert differences() == []


# --- what belongs to a chain goes with its root


def test_a_policy_assigned_while_its_card_is_hung_elsewhere_is_the_roots() -> None:
    known_by_id_only("ic_a", "ic_b")
    policy = in_force("P", to={"card_id": "ic_b"})
    Assignment.objects.create(policy=policy, card_id="ic_a")
    register(B, "evt_1", NOON)
    [assignment] = Assignment.objects.all()
    assert assignment.card_id == "ic_a"
    assert differences() == []


def test_verify_books_names_policies_kept_apart_from_the_root() -> None:
    in_force()
    shopper("ic_b", "ic_a").asks(100)
    Assignment.objects.create(policy=Policy.objects.get(), card_id="ic_b")
    assert differences() == [
        "card ic_b: policy assignment is to this card; expected to its root ic_a",
    ]
