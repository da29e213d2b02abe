"""Cards, cardholders and groups in the admin."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from authorizations.admin.cards import lists
from authorizations.admin.cards.pages import CardAdmin
from authorizations.models import Card, CardGroup, Cardholder
from authorizations.services.cards.by_hand import add_unless_known
from authorizations.services.policies.freeze import freeze
from tests.admin import pages
from tests.admin.pages import as_shown, errors, messages
from tests.support.desk import Shopper, in_force

pytestmark = pytest.mark.django_db


@pytest.fixture
def card() -> Card:
    in_force("Baseline")
    Shopper(card={"last4": "4242"}).asks(100)
    return Card.objects.get()


def freeze_url(card: Card, word: str = "freeze") -> str:
    return pages.change_url(card).replace("change", word)


class TestFreezing:
    def test_a_frozen_card_is_declined_from_the_next_purchase_on(
        self, operator: Client, card: Card
    ) -> None:
        response = operator.post(freeze_url(card), {"reason": "Lost"}, follow=True)
        assert messages(response) == ["•••• 4242 (ic_1) frozen from the next purchase on."]
        assert Shopper().reason(100) == "card_frozen"
        assert "The card is frozen: Lost" in response.content.decode()
        operator.post(freeze_url(card, "unfreeze"), {"reason": "Found"})
        assert Shopper().reason(100) == "approved"

    def test_who_and_why_is_in_the_history_of_the_card(self, operator: Client, card: Card) -> None:
        operator.post(freeze_url(card), {"reason": "Lost"})
        entry = LogEntry.objects.get()
        told = (entry.user.get_username(), entry.object_id, entry.get_change_message())
        assert told == ("operations", "ic_1", "Froze the card: Lost")

    def test_a_second_click_changes_nothing(self, operator: Client, card: Card) -> None:
        operator.post(freeze_url(card), {"reason": "Lost"})
        response = operator.post(freeze_url(card), {"reason": "Lost again"}, follow=True)
        told = messages(response)[-1]
        assert told.startswith("Nothing to do: •••• 4242 (ic_1) is already frozen: Lost. Frozen by")
        card.refresh_from_db()
        assert card.frozen_reason == "Lost"
        assert LogEntry.objects.count() == 1

    def test_who_froze_it_meanwhile_is_told(self, operator: Client, card: Card, staff: Any) -> None:
        freeze([card.pk], by=staff("superuser"), reason="Fraud.")
        page = operator.get(freeze_url(card)).content.decode()
        assert "is already frozen: Fraud. Frozen by superuser on" in page
        assert 'name="reason"' not in page
        response = operator.post(freeze_url(card, "unfreeze"), {"reason": "Fine"}, follow=True)
        response = operator.post(freeze_url(card, "unfreeze"), {"reason": "Fine"}, follow=True)
        told = "Nothing to do: •••• 4242 (ic_1) is not frozen any more."
        assert messages(response)[-1] == told

    def test_a_card_frozen_again_for_another_reason_is_not_unfrozen_unseen(
        self, operator: Client, card: Card, staff: Any
    ) -> None:
        freeze([card.pk], by=staff("superuser"), reason="Fraud")
        sent = {"reason": "Found", "seen": "ic_1=Lost"}
        page = operator.post(freeze_url(card, "unfreeze"), sent).content.decode()
        assert "Frozen again meanwhile for a different reason. •••• 4242 (ic_1): Fraud." in page
        assert 'value="ic_1=Fraud"' in page
        operator.post(freeze_url(card, "unfreeze"), sent | {"seen": "ic_1=Fraud"})
        card.refresh_from_db()
        assert not card.frozen

    def test_it_asks_for_a_reason_and_only_a_post_freezes(
        self, operator: Client, card: Card
    ) -> None:
        operator.get(freeze_url(card), {"reason": "Lost"})
        response = operator.post(freeze_url(card), {"reason": " "})
        assert "Give a reason: others will ask why." in response.content.decode()
        card.refresh_from_db()
        assert not card.frozen

    def test_a_request_from_another_site_freezes_nothing(self, staff: Any, card: Card) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(staff("Operations"))
        assert client.post(freeze_url(card), {"reason": "Lost"}).status_code == 403

    @pytest.mark.usefixtures("card")
    def test_several_cards_are_frozen_from_the_list(self, operator: Client) -> None:
        Shopper(card_id="ic_2").asks(100)
        chosen = {"action": "freeze_selected", "_selected_action": ["ic_1", "ic_2"]}
        page = operator.post(pages.list_url(Card), chosen)
        assert page.context["title"] == "Freeze 2 cards"
        response = operator.post(pages.list_url(Card), chosen | {"reason": "Breach"}, follow=True)
        assert messages(response) == ["2 of 2 cards frozen from the next purchase on."]
        assert Card.objects.filter(frozen=True, frozen_reason="Breach").count() == 2

    def test_more_cards_than_are_locked_at_once_are_all_frozen(self, staff: Any) -> None:
        cards = [Card(pk=f"ic_{number}", root_id=f"ic_{number}") for number in range(250)]
        Card.objects.bulk_create(cards)
        assert freeze([card.pk for card in cards], by=staff("Operations"), reason="All") == 250
        assert LogEntry.objects.count() == 250

    def test_a_replacement_is_not_frozen_with_the_card_it_replaces(
        self, operator: Client, card: Card
    ) -> None:
        replacement = Shopper(card_id="ic_2", card={"replacement_for": "ic_1"})
        replacement.asks(100)
        operator.post(freeze_url(card), {"reason": "Lost"})
        assert replacement.reason(100) == "approved"


class TestByHand:
    def test_a_card_can_be_set_up_before_its_first_purchase(self, operator: Client) -> None:
        Cardholder.objects.create(pk="ich_1", name="Ada Lovelace")
        given = {"id": "ic_1", "cardholder": "ich_1", "last4": "4242", "status": "active"}
        operator.post(pages.add_url(Card), given)
        card = Card.objects.get()
        assert (card.root_id, str(card.cardholder)) == ("ic_1", "Ada Lovelace")
        in_force(to={"card": card})
        assert Shopper().reason(100) == "approved"

    @pytest.mark.usefixtures("card")
    @pytest.mark.parametrize(
        ("given", "field", "sentence"),
        [
            ({"id": "4242"}, "id", "A card id starts with ic_. Copy the complete id"),
            ({"id": "ic_1"}, "id", "This card already exists. Search for it in the list."),
            ({"id": "ic_2", "last4": "42"}, "last4", "Enter the last 4 digits"),
        ],
    )
    def test_a_slip_is_refused_with_a_sentence(
        self, operator: Client, given: dict[str, str], field: str, sentence: str
    ) -> None:
        found = errors(operator.post(pages.add_url(Card), {"status": "active"} | given))
        assert list(found) == [field]
        assert sentence in found[field][0]

    @pytest.mark.parametrize(
        ("given", "sentence"),
        [
            ({"last4": "4242424242424242"}, "Enter the last 4 digits of the card number"),
            ({"currency": "xyz"}, "Choose a currency from the list, or leave it empty."),
        ],
    )
    def test_what_no_form_offers_is_refused_too(
        self, operator: Client, given: dict[str, str], sentence: str
    ) -> None:
        sent = {"id": "ic_2", "status": "active"} | given
        [found] = errors(operator.post(pages.add_url(Card), sent)).values()
        assert sentence in found[0]

    def test_an_event_that_was_quicker_is_not_overwritten(self, card: Card) -> None:
        """Between the check of the form and the writing the first purchase can arrive."""
        add_unless_known(Card(pk=card.pk, last4="0000", status="canceled"))
        add_unless_known(Cardholder(pk="ich_1", name="Somebody"))
        card.refresh_from_db()
        assert (card.last4, card.status, str(card.cardholder)) == ("4242", "active", "Ada Lovelace")

    def test_a_cardholder_id_is_checked_too(self, operator: Client) -> None:
        found = errors(operator.post(pages.add_url(Cardholder), {"id": "ic_1", "name": "Ada"}))
        assert "A cardholder id starts with ich_" in found["id"][0]

    def test_a_name_can_be_corrected_until_stripe_tells_one(self, operator: Client) -> None:
        holder = Cardholder.objects.create(pk="ich_1", name="Ada")
        url = pages.change_url(holder)
        operator.post(url, as_shown(operator, url) | {"name": "Ada Lovelace"})
        holder.refresh_from_db()
        assert holder.name == "Ada Lovelace"
        Cardholder.objects.update(details_at=1)
        operator.post(url, as_shown(operator, url) | {"name": "Somebody"})
        holder.refresh_from_db()
        assert holder.name == "Ada Lovelace"

    def test_what_stripe_told_of_a_card_cannot_be_edited(
        self, operator: Client, card: Card
    ) -> None:
        url = pages.change_url(card)
        assert set(as_shown(operator, url)) == set()
        operator.post(url, {"last4": "0000", "status": "canceled", "frozen": "on"})
        card.refresh_from_db()
        assert (card.last4, card.status, card.frozen) == ("4242", "active", False)


class TestCardPage:
    def test_it_shows_the_policies_of_every_scope(self, operator: Client, card: Card) -> None:
        group = CardGroup.objects.create(name="Field team")
        Card.objects.update(group=group)
        in_force("Of the card", to={"card": card})
        in_force("Of the person", to={"cardholder_id": "ich_1"})
        in_force("Of the group", to={"group": group})
        in_force("Of nobody here", to={"cardholder": Cardholder.objects.create(pk="ich_9")})
        page = operator.get(pages.change_url(card)).content.decode()
        for name in ("Baseline", "Of the card", "Of the person", "Of the group"):
            assert name in page
        assert "Of nobody here" not in page

    def test_the_group_can_be_chosen_there(self, operator: Client, card: Card) -> None:
        group = CardGroup.objects.create(name="Field team")
        operator.post(pages.change_url(card), {"group": group.pk})
        card.refresh_from_db()
        assert card.group == group

    @pytest.mark.usefixtures("card")
    def test_a_replacement_shows_whose_limits_it_has(self, operator: Client) -> None:
        Shopper(card_id="ic_2", card={"replacement_for": "ic_1"}).asks(100)
        replacement = Card.objects.get(pk="ic_2")
        page = operator.get(pages.change_url(replacement)).content.decode()
        assert "limits, group and policies are those of" in page
        assert "Baseline" in page


class TestGroups:
    def save(self, client: Client, group: CardGroup | None, **fields: Any) -> Any:
        url = pages.change_url(group) if group else pages.add_url(CardGroup)
        return client.post(url, as_shown(client, url) | fields, follow=True)

    def test_cards_are_chosen_on_the_page_of_the_group(self, operator: Client, card: Card) -> None:
        self.save(operator, None, name="Field team", cards=["ic_1"])
        group = CardGroup.objects.get()
        assert list(group.cards.all()) == [card]
        self.save(operator, group, cards=[])
        assert not group.cards.exists()

    def test_a_card_moves_out_of_the_group_it_was_in(self, operator: Client, card: Card) -> None:
        Card.objects.update(group=CardGroup.objects.create(name="Old team"))
        response = self.save(operator, None, name="New team", cards=["ic_1"])
        assert "Cards were taken out of: Old team." in messages(response)
        card.refresh_from_db()
        assert str(card.group) == "New team"

    def test_cards_that_lose_every_grant_with_their_group_are_asked_about_first(
        self, operator: Client
    ) -> None:
        group = CardGroup.objects.create(name="Field team")
        for number in range(3):
            Card.objects.create(pk=f"ic_{number}", group=group)
        in_force("Team", to={"group": group})
        refused = self.save(operator, group, cards=["ic_0"])
        asked = "2 cards lose every grant: everything they ask for will be declined."
        assert errors(refused)["leaves_without"][0].startswith(asked)
        assert group.cards.count() == 3
        response = self.save(operator, group, cards=["ic_0"], leaves_without="2")
        lost = "2 cards can no longer spend: everything they ask for is declined."
        assert any(text.startswith(lost) for text in messages(response))
        assert not any("grant" in text for text in messages(self.save(operator, group)))
        url = pages.change_url(Card.objects.get(pk="ic_0"))
        refused = operator.post(url, {"group": ""})
        assert list(errors(refused)) == ["leaves_without"]
        assert Card.objects.get(pk="ic_0").group == group
        response = operator.post(url, {"group": "", "leaves_without": "1"}, follow=True)
        lost = "1 card can no longer spend: everything it asks for is declined."
        assert any(text.startswith(lost) for text in messages(response))
        listed = operator.get(pages.list_url(Card), {"grant": "without"}).context["cl"].result_list
        assert {card.pk for card in listed} == {"ic_0", "ic_1", "ic_2"}

    @pytest.mark.usefixtures("card")
    def test_a_replacement_stands_for_its_chain(self, operator: Client) -> None:
        Shopper(card_id="ic_2", card={"replacement_for": "ic_1"}).asks(100)
        response = self.save(operator, None, name="Field team", cards=["ic_2"])
        assert [found.pk for found in CardGroup.objects.get().cards.all()] == ["ic_1"]
        assert any("its whole replacement chain moved along" in text for text in messages(response))

    def test_a_name_that_is_taken_is_refused(self, operator: Client) -> None:
        CardGroup.objects.create(name="Field team")
        found = errors(self.save(operator, None, name="Field team"))
        assert found == {"name": ["A different group has this name. Choose another."]}


@pytest.mark.django_db(transaction=True)  # a card is added in a transaction of its own
class TestMetadata:
    """Groups that cards join by Stripe's metadata."""

    @pytest.fixture
    def drivers(self) -> CardGroup:
        in_force("Baseline")
        Shopper().asks(100)
        group = CardGroup.objects.create(
            name="Drivers", metadata_key="team", metadata_value="drivers"
        )
        Shopper(card_id="ic_2", card={"metadata": {"team": "drivers"}}).asks(1)
        return group

    def test_a_rule_is_given_on_the_page_of_the_group(
        self, operator: Client, drivers: CardGroup
    ) -> None:
        url = pages.change_url(drivers)
        shown = as_shown(operator, url) | {"cards": ["ic_2"]}
        found = errors(operator.post(url, shown | {"metadata_value": ""}))
        assert found == {"metadata_value": ["Give both the key and the value, or neither."]}
        operator.post(url, shown | {"metadata_value": "couriers"})
        drivers.refresh_from_db()
        assert (drivers.metadata_key, drivers.metadata_value) == ("team", "couriers")
        assert [card.grouped_by for card in drivers.cards.all()] == ["rule"]

    def test_the_page_of_a_group_with_a_rule_says_how_each_card_came_there(
        self, operator: Client, drivers: CardGroup
    ) -> None:
        url = pages.change_url(drivers)
        operator.post(url, as_shown(operator, url) | {"cards": ["ic_1", "ic_2"]})
        assert [*drivers.cards.order_by("pk").values_list("grouped_by", flat=True)] == [
            "hand",
            "rule",
        ]
        page = operator.get(url).content.decode()
        assert "By hand" in page
        assert "By Stripe&#x27;s metadata" in page

    def test_the_page_of_a_card_says_so_and_lets_the_rules_choose_again(
        self, operator: Client, drivers: CardGroup
    ) -> None:
        card = Card.objects.get(pk="ic_2")
        url = pages.change_url(card)
        assert as_shown(operator, url)["by_metadata"] == "on"
        operator.post(url, as_shown(operator, url) | {"group": ""})
        card.refresh_from_db()
        assert (card.group, card.grouped_by) == (None, "hand")
        shown = as_shown(operator, url)
        assert "by_metadata" not in shown
        operator.post(url, shown | {"by_metadata": "on"})
        card.refresh_from_db()
        assert (card.group, card.grouped_by) == (drivers, "rule")

    def test_a_group_and_the_rules_can_not_be_chosen_together(
        self, operator: Client, drivers: CardGroup
    ) -> None:
        card, other = Card.objects.get(pk="ic_2"), CardGroup.objects.create(name="Others")
        url = pages.change_url(card)
        operator.post(url, {"group": drivers.pk})
        found = errors(operator.post(url, {"group": other.pk, "by_metadata": "on"}))
        assert found == {"by_metadata": ["Choose a group above, or switch this on: not both."]}
        card.refresh_from_db()
        assert (card.group, card.grouped_by) == (drivers, "hand")

    def test_turned_off_it_keeps_the_group_by_hand(
        self, operator: Client, drivers: CardGroup
    ) -> None:
        card = Card.objects.get(pk="ic_2")
        operator.post(pages.change_url(card), {"group": drivers.pk})
        card.refresh_from_db()
        assert (card.group, card.grouped_by) == (drivers, "hand")

    def test_without_any_rule_the_page_of_a_card_does_not_mention_it(
        self, operator: Client, card: Card
    ) -> None:
        page = operator.get(pages.change_url(card)).content.decode()
        assert "metadata" not in page


