"""The page of a decision: why it came out so, for whoever has to explain it."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from authorizations.models import Assignment, Card, CardGroup, Decision, PolicyVersion
from authorizations.services.policies.freeze import freeze
from simulator.stripe.sample_merchants import SampleMerchant
from simulator.stripe.samples import MERCHANTS
from tests.admin import pages
from tests.admin.conftest import Login
from tests.support.damage import damage, remove
from tests.support.desk import NOON, Shopper, deliver, in_force

pytestmark = pytest.mark.django_db

MONTHLY = {"amount": 10_000, "interval": "monthly"}


@pytest.fixture
def shown(auditor: Client) -> Any:
    """Opens a decision's page; `.context` has what is shown on it."""

    def show(decision_id: str) -> Any:
        response = auditor.get(pages.change_url(Decision.objects.get(pk=decision_id)))
        assert response.status_code == 200
        return response

    return show


def merchant(name: str) -> SampleMerchant:
    return MERCHANTS[0]._replace(name=name)


def rules(response: Any) -> list[tuple[bool, str, bool]]:
    return [
        (rule.check.passed, rule.margin, rule.decided)
        for group in response.context["groups"]
        for rule in group.rules
    ]


# --- what decided


def test_a_decline_says_in_one_sentence_which_limit_was_exceeded_and_by_how_much(
    shown: Any,
) -> None:
    in_force("Travel", spending_limits=[MONTHLY])
    Shopper().asks(9_000)
    Shopper().asks(1_500, event_id="evt_it", merchant=merchant("Café Zoo"))
    page = shown("evt_it")
    headline = "Declined €15.00 at Café Zoo: monthly limit of €100.00 exceeded by €5.00."
    assert page.context["explained"].headline == headline
    assert page.context["explained"].staff.endswith("Policy Travel (program).")
    told = page.context["explained"].cardholder
    assert told.startswith("This purchase of €15.00 is more than the €10.00 left")
    assert "Travel" not in told
    for words in (headline, told, "€5.00 over", "This rule decided", "Safe to tell the cardholder"):
        assert words in pages.text(page)


def test_rules_are_grouped_by_policy_with_the_deciding_group_and_failed_rules_first(
    shown: Any,
) -> None:
    in_force("Wide", spending_limits=[{"amount": 90_000, "interval": "yearly"}])
    in_force(
        "Tight",
        blocked_merchant_countries=["KP"],
        spending_limits=[{"amount": 99_999, "interval": "daily"}, MONTHLY],
        to={"card": Card.objects.create(pk="ic_1", last4="4242")},
    )
    Shopper(card={"last4": "4242"}).asks(13_820, event_id="evt_it")
    page = shown("evt_it")
    titles = [group.title for group in page.context["groups"]]
    assert titles == ["Tight", "The card", "Wide"]
    assert rules(page)[:4] == [
        (False, "€38.20 over", True),
        (True, "", False),
        (True, "", False),
        (True, "€861.79 left", False),
    ]
    tight, _, wide = page.context["groups"]
    assert "Card •••• 4242" in tight.applies
    assert pages.change_url(PolicyVersion.objects.get(policy__name="Tight")) in tight.version
    assert wide.applies == "Every card"
    assert [group.measured for group in (tight, wide)] == ["what this card spends"] * 2
    assert "The card was not frozen." in pages.text(page)


def test_a_shared_budget_says_whose_usage_was_measured(shown: Any) -> None:
    group = CardGroup.objects.create(name="Sales & Co")
    Card.objects.create(pk="ic_1", group=group)
    in_force("Shared", spending_limits=[MONTHLY], to={"group": group})
    Shopper().asks(500, event_id="evt_it")
    budget = shown("evt_it").context["groups"][1]
    assert "Group Sales &amp; Co" in budget.applies
    assert budget.measured == "what all cards of the group spend together"


def test_a_part_shows_what_was_asked_and_which_limit_set_the_amount(shown: Any) -> None:
    in_force("Fuel", partial_approval=True, spending_limits=[MONTHLY])
    Shopper().asks(
        12_500, event_id="evt_it", is_amount_controllable=True, merchant=merchant("Shell")
    )
    page = shown("evt_it")
    assert page.context["outcome"].words == "Partially approved"
    assert page.context["explained"].headline == (
        "Approved €100.00 of €125.00 at Shell: all that is left of the monthly limit of €100.00."
    )
    assert "This rule set the amount" in pages.text(page)
    assert page.context["explained"].cardholder == (
        "€100.00 of this purchase of €125.00 was approved. Please pay the rest another way."
    )


