"""One purchase let through as operators do it: two clicks from a declined decision, or by hand."""

import re
from datetime import datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from authorizations.models import Card, Decision, Instruction, Lifting, Policy
from authorizations.services.policies.purchase_exceptions import allow_once, waivable
from authorizations.services.policies.stops import StopError
from simulator.stripe.sample_merchants import MERCHANTS
from tests.admin import pages
from tests.support.damage import damage, rewrite
from tests.support.desk import Shopper, in_force, republish

pytestmark = pytest.mark.django_db

LIST = "/admin/authorizations/instruction/"
ADA = Shopper(card_id="ic_ada", cardholder_id="ich_ada")
HOTEL = MERCHANTS[0]._replace(name="Hotel Lepic", network_id="1234567890")


@pytest.fixture(autouse=True)
def declined() -> Decision:
    in_force("Team", spending_limits=[{"amount": 50_000, "interval": "monthly"}])
    ADA.asks(54_000, event_id="evt_declined", merchant=HOTEL)
    return Decision.objects.get(pk="evt_declined")


def allow_url(**query: str) -> str:
    return f"{LIST}allow/?{urlencode(query)}"


FROM_DECISION = allow_url(decision="evt_declined")
BY_HAND = allow_url(card="ic_ada")


def html_of(client: Client, url: str) -> str:
    return unescape(client.get(url).content.decode())


def sent(client: Client, url: str, **fields: Any) -> str:
    return unescape(client.post(url, fields, follow=True).content.decode())


def usual(client: Client, url: str = FROM_DECISION) -> dict[str, Any]:
    """What the page proposes, as it is sent when nothing is changed but the reason."""
    form = client.get(url).context["form"]
    return {field.html_name: field.value() or "" for field in form} | {"reason": "Trip to Lyon"}


def test_two_clicks_let_the_declined_purchase_through_once(operator: Client) -> None:
    page = html_of(operator, pages.change_url(Decision.objects.get()))
    assert FROM_DECISION in page
    asked = html_of(operator, FROM_DECISION)
    assert "€540.00 at Hotel Lepic was declined. Waived: Monthly limit of €500.00 of Team." in asked
    assert "This merchant: Hotel Lepic (network id 1234567890)" in asked
    fields = usual(operator)
    assert (fields["up_to"], fields["where"]) == ("€594.00", "merchant")
    ends = timezone.make_aware(datetime.fromisoformat(fields["until"]))
    assert timedelta(minutes=58) < ends - timezone.now() <= timedelta(minutes=60)
    assert "Allowed once" in sent(operator, FROM_DECISION, **fields)

    [row] = Instruction.objects.all()
    assert (row.kind, row.scope, row.author_name) == ("exception", "card:ic_ada", "operations")
    assert row.terms == {
        "merchant": {"network_id": "1234567890"},
        "up_to": 59_400,
        "currency": "eur",
        "waives": [
            {
                "reason": "amount_limit_exceeded",
                "policy": Policy.objects.get().pk,
                "limit": "monthly",
            }
        ],
        "decision": "evt_declined",
    }
    listed = html_of(operator, LIST)
    assert (
        "Allowed once: up to €594.00 at merchant network id 1234567890, waives the limit of "
        "€500.00 a month of Team" in listed
    )
    ADA.asks(54_000, event_id="evt_used", merchant=HOTEL)
    assert ADA.reason(54_000, merchant=HOTEL) == "amount_limit_exceeded"

    used = html_of(operator, "/admin/authorizations/decision/evt_used/change/")
    said = r"by an exception of operations until .{12,20} UTC: Monthly limit of €500.00 waived"
    assert re.search(rf"Approved €540.00 at Hotel Lepic {said} \(€40.00 over\)\.", used)
    assert re.search(rf"Approved {said} \(€40.00 over\)\.", used)
    assert "Waived by the exception" in used
    told = used[used.index('id="for-cardholder"') :].partition("</p>")[0]
    assert "operations" not in told
    assert "By exception" in html_of(operator, "/admin/authorizations/decision/")

    assert "Trip to Lyon" not in html_of(operator, LIST)
    ended = html_of(operator, f"{LIST}?state=ended&kind=exception")
    link = reverse("admin:authorizations_decision_change", args=[quote("evt_used")])
    for shown in (ended, html_of(operator, pages.change_url(row)), card_page(operator)):
        assert link in shown
        assert "Used" in shown
    again = sent(operator, f"{LIST}{row.pk}/lift/", reason="Too late")
    assert "Nothing to do: it is used, or holds no longer." in again


