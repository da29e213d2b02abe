"""A card's own amount as operators give it: beside its bar, with a reason, undone in one click."""

from html import unescape

import pytest
from django.test import Client
from django.utils.http import urlencode

from authorizations.models import Card, Instruction, Policy
from tests.admin import pages
from tests.support.desk import Shopper, in_force, republish

pytestmark = pytest.mark.django_db

LIST = "/admin/authorizations/instruction/"
ADA = Shopper(card_id="ic_ada", cardholder_id="ich_ada")


@pytest.fixture
def policy() -> Policy:
    found = in_force("Team", spending_limits=[{"amount": 50_000, "interval": "monthly"}])
    assert ADA.reason(100) == "approved"
    return found


def own_url(policy: Policy, limit: str = "monthly", scope: str = "card:ic_ada") -> str:
    query = urlencode([("scope", scope), ("policy", str(policy.pk)), ("limit", limit)])
    return f"{LIST}own/?{query}"


def card_page(client: Client) -> str:
    return unescape(client.get(pages.change_url(Card.objects.get())).content.decode())


def test_an_operator_gives_a_card_its_own_amount_beside_its_bar(
    operator: Client, policy: Policy
) -> None:
    assert own_url(policy) in card_page(operator)
    asked = operator.get(own_url(policy)).content.decode()
    assert "Policy Team says: €500.00 a month." in asked
    answer = operator.post(
        own_url(policy), {"how": "set", "amount": "800.00", "reason": "Trip"}, follow=True
    )
    html = unescape(answer.content.decode())
    assert "In force from the next purchase on." in html
    assert "Monthly limit of €800.00" in html
    assert "€800.00 instead of €500.00 a month, for this card (operations: Trip)." in html
    assert ADA.reason(79_900) == "approved"

    listed = unescape(operator.get(LIST).content.decode())
    assert "Own amount: Team, €800.00 instead of €500.00 a month" in listed
    [row] = Instruction.objects.all()
    operator.post(f"{LIST}{row.pk}/lift/", {"reason": "Back"})
    assert "Monthly limit of €500.00" in card_page(operator)
    assert ADA.reason(1) == "amount_limit_exceeded"


def test_one_for_later_is_listed_and_holds_when_it_begins(operator: Client, policy: Policy) -> None:
    sent = {"how": "set", "amount": "800", "reason": "Trip", "begins": "2040-05-01T08:00"}
    answer = operator.post(own_url(policy), sent | {"until": "2040-04-01T08:00"})
    assert "The end is not later than the beginning" in unescape(answer.content.decode())
    answer = operator.post(own_url(policy), sent, follow=True)
    assert "In force from as said." not in answer.content.decode()
    assert "It begins on 1 May 2040" in unescape(answer.content.decode())
    assert ADA.reason(79_900) == "amount_limit_exceeded"
    listed = unescape(operator.get(LIST).content.decode())
    assert "Begins later" in listed
    [row] = Instruction.objects.all()
    operator.post(f"{LIST}{row.pk}/lift/", {"reason": "Back"})
    assert row.pk in Instruction.objects.filter(lifting__isnull=False).values_list("pk", flat=True)


def test_what_is_raised_comes_on_top(operator: Client, policy: Policy) -> None:
    operator.post(own_url(policy), {"how": "raise", "amount": "300", "reason": "Trip"})
    assert "Monthly limit of €800.00" in card_page(operator)
    assert "€300.00 more than €500.00 a month, for this card (operations: Trip)." in card_page(
        operator
    )


def test_the_decision_says_whose_amount_it_was(operator: Client, policy: Policy) -> None:
    operator.post(own_url(policy), {"how": "set", "amount": "600", "reason": "Trip"})
    ADA.asks(90_000, event_id="evt_own")
    page = operator.get("/admin/authorizations/decision/evt_own/change/").content.decode()
    html = unescape(page)
    assert "Monthly limit of €600.00 (set for this card by operations: Trip; otherwise" in html
    told = html[html.index('id="for-cardholder"') :].partition("</p>")[0]
    assert "Trip" not in told


def test_a_number_of_purchases_is_typed_as_one(operator: Client, policy: Policy) -> None:
    republish(policy, spending_limits=[{"count": 1, "interval": "daily"}], unlimited=True)
    url = own_url(policy, "daily_count")
    assert (
        "whole number"
        in operator.post(url, {"how": "set", "amount": "2.5", "reason": "Event"}).content.decode()
    )
    operator.post(url, {"how": "set", "amount": "3", "reason": "Event"})
    assert [ADA.reason(1) for _ in range(3)] == ["approved", "approved", "count_limit_exceeded"]


def test_saving_a_policy_without_their_limit_says_first_which_own_amounts_sleep(
    operator: Client, policy: Policy
) -> None:
    for scope in ("card:ic_ada", "cardholder:ich_ada"):
        form = {"how": "set", "amount": "800", "reason": "Trip"}
        operator.post(own_url(policy, scope=scope), form)
    url = pages.change_url(policy)
    weekly = pages.as_shown(operator, url) | {"spending_limits-0-interval": "weekly"}
    refused = operator.post(url, weekly)
    sentence = (
        "2 own amounts sleep, as the version has no such limit: card ic_ada (€500.00 a month), "
        "cardholder ich_ada (€500.00 a month). The policy's amount holds instead until the limit "
        "is back in the same currency and period."
    )
    asked = f"{sentence} To confirm, tick this and save again."
    assert pages.errors(refused) == {"lets_sleep": [asked]}
    assert "Let 2 own amounts sleep" in pages.text(refused)
    assert policy.versions.count() == 1
    assert list(pages.errors(operator.post(url, weekly | {"lets_sleep": "1"}))) == ["lets_sleep"]
    operator.post(url, weekly | {"lets_sleep": "2"})
    assert policy.versions.count() == 2
    operator.post(url, pages.as_shown(operator, url) | {"spending_limits-0-amount": "600"})
    assert policy.versions.count() == 3


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"amount": ""}, "Give a figure."),
        ({"amount": "lots"}, "amount"),
        ({"amount": "-5"}, "negative"),
        ({"how": "raise", "amount": "0"}, "not negative"),
        ({"reason": ""}, "Give a reason"),
        ({"until": "2020-01-01T00:00"}, "This time is past"),
    ],
)
def test_what_is_not_clear_is_asked_again(
    operator: Client, policy: Policy, fields: dict[str, str], sentence: str
) -> None:
    sent = {"how": "set", "amount": "800", "reason": "Trip"} | fields
    assert sentence in operator.post(own_url(policy), sent).content.decode()
    assert not Instruction.objects.exists()


@pytest.mark.parametrize("scope", ["card:ic_none", "program:", "nonsense", "group:x", ""])
def test_there_is_no_page_for_what_is_not_there(
    operator: Client, policy: Policy, scope: str
) -> None:
    assert operator.get(own_url(policy, scope=scope)).status_code == 404
    assert operator.get(own_url(policy, "weekly")).status_code == 404


def test_auditors_see_own_amounts_and_set_none(
    operator: Client, auditor: Client, policy: Policy
) -> None:
    operator.post(own_url(policy), {"how": "set", "amount": "800", "reason": "Trip"})
    assert "for this card (operations: Trip)" in card_page(auditor)
    assert "Set an own amount" not in card_page(auditor)
    assert auditor.post(own_url(policy), {"amount": "1"}).status_code == 403
