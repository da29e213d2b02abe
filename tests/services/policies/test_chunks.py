"""Whoever changes many cards locks few at once: purchases on the others go on meanwhile."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from authorizations.models import Assignment, Card, CardGroup, FundEntry
from authorizations.services.policies import freeze, groups
from authorizations.services.policies.files import import_policies
from authorizations.services.store import locks
from tests.support.desk import Shopper, in_force
from tests.support.threads import apart, done, until_waiting

pytestmark = pytest.mark.django_db(transaction=True)

CARDS = [f"ic_{number}" for number in range(7)]
FIRST, LAST = CARDS[0], CARDS[-1]


@pytest.fixture(autouse=True)
def three_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "CHUNK", 3)
    in_force()
    for card in CARDS:
        Shopper(card_id=card, cardholder_id=f"ich_{card}").asks(100)


def in_group(name: str) -> set[str]:
    return set(Card.objects.filter(group__name=name).values_list("pk", flat=True))


def importing(**file: Any) -> None:
    import_policies(json.dumps(file))


def joining() -> None:
    importing(groups=[{"name": "Team", "cards": CARDS}])


def leaving() -> None:
    importing(groups=[{"name": "Old", "cards": []}])


def assigning() -> None:
    importing(assignments=[{"policy": "Test", "card": card} for card in CARDS])


def unassigning() -> None:
    importing(
        policies=[{"name": "Test", "currency": "eur", "unlimited": True}],
        assignments=[{"policy": "Test", "program": True}],
    )


def saving() -> None:
    groups.save(CardGroup(name="Team"), CARDS)


def freezing() -> None:
    freeze.freeze(CARDS, by=User.objects.create(username="otto"), reason="All")


@pytest.mark.parametrize("change", [joining, leaving, assigning, unassigning, saving, freezing])
def test_a_purchase_on_the_first_card_goes_on_while_the_last_one_is_waited_for(
    change: Callable[[], None],
) -> None:
    old = CardGroup.objects.create(name="Old")
    if change is leaving:
        Card.objects.filter(pk__in=CARDS).update(group=old)
    if change is unassigning:
        for card in CARDS:
            in_force(to={"card_id": card})
    with transaction.atomic():
        locks.hold(cards=[LAST])
        changing = apart(change)
        until_waiting(1)
        asks = Shopper(card_id=FIRST, cardholder_id=f"ich_{FIRST}")
        reason = done(partial(asks.reason, 100))
    changing.result()
    assert reason == ("card_frozen" if change is freezing else "approved")
    assert in_group("Team") == ({*CARDS} if change in (joining, saving) else set())
    assert in_group("Old") == set()
    assert Assignment.objects.exclude(card=None).count() == (7 if change is assigning else 0)
    assert Card.objects.filter(frozen=True).count() == (7 if change is freezing else 0)


# --- a card that turns out to replace another while its lock is waited for


@pytest.mark.parametrize("is_import", [False, True])
def test_a_card_put_into_a_group_while_it_is_hung_elsewhere_takes_its_chain_along(
    is_import: bool,
) -> None:
    replacement = Shopper(
        card_id=FIRST, cardholder_id=f"ich_{FIRST}", card={"replacement_for": LAST}
    )
    with transaction.atomic():
        replacement.asks(100)
        change = partial(importing, groups=[{"name": "Team", "cards": [FIRST]}])
        put = change if is_import else partial(groups.save, CardGroup(name="Team"), [FIRST])
        changing = apart(put)
        until_waiting(1)
    changing.result()
    assert in_group("Team") == {LAST}


def test_a_policy_file_assigns_to_the_root_that_a_card_has_by_then() -> None:
    replacement = Shopper(
        card_id=FIRST, cardholder_id=f"ich_{FIRST}", card={"replacement_for": LAST}
    )
    with transaction.atomic():
        replacement.asks(100)
        assignments = [{"policy": "Test", "card": FIRST}]
        changing = apart(partial(importing, assignments=assignments))
        until_waiting(1)
    changing.result()
    assert Assignment.objects.get(program=False).card_id == LAST


def test_a_card_frozen_again_for_another_reason_while_its_lock_is_waited_for_stays_frozen() -> None:
    olga, otto = (User.objects.create(username=name) for name in ("olga", "otto"))
    freeze.freeze([FIRST], by=olga, reason="Lost")
    with transaction.atomic():
        freeze.unfreeze([FIRST], by=olga, reason="Found")
        freeze.freeze([FIRST], by=olga, reason="Stolen")
        seen = {FIRST: "Lost"}
        changing = apart(partial(freeze.unfreeze, [FIRST], by=otto, reason="Found", seen=seen))
        until_waiting(1)
    assert changing.result() == 0
    card = Card.objects.get(pk=FIRST)
    assert (card.frozen, card.frozen_reason) == (True, "Stolen")


def test_funds_lock_cardholders_before_groups_as_purchases_do() -> None:
    """Listed the other way round: no group is locked while a cardholder is waited for."""
    team = CardGroup.objects.create(name="Team")
    policy = in_force("Pots", spending_limits=[{"funds": True}], to={"group": team})
    Assignment.objects.create(policy=policy, cardholder_id="ich_ic_0")
    entry = {"policy": "Pots", "limit": "funds", "amount": 500, "reference": "1", "reason": "Fuel"}
    file = [entry | {"group": "Team"}, entry | {"cardholder": "ich_ic_0"}]
    with transaction.atomic():
        locks.hold(cardholders=["ich_ic_0"])
        changing = apart(partial(importing, funds=file))
        until_waiting(1)
        assert CardGroup.objects.select_for_update(nowait=True).get() == team
    changing.result()
    assert FundEntry.objects.count() == 2