def card_page(client: Client) -> str:
    return html_of(client, pages.change_url(Card.objects.get()))


def test_it_is_listed_on_the_cards_page_and_withdrawn_in_one_click(operator: Client) -> None:
    sent(operator, FROM_DECISION, **usual(operator))
    [row] = Instruction.objects.all()
    page = card_page(operator)
    assert "Trip to Lyon" in page
    assert f"{LIST}{row.pk}/lift/" in page
    sent(operator, f"{LIST}{row.pk}/lift/", reason="The shop found another way")
    assert "Withdrawn" in card_page(operator)
    assert ADA.reason(54_000, merchant=HOTEL) == "amount_limit_exceeded"


def test_a_form_that_is_sent_twice_allows_one_purchase(operator: Client) -> None:
    fields = usual(operator)
    for _ in range(2):
        html = sent(operator, FROM_DECISION, **fields)
    assert "It is allowed once already, and that is not used yet" in html
    assert Instruction.objects.count() == 1
    by_hand = usual(operator, BY_HAND) | {"waives": ["amount_limit_exceeded"], "up_to": "600"}
    for _ in range(2):
        html = sent(operator, BY_HAND, **by_hand)
    assert "This is allowed once already, with the same end and reason" in html
    assert Instruction.objects.count() == 2
    reasons = [ADA.reason(54_000, merchant=HOTEL) for _ in range(3)]
    assert reasons == ["approved", "approved", "amount_limit_exceeded"]


def test_a_card_with_nothing_left_says_that_an_exception_lets_one_through(
    operator: Client,
) -> None:
    assert ADA.reason(50_000) == "approved"
    said = "An exception below lets one through nevertheless."
    assert "No purchase can pass now." in card_page(operator)
    assert said not in card_page(operator)
    sent(operator, FROM_DECISION, **usual(operator))
    assert said in card_page(operator)


def test_what_ran_out_unused_is_said(operator: Client) -> None:
    sent(operator, FROM_DECISION, **usual(operator))
    [row] = Instruction.objects.all()
    hour = timedelta(hours=2)
    rewrite(row, starts_at=row.starts_at - hour, ends_at=row.starts_at - hour / 2)
    assert "Ran out unused" in card_page(operator)
    assert "Ran out unused" in html_of(operator, f"{LIST}?state=ended")


def test_what_became_of_it_is_said_on_the_decision_which_offers_it_again_when_it_is_over(
    operator: Client, declined: Decision
) -> None:
    def page() -> str:
        return html_of(operator, pages.change_url(declined))

    sent(operator, FROM_DECISION, **usual(operator))
    [row] = Instruction.objects.all()
    given = rf'<a href="{pages.change_url(row)}" class="text-link">Allowed once by operations until'
    assert re.search(rf"{re.escape(given)} .{{12,30}}</a> \(not used yet\)\.", page())
    assert FROM_DECISION not in page()
    again = html_of(operator, FROM_DECISION)
    assert "It is allowed once already, and that is not used yet" in again
    assert 'name="reason"' not in again
    assert "It is allowed once already" in sent(operator, FROM_DECISION, reason="Twice")
    assert Instruction.objects.count() == 1

    ADA.asks(54_000, event_id="evt_used", merchant=HOTEL)
    used = reverse("admin:authorizations_decision_change", args=[quote("evt_used")])
    assert f'(used by <a href="{used}" class="text-link">the purchase of ' in page()
    assert FROM_DECISION in page()
    sent(operator, FROM_DECISION, **usual(operator))
    second = Instruction.objects.latest("pk")
    assert page().count("Allowed once by operations") == 2
    sent(operator, f"{LIST}{second.pk}/lift/", reason="The shop found another way")
    assert "(withdrawn by operations: The shop found another way)." in page()
    sent(operator, FROM_DECISION, **usual(operator))
    third, hour = Instruction.objects.latest("pk"), timedelta(hours=2)
    assert FROM_DECISION not in page()
    damage(third, starts_at=third.starts_at - hour, ends_at=third.starts_at - hour / 2)
    assert "(ran out unused)." in page()
    assert FROM_DECISION in page()