def test_lists_cost_the_same_for_one_row_and_for_many(
    operator: Client, card: Card, django_assert_max_num_queries: Any
) -> None:
    group = CardGroup.objects.create(name="Team")
    for number in range(15):
        holder = Cardholder.objects.create(pk=f"ich_x{number}", name=f"Ada {number}")
        Card.objects.create(pk=f"ic_x{number}", cardholder=holder, group=group)
    for model in (Card, Cardholder, CardGroup):
        # With how stand-in is, and what cards are frozen by.
        with django_assert_max_num_queries(12):
            operator.get(pages.list_url(model))


def test_no_card_cardholder_or_group_is_deleted_by_anybody(login: Any, card: Card) -> None:
    client = login("superuser")
    group = CardGroup.objects.create(name="Team")
    for row in (card, Cardholder.objects.get(), group):
        url = pages.change_url(row).replace("change", "delete")
        assert client.post(url, {"post": "yes"}).status_code == 403
    assert User.objects.count() == 1


class TestWithoutAGrant:
    """The list of all cards that can't spend, which may be any number among millions."""

    URL = f"{pages.list_url(Card)}?grant=without"

    def test_every_card_is_on_one_page_however_many_there_are(
        self, operator: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lists, "MAX_SELECTED", 5)
        monkeypatch.setattr(CardAdmin, "list_per_page", 2)
        in_force("Some", to={"card": Card.objects.create(pk="ic_granted")})
        cards = [Card.objects.create(pk=f"ic_{number}").pk for number in range(9)]
        found = [operator.get(f"{self.URL}&p={page}").context["cl"] for page in range(1, 7)]
        shown = [[row.pk for row in page.result_list] for page in found]
        assert shown == [cards[:-3:-1], cards[6:4:-1], cards[4:2:-1], cards[2:0:-1], ["ic_0"], []]
        assert [page.result_count for page in found] == [2, 2, 2, 2, 1, 0]
        Card.objects.filter(pk__in=cards[5:]).update(status=Card.Status.CANCELED)
        found = [operator.get(f"{self.URL}&p={page}").context["cl"] for page in (1, 2, 3)]
        assert [page.result_count for page in found] == [5, 5, 1]

    def test_other_filters_and_a_search_narrow_it(self, operator: Client) -> None:
        for number, holder in enumerate(("Ada", "Grace", "Ada")):
            who = Cardholder.objects.create(pk=f"ich_{number}", name=holder)
            Card.objects.create(pk=f"ic_{number}", cardholder=who, frozen=number == 2)
        for narrowed, cards in (("q=ada", ["ic_2", "ic_0"]), ("q=ada&state=frozen", ["ic_2"])):
            shown = operator.get(f"{self.URL}&{narrowed}").context["cl"]
            assert [row.pk for row in shown.result_list] == cards

    def test_if_finding_them_takes_too_long_the_page_says_so(
        self, operator: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A table that is locked stands for one that takes long to read."""
        monkeypatch.setattr(lists, "PATIENCE_MS", 200)
        Card.objects.create(pk="ic_1")
        other = connection.copy()
        try:
            with other.cursor() as cursor:
                cursor.execute("BEGIN; LOCK TABLE authorizations_assignment")
                shown = operator.get(self.URL)
        finally:
            other.close()
        assert list(shown.context["cl"].result_list) == []
        [said] = messages(shown)
        assert said.startswith("Finding the cards without a grant took longer than five seconds")
        assert [row.pk for row in operator.get(self.URL).context["cl"].result_list] == ["ic_1"]


@pytest.mark.usefixtures("card")
class TestFilters:
    @pytest.mark.parametrize(
        ("query", "is_lit", "cards"),
        [
            ({}, False, ["ic_1"]),
            ({"grant": "nonsense"}, False, ["ic_1"]),
            ({"state": "nonsense"}, False, ["ic_1"]),
            ({"grant": "", "state": "", "root__group__id__exact": ""}, False, ["ic_1"]),
            ({"grant": "nonsense", "state": "active"}, True, ["ic_1"]),
            ({"grant": "without"}, True, []),
            ({"state": "frozen"}, True, []),
            ({"root__group__id__exact": "1"}, True, []),
        ],
    )
    def test_only_what_narrows_the_list_lights_the_filters_up(
        self, operator: Client, query: dict[str, str], is_lit: bool, cards: list[str]
    ) -> None:
        shown = operator.get(pages.list_url(Card), query).context["cl"]
        assert (shown.has_active_filters, [row.pk for row in shown.result_list]) == (is_lit, cards)
