"""Whoever waits for a lock goes by what is there once it is held, not by what was there before."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from authorizations.models import Authorization, Card, CardGroup, Cardholder, Usage
from authorizations.services.lifecycle import adjustments
from authorizations.services.policies import groups
from authorizations.services.policies.publish import publish
from authorizations.services.stand_in import replay_one
from authorizations.services.store import locks
from authorizations.services.store.cards import register
from tests.support import builders
from tests.support.desk import NOON, Shopper, deliver, in_force, publish_amount, says
from tests.support.lifecycle import Told
from tests.support.spool import answered, asked
from tests.support.threads import apart, until_waiting
from tests.support.verification import differences

pytestmark = pytest.mark.django_db(transaction=True)

HERS = Shopper(card_id="ic_b")
TEAM = [{"amount": 10_000, "interval": "daily"}]


@pytest.fixture
def bought() -> Told:
    in_force(spending_limits=[{"amount": 100_000, "interval": "daily"}])
    Card.objects.create(pk="ic_a")
    bought = Told(5_000, HERS)
    bought.buys()
    return bought


def staff() -> User:
    return User.objects.create(username="otto")


def settles(bought: Told) -> Callable[[], Any]:
    return partial(bought.hears, *bought.life.capture(3_000, at=bought.tick()))


def is_asked_for_more(bought: Told) -> Callable[[], Any]:
    more = bought.life.ask(700, at=bought.tick())
    return partial(deliver, more)


def is_replayed(_: Told) -> Callable[[], Any]:
    return partial(replay_one.replay, answered(asked(HERS, 4_000), 4_000))


@pytest.mark.parametrize("waits", [settles, is_asked_for_more, is_replayed])
def test_what_waits_while_its_card_is_hung_under_another_counts_on_the_root_it_has_then(
    bought: Told, waits: Callable[[Told], Callable[[], Any]]
) -> None:
    task = waits(bought)
    with transaction.atomic():
        register(builders.card(id="ic_b", replacement_for="ic_a"), "evt_1", NOON)
        waiting = apart(task)
        until_waiting(1)
    waiting.result()
    assert set(Authorization.objects.values_list("card__root", flat=True)) == {"ic_a"}
    assert not Usage.objects.filter(scope="card:ic_b").exists()
    assert differences() == []


def test_an_adjustment_that_waits_while_its_card_is_hung_under_another_is_made_anew(
    bought: Told,
) -> None:
    change = partial(adjustments.adjust, bought.id, 100, by=staff(), reason="Tip")
    with transaction.atomic():
        register(builders.card(id="ic_b", replacement_for="ic_a"), "evt_1", NOON)
        waiting = apart(change)
        until_waiting(1)
    waiting.result()
    assert bought.counts == (5_100, 0, 1)
    assert differences() == []


def test_a_purchase_that_waits_while_its_card_joins_a_group_is_within_the_group_s_budget(
    bought: Told,
) -> None:
    group = CardGroup.objects.create(name="Team")
    in_force("Team", spending_limits=TEAM, to={"group": group})
    with transaction.atomic():
        locks.hold(cards=["ic_b"])
        waiting = apart(partial(HERS.reason, 10_001))
        until_waiting(1)
        groups.move("ic_b", group)
    assert waiting.result() == "amount_limit_exceeded"
    assert Authorization.objects.exclude(pk=bought.id).get().group_id == group.pk


def test_a_purchase_that_waits_while_its_card_changes_hands_is_within_the_new_holder_s_budget(
    bought: Told,
) -> None:
    holder = Cardholder.objects.create(pk="ich_2")
    in_force("Hers", spending_limits=TEAM, to={"cardholder": holder})
    theirs = Shopper(card_id="ic_b", cardholder_id="ich_2")
    with transaction.atomic():
        locks.hold(cards=["ic_b"])
        waiting = apart(partial(theirs.reason, 10_001))
        until_waiting(1)
        Card.objects.filter(pk="ic_b").update(cardholder=holder)
    assert waiting.result() == "amount_limit_exceeded"
    assert Authorization.objects.exclude(pk=bought.id).get().cardholder_id == "ich_2"


def test_a_purchase_that_waits_while_its_card_is_frozen_is_declined(bought: Told) -> None:
    with transaction.atomic():
        locks.hold(cards=["ic_b"])
        waiting = apart(partial(HERS.reason, 100))
        until_waiting(1)
        Card.objects.filter(pk="ic_b").update(frozen=True)
    assert waiting.result() == "card_frozen"
    assert bought.counts == (5_000, 0, 1)


def test_of_two_who_publish_the_same_at_once_the_second_makes_no_version() -> None:
    policy = in_force(spending_limits=TEAM)
    with transaction.atomic():
        first = publish_amount(policy, 1)
        same = says(policy)
        waiting = apart(partial(publish, same, author=None))
        until_waiting(1)
    second = waiting.result()
    assert (first.version.number, second.version.number) == (2, 2)
    assert (first.is_new, second.is_new) == (True, False)


def test_two_adjustments_at_once_are_both_in_the_books(bought: Told) -> None:
    by = staff()
    with transaction.atomic():
        adjustments.adjust(bought.id, -4_000, by=by, reason="One")
        waiting = apart(partial(adjustments.adjust, bought.id, -4_000, by=by, reason="Two"))
        until_waiting(1)
    with pytest.raises(adjustments.CannotAdjustError, match=r"counts for €10\.00"):
        waiting.result()
    assert bought.counts == (1_000, 0, 1)
    assert differences() == []