def test_two_operators_at_once_allow_it_once(operator: Client, declined: Decision) -> None:
    found = waivable(declined)
    known: dict[str, Any] = {"up_to": 60_000, "currency": "eur", "by": None, "reason": "Trip"}
    until = timezone.now() + timedelta(hours=1)
    waives = [waiver for _, waiver in found.checks]
    allow_once("ic_ada", waives, until=until, decision=declined.pk, **known)
    other = known | {"reason": "The same trip"}
    with pytest.raises(StopError, match="It is allowed once already"):
        allow_once("ic_ada", waives, until=until, decision=declined.pk, **other)
    allow_once("ic_ada", waives, until=until, **other)


def test_the_list_of_decisions_has_those_that_were_approved_by_one(operator: Client) -> None:
    sent(operator, FROM_DECISION, **usual(operator))
    ADA.asks(54_000, event_id="evt_used", merchant=HOTEL)
    Shopper(card_id="ic_bea", cardholder_id="ich_bea").asks(100, event_id="evt_usual")
    found = operator.get("/admin/authorizations/decision/?outcome=exception")
    assert [row.pk for row in found.context["cl"].result_list] == ["evt_used"]
    assert "Approved by an exception" in unescape(found.content.decode())


def test_a_renamed_policy_is_shown_by_its_present_name(operator: Client) -> None:
    sent(operator, FROM_DECISION, **usual(operator))
    policy = Policy.objects.get()
    republish(policy, name="Crew")
    assert "waives the limit of €500.00 a month of Crew" in html_of(operator, LIST)
    assert "a month of Crew" in html_of(operator, f"{LIST}?policy={policy.pk}")
    assert "Monthly limit of €500.00 of Team" not in card_page(operator)
    ADA.asks(54_000, event_id="evt_used", merchant=HOTEL)
    ADA.asks(54_000, event_id="evt_again", merchant=HOTEL)
    republish(policy, name="Band")
    asked = html_of(operator, allow_url(decision="evt_again"))
    assert "Waived: Monthly limit of €500.00 of Band." in asked
    [failed] = [it for it in Decision.objects.get(pk="evt_used").trace if not it["passed"]]
    assert failed["policy"] == "Crew"


@pytest.mark.parametrize(
    ("where", "place"),
    [("category", {"category": HOTEL.category}), ("any", {})],
)
def test_it_can_be_for_the_category_or_any_merchant(
    operator: Client, where: str, place: dict[str, Any]
) -> None:
    sent(operator, FROM_DECISION, **usual(operator) | {"where": where})
    terms = Instruction.objects.get().terms
    assert {name: terms[name] for name in ("merchant", "category") if name in terms} == place


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"up_to": ""}, "Give an amount."),
        ({"up_to": "lots"}, "Write the amount in figures"),
        ({"until": ""}, "Say until when it holds."),
        ({"until": "2020-01-01T00:00"}, "This time is past"),
        ({"reason": ""}, "Give a reason: others will ask why."),
        ({"where": "nowhere"}, "Select a valid choice"),
    ],
)
def test_what_is_not_clear_is_asked_again_and_nothing_is_lost(
    operator: Client, fields: dict[str, str], sentence: str
) -> None:
    html = sent(operator, FROM_DECISION, **usual(operator) | fields)
    assert sentence in html
    assert not Instruction.objects.exists()
    if "reason" not in fields:
        assert "Trip to Lyon" in html


def test_what_no_exception_waives_says_why_and_has_no_form(operator: Client) -> None:
    sent(operator, f"{LIST}freeze/", where="card", card="ic_ada", reason="Lost")
    ADA.asks(100, event_id="evt_frozen")
    page = html_of(operator, allow_url(decision="evt_frozen"))
    assert "No exception waives this: Card frozen." in page
    assert 'name="reason"' not in page
    ADA.asks(0, event_id="evt_zero")
    assert Decision.objects.get(pk="evt_zero").reason == "card_frozen"


