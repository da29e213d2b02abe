"""Cardholders and groups: what their cards share; and the lists of all three."""

import time
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import strip_tags

from authorizations.models import Assignment, Card, CardGroup, Cardholder
from tests.admin import pages
from tests.support.desk import Shopper, in_force

pytestmark = pytest.mark.django_db

NOW = int(time.time())
LIMITS = [{"amount": 10_000, "interval": "all_time"}]


def words(response: Any) -> str:
    assert response.status_code == 200
    return " ".join(unescape(strip_tags(response.content.decode())).split())


def pay(card_id: str, amount: int, **shopper: Any) -> None:
    Shopper(card_id=card_id, at=NOW, **shopper).asks(amount)


@pytest.fixture
def group() -> CardGroup:
    """Ada has two cards in a group with one of Grace's; each has paid."""
    group = CardGroup.objects.create(name="Field team")
    for card_id, last4 in (("ic_1", "1111"), ("ic_2", "2222")):
        pay(card_id, 0, card={"last4": last4})
    pay("ic_3", 0, cardholder_id="ich_2", name="Grace Hopper", card={"last4": "3333"})
    Card.objects.update(group=group)
    in_force("Shared", spending_limits=LIMITS, to={"group": group})
    in_force("Ada's", spending_limits=LIMITS, to={"cardholder_id": "ich_1"})
    pay("ic_1", 1_000, card={"last4": "1111"})
    pay("ic_2", 2_000, card={"last4": "2222"})
    pay("ic_3", 4_000, cardholder_id="ich_2", name="Grace Hopper", card={"last4": "3333"})
    return group


class TestCardholderPage:
    @pytest.mark.usefixtures("group")
    def test_it_shows_the_cards_and_what_is_left_for_all_of_them(self, auditor: Client) -> None:
        text = words(auditor.get(pages.change_url(Cardholder.objects.get(pk="ich_1"))))
        assert "Ada's Version 1 This cardholder, all cards together" in text
        assert "€30.00 used, €70.00 left" in text
        assert "Shared Version" not in text
        for last4 in ("1111", "2222"):
            assert f"•••• {last4} Active Field team EUR" in text
        assert "•••• 3333" not in text

    @pytest.mark.usefixtures("group")
    def test_the_latest_decisions_are_those_of_all_the_cards(self, operator: Client) -> None:
        for amount in range(10):
            pay("ic_1", 50 + amount, card={"last4": "1111"})
        text = words(operator.get(pages.change_url(Cardholder.objects.get(pk="ich_1"))))
        latest = text.partition("Latest decisions")[2]
        assert latest.count("Approved") == 10
        assert ("€0.59" in latest, "€20.00" in latest, "€40.00" in latest) == (True, False, False)
        text = words(operator.get(pages.change_url(Cardholder.objects.get(pk="ich_2"))))
        assert "Approved \N{EN DASH} €40.00 Boulangerie Lepic •••• 3333" in text

    def test_somebody_without_cards_or_policies(self, operator: Client) -> None:
        holder = Cardholder.objects.create(pk="ich_9", name="New")
        assert "No policy is assigned to this cardholder" in words(
            operator.get(pages.change_url(holder))
        )


