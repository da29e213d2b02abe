"""Cards join groups by Stripe's metadata: with their first purchase, and with events about them."""

from random import Random
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from authorizations.models import Authorization, Card, CardGroup, Cardholder, Decision, HistoryEntry
from authorizations.services.authorize.group import decide_together
from authorizations.services.policies import groups
from authorizations.services.store.plans import drive
from simulator.stripe import samples
from simulator.stripe.sample_lives import card_event, cardholder_event
from tests.services.authorize.test_group import member
from tests.support.database_roles import served_as
from tests.support.desk import NOON, Shopper, deliver, in_force
from tests.support.verification import assert_clean, differences

pytestmark = pytest.mark.django_db(transaction=True)

CHANCE = Random(17)
DRIVERS = {"team": "drivers"}


def rule(name: str, key: str = "team", value: str = "") -> CardGroup:
    return CardGroup.objects.create(
        name=name, metadata_key=key, metadata_value=value or name.lower()
    )


@pytest.fixture
def drivers() -> CardGroup:
    return rule("Drivers")


def shopper(card_id: str = "ic_1", metadata: Any = DRIVERS, **card: Any) -> Shopper:
    return Shopper(card_id=card_id, card={"metadata": metadata} | card)


def tell(card_id: str, at: int, metadata: Any, holder: Any = None, **fields: Any) -> None:
    """A card.updated event of this time."""
    its = samples.cardholder(cardholder_id="ich_1", name="Ada Lovelace", created=NOON)
    card = samples.card(card_id=card_id, holder=its | {"metadata": holder or {}}, created=NOON)
    event = card_event(card | {"metadata": metadata} | fields, "updated", at=at, chance=CHANCE)
    assert deliver(event).status_code == 200


def tell_holder(at: int, metadata: Any) -> None:
    holder = samples.cardholder(cardholder_id="ich_1", name="Ada Lovelace", created=NOON)
    event = cardholder_event(holder | {"metadata": metadata}, "updated", at=at, chance=CHANCE)
    assert deliver(event).status_code == 200


def group_of(card_id: str = "ic_1") -> tuple[str, str]:
    """The name of a root's group, and how it came there."""
    card = Card.objects.select_related("group").get(pk=card_id)
    return card.group.name if card.group else "", card.grouped_by


BY_RULE = ("Drivers", "rule")


def test_the_first_request_of_a_card_is_decided_in_the_group_of_its_metadata(
    drivers: CardGroup,
) -> None:
    limits = [{"amount": 1_000, "interval": "daily"}]
    in_force("Drivers", spending_limits=limits, to={"group": drivers})
    with served_as("webhook"):
        assert shopper().reason(600) == "approved"
        assert shopper("ic_2").reason(600) == "amount_limit_exceeded"
        assert shopper("ic_3", {"team": "Drivers"}).reason(1) == "no_policy"
    assert group_of() == group_of("ic_2") == BY_RULE
    assert Authorization.objects.filter(group=drivers).count() == 2
    assert_clean()
    entry = HistoryEntry.objects.get(kind="card", object_id="ic_1")
    assert entry.source == "stripe"
    assert entry.names[f"cardgroup:{drivers.pk}"] == "Drivers"


def test_so_are_those_of_a_group_of_requests(drivers: CardGroup) -> None:
    limits = [{"amount": 1_000, "interval": "daily"}]
    in_force("Drivers", spending_limits=limits, to={"group": drivers})
    requests = [shopper(card_id).event(shopper().purchase(600)) for card_id in ("ic_1", "ic_2")]
    with served_as("webhook"):
        for _ in range(2):  # their rows are not expected in a group the first time
            drive(decide_together([member(event) for event in requests]))
    assert sorted(Decision.objects.values_list("approved", flat=True)) == [False, True]
    assert [*Authorization.objects.values_list("group", flat=True)] == [drivers.pk] * 2
    assert differences() == []


def test_a_card_that_was_added_before_its_first_request_joins_with_it(drivers: CardGroup) -> None:
    in_force("Drivers", unlimited=True, to={"group": drivers})
    Card.objects.create(pk="ic_1", cardholder=Cardholder.objects.create(pk="ich_1"))
    with served_as("webhook"):
        assert shopper().reason(1) == "approved"
    assert group_of() == BY_RULE


def test_later_requests_change_no_group(drivers: CardGroup) -> None:
    shopper(metadata={}).asks(1)
    shopper(last4="4242").asks(1)
    assert group_of() == ("", "")


def test_events_about_a_card_move_it_and_a_late_one_does_not(drivers: CardGroup) -> None:
    rule("Office")
    with served_as("webhook"):
        shopper(metadata={}).asks(1)
        tell("ic_1", NOON + 10, DRIVERS)
        assert group_of() == BY_RULE
        tell("ic_1", NOON + 30, {"team": "office"})
        tell("ic_1", NOON + 20, DRIVERS)
        assert group_of() == ("Office", "rule")
        tell("ic_1", NOON + 40, {"team": "elsewhere"})
        assert group_of() == ("", "")