def test_a_card_that_is_frozen_by_now_is_said_before_anything_is_allowed(operator: Client) -> None:
    said = "Nothing is let through as long as the card is frozen, as it is now."
    assert [said in html_of(operator, url) for url in (FROM_DECISION, BY_HAND)] == [False, False]
    sent(operator, f"{LIST}freeze/", where="cardholder", cardholder="ich_ada", reason="Lost")
    assert [said in html_of(operator, url) for url in (FROM_DECISION, BY_HAND)] == [True, True]


def test_a_record_that_does_not_say_what_failed_has_no_form(
    operator: Client, declined: Decision
) -> None:
    damage(declined, trace=[])
    page = html_of(operator, FROM_DECISION)
    assert "The record of this decision does not say which rules failed." in page
    assert 'name="reason"' not in page


def test_by_hand_from_the_cards_page(operator: Client) -> None:
    assert BY_HAND in card_page(operator)
    fields = {
        "manner": "is",
        "merchant": "Hotel Lepic",
        "waives": ["amount_limit_exceeded", "category_not_allowed"],
        "up_to": "600",
        "until": usual(operator, BY_HAND)["until"],
        "reason": "Known beforehand",
    }
    assert "Allowed once" in sent(operator, BY_HAND, **fields)
    assert Instruction.objects.get().terms == {
        "merchant": {"is": "Hotel Lepic"},
        "up_to": 60_000,
        "currency": "eur",
        "waives": [{"reason": "amount_limit_exceeded"}, {"reason": "category_not_allowed"}],
    }
    assert ADA.reason(54_000) == "amount_limit_exceeded"
    assert ADA.reason(54_000, merchant=HOTEL) == "approved"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"waives": []}, "Choose what to waive"),
        ({"waives": ["card_frozen"]}, "Select a valid choice"),
        ({"merchant": "x", "category": "bakeries"}, "not both"),
        ({"category": "nonsense"}, "Choose one of the list."),
        ({"merchant": "Café", "manner": "network_id"}, "Copy the network id from a purchase"),
        ({"merchant": "Hotel Lepic", "manner": "network_id"}, "choose how the name is matched"),
    ],
)
def test_by_hand_what_is_not_clear_is_asked_again(
    operator: Client, fields: dict[str, Any], sentence: str
) -> None:
    whole = {
        "waives": ["amount_limit_exceeded"],
        "manner": "is",
        "up_to": "600",
        "until": usual(operator, BY_HAND)["until"],
        "reason": "Trip",
    }
    assert sentence in sent(operator, BY_HAND, **whole | fields)
    assert not Instruction.objects.exists()


def test_several_rules_are_waived_in_words(operator: Client) -> None:
    republish(Policy.objects.get(), blocked_categories=[HOTEL.category])
    ADA.asks(54_000, event_id="evt_both", merchant=HOTEL)
    page = html_of(operator, allow_url(decision="evt_both"))
    assert "“Merchant category not allowed” of Team and Monthly limit of €500.00 of Team" in page


def test_auditors_read_and_allow_nothing(operator: Client, auditor: Client) -> None:
    sent(operator, FROM_DECISION, **usual(operator))
    assert "Trip to Lyon" in html_of(auditor, LIST)
    page = card_page(auditor)
    assert "Trip to Lyon" in page
    assert "/lift/" not in page
    assert "allow/?" not in page
    assert "allow/?" not in html_of(auditor, "/admin/authorizations/decision/evt_declined/change/")
    for url in (FROM_DECISION, BY_HAND):
        assert auditor.get(url).status_code == 403
        assert auditor.post(url, {"reason": "No"}).status_code == 403
    assert not Lifting.objects.exists()


@pytest.mark.parametrize("query", [{"decision": "evt_none"}, {"card": "ic_none"}, {}])
def test_there_is_no_page_for_what_is_not_there(operator: Client, query: dict[str, str]) -> None:
    assert operator.get(allow_url(**query)).status_code == 404


def test_the_decision_of_a_declined_purchase_alone_offers_it(operator: Client) -> None:
    ADA.asks(100, event_id="evt_approved")
    assert "allow/?" not in html_of(operator, "/admin/authorizations/decision/evt_approved/change/")
