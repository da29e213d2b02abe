"""Everybody locks in one order, and all rows of one kind before the first of the next."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.db.models import QuerySet
from django.db.transaction import TransactionManagementError

from authorizations.models import Card, CardGroup, Cardholder
from authorizations.services.store.locks import hold, keep_chains
from tests.support.threads import apart, done, until_waiting

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def rows() -> None:
    """Three cards, of which the last one replaces the second; a cardholder and a group."""
    Cardholder.objects.create(id="ich_1", name="Ada")
    for card_id, root_id in (("ic_1", "ic_1"), ("ic_2", "ic_2"), ("ic_3", "ic_2")):
        Card.objects.create(id=card_id, root_id=root_id, cardholder_id="ich_1")
    CardGroup.objects.create(pk=1, name="Team")


def free(rows: QuerySet[Any]) -> list[Any]:
    """Those that somebody else could lock now."""

    def found() -> list[Any]:
        with transaction.atomic():
            unlocked = rows.order_by("pk").select_for_update(no_key=True, skip_locked=True)
            return list(unlocked.values_list("pk", flat=True))

    return done(found)


def hold_all() -> dict[str, str]:
    with transaction.atomic():
        return hold(cards=["ic_1", "ic_3"], cardholders=["ich_1"], groups=[1])


def test_cards_are_locked_with_the_roots_of_their_chains() -> None:
    with transaction.atomic():
        assert hold(cards=["ic_3", "ic_unknown"]) == {"ic_3": "ic_2"}
        assert free(Card.objects.all()) == ["ic_1"]
        assert free(Cardholder.objects.all()) == ["ich_1"]


def test_cardholders_and_groups_are_locked_where_no_card_is() -> None:
    with transaction.atomic():
        assert hold(cardholders=["ich_1"], groups=[1]) == {}
        assert free(Cardholder.objects.all()) == free(CardGroup.objects.all()) == []
        assert free(Card.objects.all()) == ["ic_1", "ic_2", "ic_3"]


def test_nothing_else_is_locked_while_the_last_root_is_waited_for() -> None:
    with transaction.atomic():
        list(Card.objects.filter(pk="ic_2").select_for_update(no_key=True))
        waits = apart(hold_all)
        until_waiting(1)
        assert free(Card.objects.all()) == ["ic_3"]
        assert (free(Cardholder.objects.all()), free(CardGroup.objects.all())) == (["ich_1"], [1])
    assert waits.result() == {"ic_1": "ic_1", "ic_3": "ic_2"}


def test_groups_are_locked_last() -> None:
    with transaction.atomic():
        list(Cardholder.objects.select_for_update(no_key=True))
        waits = apart(hold_all)
        until_waiting(1)
        assert (free(Card.objects.all()), free(CardGroup.objects.all())) == ([], [1])
    assert waits.result() == {"ic_1": "ic_1", "ic_3": "ic_2"}


def test_a_card_that_is_hung_elsewhere_meanwhile_is_locked_with_its_new_root() -> None:
    with transaction.atomic():
        list(Card.objects.filter(pk="ic_2").select_for_update(no_key=True))
        waits = apart(hold_all)
        until_waiting(1)
        Card.objects.filter(pk="ic_3").update(root="ic_1")
    assert waits.result() == {"ic_1": "ic_1", "ic_3": "ic_1"}


def hang_elsewhere() -> None:
    """The second card turns out to replace the first, with all that replace it."""
    Card.objects.filter(root="ic_2").update(root="ic_1")


def test_chains_are_kept_while_purchases_go_on() -> None:
    with transaction.atomic():
        assert keep_chains(["ic_3", "ic_1", "ic_unknown"]) == {"ic_1": "ic_1", "ic_3": "ic_2"}
        assert free(Card.objects.all()) == ["ic_1", "ic_2", "ic_3"]
        waits = apart(hang_elsewhere)
        until_waiting(1)
    waits.result()
    with transaction.atomic():
        assert keep_chains(["ic_3"]) == {"ic_3": "ic_1"}


def keep_three() -> dict[str, str]:
    with transaction.atomic():
        return keep_chains(["ic_3"])


def test_chains_are_kept_as_they_are_once_somebody_has_changed_them() -> None:
    with transaction.atomic():
        hang_elsewhere()
        waits = apart(keep_three)
        until_waiting(1)
    assert waits.result() == {"ic_3": "ic_1"}


def test_chains_are_kept_beside_a_purchase() -> None:
    with transaction.atomic():
        hold(cards=["ic_3"])
        assert done(keep_three) == {"ic_3": "ic_2"}


@pytest.mark.parametrize("lock", [lambda: hold(cards=["ic_1"]), lambda: keep_chains(["ic_1"])])
def test_outside_of_a_transaction_nothing_can_be_locked(lock: Callable[[], object]) -> None:
    with pytest.raises(TransactionManagementError, match="begin one"):
        lock()