def test_a_cardholders_metadata_counts_where_the_cards_own_says_nothing(
    drivers: CardGroup,
) -> None:
    with served_as("webhook"):
        shopper(metadata={}).asks(1)
        shopper("ic_2", {"team": "elsewhere"}).asks(1)
        tell_holder(NOON + 10, DRIVERS)
        assert [group_of(), group_of("ic_2")] == [BY_RULE, ("", "")]
        shopper("ic_3", {"other": "drivers"}).asks(1)
        assert group_of("ic_3") == ("", "")  # the request says that its cardholder has none by now
        tell("ic_3", NOON + 20, {}, holder=DRIVERS)
        assert group_of("ic_3") == BY_RULE
        tell_holder(NOON + 30, {})
        assert group_of() == group_of("ic_3") == ("", "")


def test_a_hand_beats_the_rules_until_it_lets_them_choose_again(drivers: CardGroup) -> None:
    by_hand = CardGroup.objects.create(name="Guests")
    shopper().asks(1)
    groups.move("ic_1", by_hand)
    tell("ic_1", NOON + 10, DRIVERS)
    tell_holder(NOON + 10, DRIVERS)
    assert group_of() == ("Guests", "hand")
    groups.move("ic_1", None)
    tell("ic_1", NOON + 20, DRIVERS)
    assert group_of() == ("", "hand")
    moved = groups.follow_metadata("ic_1")
    assert group_of() == BY_RULE
    assert moved.from_groups == ()
    groups.save(by_hand, ["ic_1"])
    assert group_of() == ("Guests", "hand")
    assert groups.follow_metadata("ic_1").from_groups == ("Guests",)
    groups.save(drivers, [])
    assert group_of() == ("", "hand")


def test_two_matching_rules_change_nothing(drivers: CardGroup) -> None:
    both = DRIVERS | {"city": "lyon"}
    rule("Lyon", "city")
    shopper(metadata=both).asks(1)
    assert group_of() == ("", "")
    tell("ic_1", NOON + 10, DRIVERS)
    assert group_of() == BY_RULE
    tell("ic_1", NOON + 20, both)
    assert group_of() == BY_RULE
    tell("ic_1", NOON + 30, {"city": "lyon"})
    assert group_of() == ("Lyon", "rule")


def test_a_replacement_speaks_for_its_chain_and_says_nothing_with_empty_metadata(
    drivers: CardGroup,
) -> None:
    rule("Office")
    with served_as("webhook"):
        shopper().asks(1)
        shopper("ic_2", {}, replacement_for="ic_1").asks(1)
        assert group_of() == BY_RULE
        shopper("ic_3", {"team": "office"}, replacement_for="ic_2").asks(1)
        assert group_of() == ("Office", "rule")
        tell("ic_1", NOON + 10, DRIVERS)
        assert group_of() == ("Office", "rule")
        shopper("ic_5", DRIVERS, replacement_for="ic_4").asks(1)  # of which nothing is known
    assert group_of("ic_4") == BY_RULE
    assert not Card.objects.exclude(pk__in=("ic_1", "ic_4")).exclude(group=None).exists()


def test_a_chain_takes_along_how_its_root_was_grouped(drivers: CardGroup) -> None:
    shopper("ic_2").asks(1)
    Shopper(card_id="ic_1").asks(1)
    shopper("ic_2", replacement_for="ic_1").asks(1)
    assert group_of() == BY_RULE
    assert group_of("ic_2") == ("", "")


def test_a_purchase_keeps_the_group_it_began_in(drivers: CardGroup) -> None:
    buyer = shopper()
    purchase = buyer.purchase(5)
    buyer.asks(purchase)
    tell("ic_1", NOON + 10, {})
    assert group_of() == ("", "")
    buyer.asks(purchase)
    assert Authorization.objects.get().group == drivers


def test_metadata_that_no_rule_asks_for_is_not_kept(drivers: CardGroup) -> None:
    shopper(metadata=DRIVERS | {"iban": "DE02"}).asks(1)
    tell("ic_1", NOON + 10, DRIVERS | {"iban": "DE02"}, holder={"salary": "1"})
    assert Card.objects.get().metadata == DRIVERS
    assert Cardholder.objects.get().metadata == {}
    drivers.metadata_key = drivers.metadata_value = ""
    drivers.save()
    tell("ic_1", NOON + 20, DRIVERS)
    assert Card.objects.get().metadata == {}
    assert group_of() == ("", "")  # the rule that it joined by is gone


@pytest.mark.parametrize("metadata", [None, ["x"], {"team": 1}, {"team": None}, "drivers"])
def test_unreadable_metadata_changes_nothing(drivers: CardGroup, metadata: Any) -> None:
    shopper().asks(1)
    tell("ic_1", NOON + 10, metadata)
    assert group_of() == BY_RULE
    in_force(unlimited=True)
    assert shopper("ic_2", metadata).reason(1) == "approved"
    assert group_of("ic_2") == ("", "")


def test_odd_characters_and_card_numbers_are_stored_as_text_elsewhere_is() -> None:
    number = "4242 4242 4242 4242"
    CardGroup.objects.create(name="Odd", metadata_key="no\ufffd", metadata_value=number)
    shopper(metadata={"no\0": number}).asks(1)
    assert group_of() == ("Odd", "rule")
    assert "4242 4242 4242" not in str(Card.objects.get().metadata)


def test_a_rule_needs_a_key_and_a_value() -> None:
    for half in ({"metadata_key": "team"}, {"metadata_value": "drivers"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            CardGroup.objects.create(name="Half", **half)