def test_an_approval_shows_what_is_left(shown: Any) -> None:
    in_force("Travel", spending_limits=[MONTHLY, {"count": 3, "interval": "daily"}])
    Shopper().asks(6_180, event_id="evt_it")
    page = shown("evt_it")
    margins = [margin for _, margin, _ in rules(page) if margin]
    assert margins == ["€38.20 left", "2 left"]
    assert "all 3 policy rules passed" in pages.text(page)
    assert "Nothing to explain" in pages.text(page)


def test_without_a_policy_the_card_s_own_rules_say_so(shown: Any) -> None:
    Shopper().asks(500, event_id="evt_it")
    page = shown("evt_it")
    assert "no policy grants it." in page.context["explained"].headline
    assert rules(page)[0] == (False, "", True)
    assert "Assign one to the card" in pages.text(page)


def test_a_frozen_card_is_the_reason_whatever_else_failed(shown: Any, staff: Any) -> None:
    in_force("Travel", spending_limits=[{"amount": 100, "interval": "daily"}])
    Shopper().asks(50)
    freeze(["ic_1"], by=staff("Operations"), reason="Lost")
    Shopper().asks(500, event_id="evt_it")
    page = shown("evt_it")
    frozen, travel = page.context["groups"]
    assert (frozen.title, frozen.decided, travel.failed) == ("The card", True, 1)
    assert "The card was not frozen." not in pages.text(page)


# --- decisions that no rule made


def test_an_unreadable_request_says_what_was_wrong_and_shows_it(shown: Any) -> None:
    event = Shopper().event(Shopper().purchase(100), "evt_it")
    del event["data"]["object"]["pending_request"]
    deliver(event)
    page = shown("evt_it")
    assert page.context["explained"].headline == "Declined: request unreadable."
    for words in ("data.object", "No rules were applied", "could not be read", "pending_webhooks"):
        assert words in pages.text(page)


def test_test_and_live_mixed_up_and_contradictions_are_explained(shown: Any, settings: Any) -> None:
    in_force("Travel", spending_limits=[MONTHLY])
    shopper = Shopper()
    purchase = shopper.purchase(500)
    shopper.asks(purchase)
    other = shopper.purchase(500, authorization_id=purchase.authorization_id, currency="usd")
    shopper.asks(other, event_id="evt_conflict")
    settings.STRIPE_LIVEMODE = True
    shopper.asks(500, event_id="evt_mode")
    for decision_id, words in (
        ("evt_conflict", "contradicts the record"),
        ("evt_mode", "test and live mixed up"),
    ):
        page = shown(decision_id)
        assert words in page.context["explained"].headline
        assert page.context["groups"] == []
        assert "No rules were applied" in pages.text(page)


# --- what was asked, and what stands around it


def test_facts_are_in_plain_words_and_what_was_not_told_is_left_out(shown: Any) -> None:
    in_force()
    Shopper().asks(4_000, event_id="evt_it", method="keyed_in", cvc="mismatch", risk_score=7)
    facts = dict(shown("evt_it").context["facts"])
    assert facts["Amount requested"] == "€40.00"
    assert facts["Method"] == "Keyed in"
    assert facts["CVC"] == "Mismatch"
    assert facts["Network risk score"] == "7"
    assert re.fullmatch(r".+ \([0-9]{4}\)", facts["Category"])
    assert not {"Wallet", "Of this, cash", "Approved before"} & facts.keys()


def test_token_fraud_challenge_and_the_cards_date_are_among_the_facts(shown: Any) -> None:
    in_force("Careful", max_network_risk_score=80)
    event = Shopper().event(Shopper().purchase(4_000, risk_score=92), "evt_it")
    event["data"]["object"] |= {"token": "intok_1", "verified_by_fraud_challenge": True}
    event["data"]["object"]["card"]["created"] = 1_700_000_000
    deliver(event)
    page = shown("evt_it")
    facts = dict(page.context["facts"])
    told = {name: facts[name] for name in ("Network token", "Fraud challenge", "Card created")}
    assert told == {
        "Network token": "intok_1",
        "Fraud challenge": "Confirmed",
        "Card created": "14 Nov 2023",
    }
    assert "but the cardholder confirmed the purchase in a fraud challenge." in pages.text(page)
    Shopper().asks(4_000, event_id="evt_plain")
    plain = dict(shown("evt_plain").context["facts"])
    assert not {"Network token", "Fraud challenge"} & plain.keys()


