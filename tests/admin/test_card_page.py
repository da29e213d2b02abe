"""The page of a card: may it pay, why was it declined, what is left, when does it reset."""

import time
from html import unescape
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import strip_tags

from authorizations.models import Card, CardGroup, Cardholder, Decision
from simulator.stripe.samples import MERCHANTS
from tests.admin import pages
from tests.support.desk import Shopper, in_force

pytestmark = pytest.mark.django_db

NOW = int(time.time())
ABROAD = next(m for m in MERCHANTS if m.country == "DE")


def shopper(card_id: str = "ic_1", **card: Any) -> Shopper:
    """Somebody who pays now: the page shows what is left now."""
    return Shopper(card_id=card_id, at=NOW, card={"last4": "4242"} | card)


def page(client: Client, card_id: str = "ic_1") -> str:
    """The words of a card's page, with single spaces."""
    response = client.get(pages.change_url(Card.objects.get(pk=card_id)))
    assert response.status_code == 200
    return " ".join(unescape(strip_tags(response.content.decode())).split())


def limits(*limits: dict[str, Any], **document: Any) -> None:
    in_force(spending_limits=list(limits), **document)


class TestWhatIsLeft:
    def test_each_limit_says_what_is_used_what_is_left_and_when_it_resets(
        self, operator: Client
    ) -> None:
        limits({"amount": 10_000, "interval": "all_time"}, {"count": 5, "interval": "all_time"})
        shopper().asks(3_250)
        text = page(operator)
        assert "All-time limit of €100.00 Available €32.50 used, €67.50 left" in text
        assert "All-time limit of 5 purchases Available 1 made, 4 left It never resets." in text

    def test_a_limit_says_on_which_day_its_month_or_year_begins_and_what_it_leaves_out(
        self, operator: Client
    ) -> None:
        limits(
            {"amount": 10_000, "interval": "monthly", "month_starts": 16},
            {"amount": 90_000, "interval": "yearly", "year_starts": "04-06"}
            | {"except_countries": ["DE"]},
        )
        shopper().asks(3_250)
        shopper().asks(1_000, merchant=ABROAD)
        text = page(operator)
        month = "Monthly limit of €100.00 (from the 16th) Available €42.50 used, €57.50 left"
        assert f"{month} Resets on 16 " in text
        year = "Yearly limit of €900.00 (from 6 Apr) except in DE Available €32.50 used"
        assert f"{year}, €867.50 left Resets on 6 Apr" in text

    @pytest.mark.parametrize(
        ("spent", "words"),
        [
            (0, "Available €0.00 used, €100.00 left"),
            (7_999, "Available €79.99 used, €20.01 left"),
            (8_000, "Nearly used up €80.00 used, €20.00 left"),
            (10_000, "Used up €100.00 used, nothing left"),
        ],
    )
    def test_how_full_it_is_is_said_in_words(
        self, operator: Client, spent: int, words: str
    ) -> None:
        limits({"amount": 10_000, "interval": "yearly"})
        shopper().asks(spent)
        text = page(operator)
        assert f"Yearly limit of €100.00 {words} Resets on 1 Jan" in text

    def test_a_limit_lowered_under_what_is_used_is_over(self, operator: Client) -> None:
        limits({"amount": 10_000, "interval": "monthly"})
        shopper().asks(9_000)
        limits({"amount": 4_000, "interval": "monthly"})
        text = page(operator)
        assert "Over €90.00 used, €50.00 over" in text
        assert "No purchase can pass now. Test: Monthly limit" in text

    def test_a_limit_per_purchase_has_nothing_to_use_up(self, operator: Client) -> None:
        limits({"amount": 10_000, "interval": "per_authorization"})
        shopper().asks(100)
        words = "Limit of €100.00 per purchase Each purchase is measured on its own."
        assert words in page(operator)

    def test_what_a_limit_concerns_and_other_currencies_are_said(self, operator: Client) -> None:
        limits(
            {"amount": 10_000, "interval": "all_time", "countries": ["DE"]},
            {"amount": 5_000, "interval": "all_time", "currency": "jpy"},
            {"amount": 5_000, "interval": "all_time", "currency": "kwd"},
        )
        shopper().asks(1_200, merchant=ABROAD)
        text = page(operator)
        assert "All-time limit of €100.00 in DE Available €12.00 used, €88.00 left" in text
        assert (
            "limit of ¥5,000 For purchases in JPY only; this card pays in EUR. ¥0 used, ¥5,000 left"
        ) in text
        assert "KWD 0.000 used, KWD 5.000 left." in text

    def test_every_policy_says_through_which_scope_and_in_which_version(
        self, operator: Client
    ) -> None:
        shopper().asks(0)
        shopper("ic_2", replacement_for="ic_1").asks(0)
        group = CardGroup.objects.create(name="Field team")
        Card.objects.filter(pk="ic_1").update(group=group)
        in_force("Own", to={"card": Card.objects.get(pk="ic_1")})
        in_force("Personal", to={"cardholder": Cardholder.objects.get()})
        in_force("Shared", to={"group": group})
        in_force("Baseline")
        told = (
            ("Own", "This card"),
            ("Personal", "Ada Lovelace, all cards together"),
            ("Shared", "Field team, one budget shared by its cards"),
            ("Baseline", "Every card, each measured on its own"),
        )
        text = page(operator)
        for name, through in told:
            leave_out = "" if name == "Own" else " Leave out"
            no_limits = "This policy has no limits; its other rules apply."
            assert f"{name} Version 1 {through}{leave_out} {no_limits}" in text
        text = page(operator, "ic_2")
        assert "Own Version 1 •••• 4242, the first card of this one's replacement chain" in text
        assert "Replaces •••• 4242 (limits, group and policies are those of" in text
        assert "Replaced by •••• 4242" in page(operator)

    @pytest.mark.parametrize("spent", [0, 3_000, 6_999])
    def test_the_most_the_next_purchase_can_be_is_approved_and_no_cent_more(
        self, operator: Client, spent: int
    ) -> None:
        limits(
            {"amount": 5_000, "interval": "per_authorization"},
            {"amount": 7_000, "interval": "monthly"},
            {"amount": 1, "interval": "monthly", "countries": ["JP"]},
            {"amount": 1, "interval": "monthly", "currency": "usd"},
        )
        for part in (spent // 2, spent - spent // 2):
            shopper().asks(part)
        most = min(5_000, 7_000 - spent)
        assert f"€{most / 100:.2f} is the largest purchase that can pass now." in page(operator)
        assert shopper().reason(most + 1) == "amount_limit_exceeded"
        assert shopper().reason(most) == "approved"


class TestWhyDeclined:
    def test_the_latest_decline_of_today_is_said_in_a_sentence(self, operator: Client) -> None:
        limits({"amount": 1_000, "interval": "all_time"})
        shopper().asks(100)
        assert "Latest decline today" not in page(operator)
        assert shopper("ic_2").reason(5_000) == shopper().reason(1_500) == "amount_limit_exceeded"
        shopper().asks(200)
        declined = Decision.objects.get(card="ic_1", approved=False)
        response = operator.get(pages.change_url(Card.objects.get(pk="ic_1")))
        text = response.content.decode()
        assert "All-time limit of €10.00: €1.00 used + €15.00 = €16.00, €6.00 over." in text
        assert f'href="{pages.change_url(declined)}"' in text

    def test_the_latest_ten_decisions_lead_to_themselves_and_to_all(self, operator: Client) -> None:
        in_force()
        for amount in range(1_200, 0, -100):
            shopper().asks(amount)
        shopper("ic_2").asks(5_500)
        text = page(operator)
        latest = text.partition("Latest decisions")[2]
        assert latest.count("Approved") == 10
        assert ("€10.00" in latest, "€11.00" in latest, "€55.00" in latest) == (True, False, False)
        assert latest.index("€1.00") < latest.index("€2.00")
        raw = operator.get(pages.change_url(Card.objects.get(pk="ic_1"))).content.decode()
        assert f"{pages.list_url(Decision)}?card=ic_1" in raw


class TestObstacles:
    """What makes every purchase fail stands on top, with what to do."""

    def test_a_card_without_policy(self, operator: Client) -> None:
        shopper().asks(100)
        text = page(operator)
        assert "Everything is declined: No policy applies to this card. Assign one to" in text
        assert "so no purchase can be approved" in text

    @pytest.mark.parametrize(
        ("status", "words"),
        [
            ("inactive", "The card is inactive at Stripe. Activate it in Stripe's Dashboard"),
            ("canceled", "The card is canceled at Stripe. It can't be used again"),
            ("lost_in_space", "The card is lost in space at Stripe."),
        ],
    )
    def test_a_card_that_is_not_active(self, operator: Client, status: str, words: str) -> None:
        in_force()
        shopper(status=status).asks(100)
        assert f"Everything is declined: {words}" in page(operator)

    def test_a_policy_without_a_limit_in_the_currency_of_the_card(self, operator: Client) -> None:
        limits({"amount": 1_000, "interval": "daily", "currency": "usd"})
        in_force("Other")
        assert shopper().reason(100) == "currency_not_allowed"
        words = "Test has amount limits, but none in EUR, the currency of this card. Add a limit"
        assert f"Everything is declined: {words}" in page(operator)

    def test_a_card_whose_policies_only_forbid_or_count(self, operator: Client) -> None:
        in_force("Block", blocked_merchants=["ACME FRAUD"], unlimited=False)
        limits({"count": 5, "interval": "daily"}, unlimited=False)
        assert shopper().reason(100) == "no_policy"
        words = "None of its policies grants this card anything. Assign one with an amount limit"
        assert f"Everything is declined: {words}" in page(operator)
        in_force("Grant", spending_limits=[{"amount": 1_000, "interval": "daily"}])
        assert "Everything is declined" not in page(operator)

    @pytest.mark.parametrize(
        ("dates", "words"),
        [
            ({"usable_from": "2099-01-01"}, "Test is valid from 1 Jan 2099"),
            ({"usable_until": "2020-01-01"}, "Test was valid until"),
        ],
    )
    def test_a_policy_that_is_not_usable_now(
        self, operator: Client, dates: dict[str, str], words: str
    ) -> None:
        in_force(**dates)
        shopper().asks(100)
        assert f"Everything is declined: {words}" in page(operator)

    def test_a_card_that_may_pay_has_none(self, operator: Client) -> None:
        limits({"amount": 1_000, "interval": "daily"})
        shopper().asks(100)
        assert "Everything is declined" not in page(operator)


class TestOddCards:
    def test_a_card_of_nobody_that_never_paid(self, operator: Client) -> None:
        limits({"amount": 1_000, "interval": "daily"})
        Card.objects.create(pk="ic_new")
        text = page(operator, "ic_new")
        assert "Cardholder Unknown" in text
        assert "All decisions of this card No decisions yet." in text
        assert "the most the next purchase" not in text

    def test_an_id_with_odd_characters(self, operator: Client) -> None:
        card = Card.objects.create(pk='ic_a/b?c&d="e_f\N{SNOWMAN}', last4="0007")
        url = pages.change_url(card)
        text = operator.get(url).content.decode()
        assert "?card=ic_a%2Fb%3Fc%26d%3D%22e_f%E2%98%83" in text
        freeze = reverse("admin:authorizations_card_freeze", args=[quote(card.pk)])
        assert f'href="{freeze}"' in text
        operator.post(freeze, {"reason": "Lost"})
        card.refresh_from_db()
        assert card.frozen


def test_auditors_see_the_same_and_can_change_nothing(auditor: Client) -> None:
    limits({"amount": 10_000, "interval": "all_time"})
    shopper().asks(9_000)
    response = auditor.get(pages.change_url(Card.objects.get()))
    text = response.content.decode()
    assert "€90.00 used" in text
    assert "/freeze" not in text
    assert 'name="_save"' not in text


def test_the_page_costs_the_same_with_many_limits_and_decisions(operator: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as found:
            page(operator)
        return len(found)

    limits({"amount": 1_000, "interval": "daily"})
    shopper().asks(2_000)
    page(operator)  # sessions, content types and versions are read once
    few = queries()
    limits(*({"count": n, "interval": "rolling", "minutes": n} for n in range(1, 41)))
    for _ in range(15):
        shopper().asks(100)
    page(operator)
    assert queries() <= few
    assert few <= 28