class TestGroupPage:
    @pytest.mark.parametrize("role", ["operator", "auditor"])
    def test_it_shows_the_budget_and_the_cards(
        self, request: Any, group: CardGroup, role: str
    ) -> None:
        text = words(request.getfixturevalue(role).get(pages.change_url(group)))
        assert "Shared Version 1 This group, one budget shared by its cards" in text
        assert "€70.00 used, €30.00 left" in text
        assert "3 cards" in text
        assert "•••• 3333 Active Grace Hopper ic_3" in text

    def test_of_limits_that_each_have_for_themselves_it_says_whose_they_are(
        self, operator: Client, group: CardGroup
    ) -> None:
        Assignment.objects.filter(group=group).update(each="cardholder")
        text = words(operator.get(pages.change_url(group)))
        assert "Shared Version 1 This group, each cardholder's own in this group" in text
        assert "Each cardholder's own in this group: their pages show it." in text
        assert "used" not in text.partition("Latest")[0].partition("Shared")[2]
        text = words(operator.get(pages.change_url(Cardholder.objects.get(pk="ich_1"))))
        assert "A card group of theirs, each cardholder's own in this group" in text

    def test_of_a_large_group_only_the_words_are_edited_there(
        self, operator: Client, group: CardGroup
    ) -> None:
        ids = [f"ic_x{number}" for number in range(998)]
        Card.objects.bulk_create([Card(pk=id_, root_id=id_, group=group) for id_ in ids])
        url = pages.change_url(group)
        text = words(operator.get(url))
        assert "1,001 cards" in text
        assert "To add or remove a card, choose its group on the page of the card." in text
        operator.post(url, {"name": "Everybody", "description": "", "cards": []})
        group.refresh_from_db()
        assert (group.name, group.cards.count()) == ("Everybody", 1_001)

    def test_a_new_group_has_no_budget_yet(self, operator: Client) -> None:
        group = CardGroup.objects.create(name="Empty")
        text = words(operator.get(pages.change_url(group)))
        assert "No policy is assigned to this group yet" in text
        assert "0 cards" in text


@pytest.mark.usefixtures("group")
class TestLists:
    def found(self, client: Client, **query: str) -> set[str]:
        response = client.get(pages.list_url(Card), query)
        assert response.status_code == 200
        return {card.pk for card in response.context["cl"].result_list}

    @pytest.mark.parametrize(
        ("typed", "cards"),
        [
            ("ic_2", {"ic_2"}),
            ("2222", {"ic_2"}),
            (" •••• 3333 ", {"ic_3"}),
            ("lovelace", {"ic_1", "ic_2"}),
            ("GRACE", {"ic_3"}),
            ("nobody", set()),
            ("%", set()),
        ],
    )
    def test_a_card_is_found_by_id_digits_or_name(
        self, operator: Client, typed: str, cards: set[str]
    ) -> None:
        assert self.found(operator, q=typed) == cards

    def test_cards_are_filtered_by_the_state_their_badges_show(self, operator: Client) -> None:
        Card.objects.filter(pk="ic_1").update(frozen=True)
        Card.objects.filter(pk="ic_2").update(frozen=True, status="canceled")
        assert self.found(operator, state="frozen") == {"ic_1", "ic_2"}
        assert self.found(operator, state="active") == {"ic_3"}
        assert self.found(operator, state="canceled") == {"ic_2"}
        text = words(operator.get(pages.list_url(Card)))
        assert "Frozen Canceled" in text

    def test_a_replacement_is_in_the_group_of_its_chain(
        self, operator: Client, group: CardGroup
    ) -> None:
        pay("ic_4", 0, card={"replacement_for": "ic_1"})
        other = CardGroup.objects.create(name="Other")
        assert "ic_4" in self.found(operator, root__group__id__exact=str(group.pk))
        assert self.found(operator, root__group__id__exact=str(other.pk)) == set()

    def test_all_cards_found_can_be_selected_where_they_are_not_too_many(
        self, operator: Client
    ) -> None:
        def add(first: int, last: int) -> None:
            ids = [f"ic_x{number}" for number in range(first, last)]
            Card.objects.bulk_create([Card(pk=id_, root_id=id_) for id_ in ids])

        add(0, 997)
        assert "Select all 1000 cards" in words(operator.get(pages.list_url(Card)))
        add(997, 998)
        assert "Select all 1" not in words(operator.get(pages.list_url(Card)))

    @pytest.mark.parametrize("model", [Card, Cardholder])
    @pytest.mark.parametrize("query", [{}, {"q": "ada"}])
    def test_no_list_counts_its_rows_or_sorts_out_doubles(
        self, operator: Client, model: type[Any], query: dict[str, str]
    ) -> None:
        with CaptureQueriesContext(connection) as asked:
            operator.get(pages.list_url(model), query)
        table = f'FROM "{model._meta.db_table}"'
        statements = [each["sql"] for each in asked if table in each["sql"]]
        assert statements
        assert not [sql for sql in statements if "COUNT(" in sql or "DISTINCT" in sql]