def test_earlier_and_later_decisions_of_the_card_are_linked(shown: Any) -> None:
    in_force()
    for place in range(13):
        Shopper().asks(100 + place, event_id=f"evt_{place:02}")
    Shopper(card_id="ic_other", cardholder_id="ich_other").asks(1, event_id="evt_other")
    page = shown("evt_06")
    near = page.context["of_card"]
    assert [line.amount for line in near] == [f"€1.{place:02}" for place in range(11, 0, -1)]
    assert [line.is_this for line in near].index(True) == 5
    for linked in ("evt_07", "evt_05"):
        assert pages.change_url(Decision.objects.get(pk=linked)) in page.content.decode()
    assert page.context["of_authorization"] == []


def test_all_decisions_of_an_authorization_are_shown_together(shown: Any) -> None:
    in_force()
    shopper = Shopper()
    purchase = shopper.purchase(2_000)
    shopper.asks(purchase, event_id="evt_first")
    shopper.asks(100)
    shopper.asks(purchase.increment(500, approved=2_000, at=NOON + 5), event_id="evt_more")
    lines = shown("evt_more").context["of_authorization"]
    assert [(line.amount, line.is_this) for line in lines] == [("€5.00", True), ("€20.00", False)]
    assert dict(shown("evt_more").context["facts"])["Approved before"] == "€20.00"


def test_a_repeated_event_is_listed_with_whether_it_got_the_same_answer(shown: Any) -> None:
    in_force()
    purchase = Shopper().purchase(500)
    Shopper().asks(purchase, event_id="evt_it")
    Shopper().asks(purchase, event_id="evt_it")
    Shopper().asks(700, event_id="evt_it")
    answers = [repeat.answer for repeat in shown("evt_it").context["repeats"]]
    assert answers == ["Same answer", "Different answer to different content"]


def test_request_and_answer_are_shown_as_they_travelled(shown: Any) -> None:
    in_force()
    Shopper().asks(500, event_id="evt_it")
    page = shown("evt_it")
    request = page.context["delivery"].body
    assert request.raw.encode() == bytes(Decision.objects.get().webhook_request.body)
    assert json.loads(request.formatted) == json.loads(request.raw)
    assert request.formatted.count("\n") > 100
    for words in ('"pending_webhooks": 1', "Stripe-Signature: t=", '"approved":true'):
        assert words in pages.text(page)
    for words in ('"approved": true', "matches the body", "(in use)", "2022-08-01"):
        assert words in pages.text(page)
    steps = [step.name for step in page.context["delivery"].timeline.steps]
    assert steps == ["Signature checked", "Card locked, amounts used looked up", "Decided"]


def test_a_body_that_was_changed_and_a_key_no_longer_in_use_are_told(
    shown: Any, settings: Any
) -> None:
    in_force()
    Shopper().asks(500, event_id="evt_it")
    damage(Decision.objects.get().webhook_request, body=b"{}")
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_another"]
    assert "does not match the body" in pages.text(shown("evt_it"))
    assert "no longer in use" in pages.text(shown("evt_it"))


def test_markup_in_names_is_text(shown: Any) -> None:
    in_force('<i>"Travel"</i>')
    name = "<script>alert(1)</script>"
    Shopper(name="<b>Ada</b>").asks(500, event_id="evt_it", merchant=merchant(name))
    page = shown("evt_it").content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    for markup in (name, "<b>Ada</b>", '<i>"Travel"</i>'):
        assert markup not in page


# --- rows that can't be read any more


@pytest.mark.parametrize(
    "columns",
    [
        {"trace": "?"},
        {"trace_version": 2},
        {"trace": [{}]},
        {"trace": [{"rule": "weather_too_bad", "passed": False}]},
        {"trace": [{"rule": "not_yet_usable", "passed": False, "found": "soon"}]},
        {"trace": [{"rule": "amount_limit_exceeded", "passed": False, "figures": {"limit": 1}}]},
        {"policies": "?"},
        {"policies": [{"version": 1}]},
        {"policies": [{"version": 1, "scope": "planet:1", "measured": "card:1"}]},
        {"reason": "weather_too_bad"},
    ],
)
def test_a_trace_that_cannot_be_read_is_said_and_the_rest_is_shown(
    shown: Any, columns: dict[str, Any]
) -> None:
    in_force("Travel", spending_limits=[{"amount": 100, "interval": "daily"}])
    Shopper().asks(1_500, event_id="evt_it")
    damage(Decision.objects.get(), **columns)
    page = shown("evt_it")
    assert "can't be read" in pages.text(page)
    assert page.context["explained"].headline.startswith("Declined €15.00 at ")
    assert page.context["explained"].cardholder
    assert "pending_webhooks" in pages.text(page)


def test_of_an_approval_that_cannot_be_read_nothing_is_made_up(shown: Any) -> None:
    in_force()
    Shopper().asks(500, event_id="evt_it", merchant=merchant("Café Zoo"))
    damage(Decision.objects.get(), trace="?")
    told = shown("evt_it").context["explained"]
    assert told.headline == told.staff == "Approved €5.00 at Café Zoo."
    assert told.cardholder == "Nothing to explain: the purchase was approved."


@pytest.mark.parametrize(
    "request_column", [{"event_id": "evt_it"}, {"card": None}, ["?"], "?", {"amount": "much"}]
)
def test_a_request_that_cannot_be_read_leaves_out_the_facts(
    shown: Any, request_column: Any
) -> None:
    in_force("Travel", spending_limits=[{"amount": 100, "interval": "daily"}])
    Shopper().asks(1_500, event_id="evt_it")
    damage(Decision.objects.get(), request=request_column)
    page = shown("evt_it")
    assert page.context["facts"] == []
    assert "daily limit of €1.00 exceeded by €14.00" in page.context["explained"].headline


@pytest.mark.parametrize("timings", [{}, {"decided": "late"}, [], "?", {"decided": 0}])
def test_times_that_cannot_be_read_are_left_out(shown: Any, timings: Any) -> None:
    in_force()
    Shopper().asks(500, event_id="evt_it")
    damage(Decision.objects.get().webhook_request, timings=timings, headers=["?"])
    assert shown("evt_it").context["delivery"].timeline is None


def test_a_missing_request_and_a_missing_version_are_said(shown: Any) -> None:
    in_force("Travel", spending_limits=[MONTHLY])
    Shopper().asks(500, event_id="evt_it")
    remove(Decision.objects.get().webhook_request)
    Assignment.objects.all().delete()
    damage(
        Decision.objects.get(),
        policies=[{"version": 7**9, "scope": "program:", "measured": "card:ic_1", "number": 1}],
    )
    page = shown("evt_it")
    assert "It is missing from the record." in pages.text(page)
    assert "is missing" in page.context["groups"][1].title


# --- who may look, and what it costs


@pytest.mark.parametrize(
    ("role", "status"), [("Operations", 200), ("Auditors", 200), ("superuser", 200), ("", 403)]
)
def test_operators_and_auditors_may_look(login: Login, role: str, status: int) -> None:
    Shopper().asks(500, event_id="evt_it")
    url = pages.change_url(Decision.objects.get())
    assert login(role).get(url).status_code == status
    assert Client().get(url).status_code == 302


def test_a_page_costs_the_same_few_queries_however_much_there_is(
    auditor: Client, django_assert_max_num_queries: Any
) -> None:
    group = CardGroup.objects.create(name="Team")
    Card.objects.create(pk="ic_1", group=group)
    for number in range(8):
        scope = {"group": group} if number % 2 else {"card_id": "ic_1"}
        in_force(
            f"P{number}", spending_limits=[MONTHLY, {"count": 9, "interval": "daily"}], to=scope
        )
    for number in range(20):
        Shopper().asks(100, event_id=f"evt_{number}")
    url = pages.change_url(Decision.objects.get(pk="evt_9"))
    with django_assert_max_num_queries(22):
        assert auditor.get(url).status_code == 200


def test_an_increment_at_another_merchant_shows_where_the_purchase_began(shown: Any) -> None:
    in_force(blocked_categories=["betting_casino_gambling"])
    bakery = next(shop for shop in MERCHANTS if shop.name == "Boulangerie Lepic")
    casino = next(shop for shop in MERCHANTS if shop.category == "betting_casino_gambling")
    purchase = Shopper().purchase(0, merchant=bakery)
    Shopper().asks(purchase)
    increment = replace(purchase.increment(5_000, approved=0, at=NOON + 60), merchant=casino)
    Shopper().asks(increment, event_id="evt_it")
    page = shown("evt_it")
    sentence = f"Declined €50.00 at {casino.name}, a purchase begun at Boulangerie Lepic."
    assert page.context["explained"].staff.startswith(sentence)
    text = pages.text(page)
    assert f"Merchant {casino.name}" in text
    assert "Purchase began at Boulangerie Lepic, Bakeries (5462), France, 498750001042" in text
