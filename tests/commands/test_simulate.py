"""The simulator against a running server, over real HTTP."""

import re
from functools import partial
from time import monotonic
from typing import Any

import pytest
from django.core.management import CommandError
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from authorizations.models import Authorization, Card, Decision, LedgerEntry, WebhookRequest
from authorizations.wire.events import AUTHORIZATION_REQUEST
from authorizations.wire.signature import sign
from simulator import door
from tests.commands.conftest import Simulate
from tests.support.desk import NOON, in_force
from tests.support.stripe_api import StripeApi
from tests.support.verification import assert_clean, contradictions, differences


def asked() -> int:
    """How often the desk was asked."""
    return WebhookRequest.objects.filter(event_type=AUTHORIZATION_REQUEST).count()


def test_without_options_one_purchase_is_asked_and_answered_in_words(simulate: Simulate) -> None:
    in_force(spending_limits=[{"amount": 5_000, "interval": "daily"}])
    printed = simulate()
    assert "Camille Laurent's card •••• 4242 (ic_demo_camille) asks to pay €1.20" in printed
    assert "at Boulangerie Lepic" in printed
    assert "Approved: €1.20" in printed
    assert Decision.objects.get().approved


def test_stripe_tells_afterwards_what_became_of_each(simulate: Simulate) -> None:
    """Else the desk would miss its second endpoint."""
    in_force(spending_limits=[{"amount": 20_000, "interval": "daily"}])
    simulate()
    simulate(count=40, seed="told")
    told = WebhookRequest.objects.exclude(event_type=AUTHORIZATION_REQUEST)
    assert set(told.values_list("event_type", flat=True)) == {
        "issuing_authorization.created",
        "issuing_authorization.updated",
    }
    authorizations = Decision.objects.values_list("authorization_id", flat=True)
    assert {*told.values_list("about", flat=True)} == {*authorizations}
    assert told.exclude(answer_status=200).count() == 0
    assert contradictions() == []
    assert differences() == []


def test_a_decline_says_why_and_where_to_read_on(simulate: Simulate) -> None:
    in_force(spending_limits=[{"amount": 100, "interval": "daily"}])
    printed = simulate()
    assert "Declined: Amount limit exceeded" in printed
    assert f"/admin/authorizations/decision/{Decision.objects.get().pk}/change/" in printed


def test_exactly_the_purchase_that_is_described_is_sent(simulate: Simulate) -> None:
    in_force(currency="usd")
    simulate(
        card="ic_mine",
        amount="1,250.00",
        currency="usd",
        merchant="Sam's [Bar]",
        category="5813",
        country="US",
    )
    row = Decision.objects.get()
    assert (row.card_id, row.amount, row.currency) == ("ic_mine", 125_000, "usd")
    assert (row.merchant_name, row.category_code, row.merchant_country) == (
        "Sam's [Bar]",
        "5813",
        "US",
    )
    assert row.category == "drinking_places"


@pytest.mark.parametrize(
    ("options", "card", "merchant", "amount"),
    [
        ({"card": "8080"}, "ic_demo_aiko", "Boulangerie Lepic", 197),
        ({"merchant": "casino"}, "ic_demo_camille", "Casino du Lac", 15_000),
        ({"country": "jp"}, "ic_demo_camille", "Kombini Sakura", 903),
        ({"category": "airlines_air_carriers"}, "ic_demo_camille", "Aurelia Airlines", 28_940),
    ],
)
def test_what_is_left_open_is_filled_in_sensibly(
    simulate: Simulate, options: dict[str, str], card: str, merchant: str, amount: int
) -> None:
    simulate(**options)
    row = Decision.objects.get()
    assert (row.card_id, row.merchant_name, row.amount) == (card, merchant, amount)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"amount": "45,00"}, "--amount: Write thousands with a comma"),
        ({"amount": "45.00", "currency": "jpy"}, "--amount: .* no decimals"),
        ({"currency": "euro"}, "--currency: There is no currency"),
        ({"category": "casinos"}, "--category: There is no category"),
        ({"category": "3000-3299"}, "--category: A shop has one category"),
        ({"country": "UK"}, '--country: .*Did you mean "GB"'),
        ({"count": 0}, "--count and --rate must be above 0"),
        ({"rate": -1}, "--count and --rate must be above 0"),
        ({"url": "localhost:4242"}, "is not an address"),
    ],
)
def test_an_unclear_wish_is_refused_with_a_sentence_before_anything_is_sent(
    silent_port: int, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(CommandError, match=sentence):
        Simulate(f"http://127.0.0.1:{silent_port}/webhook")(**options)


def test_a_server_that_is_not_there_is_named_with_what_to_do(silent_port: int) -> None:
    with pytest.raises(CommandError, match=r"No server answers.*make run"):
        Simulate(f"http://127.0.0.1:{silent_port}/webhook")()


def test_another_secret_than_the_server_s_is_told_as_such(
    simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    another = partial(sign, secret="whsec_another")
    monkeypatch.setattr(door, "sign", lambda body, _, at: another(body, timestamp=at))
    with pytest.raises(CommandError, match="Give both the same STRIPE_WEBHOOK_SECRET"):
        simulate()


def test_what_else_the_door_refuses_is_passed_on_in_its_words(
    simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "sign", lambda body, secret, at: sign(body, secret, at - 1000))
    with pytest.raises(CommandError, match=r"refused the event \(400\).*clock"):
        simulate()


def test_without_a_secret_nothing_is_sent(silent_port: int, settings: Settings) -> None:
    settings.STRIPE_WEBHOOK_SECRETS = []
    with pytest.raises(CommandError, match="STRIPE_WEBHOOK_SECRET is not set"):
        Simulate(f"http://127.0.0.1:{silent_port}/webhook")()


def test_an_address_that_is_no_webhook_is_told(live_server: LiveServer) -> None:
    with pytest.raises(CommandError, match=r"refused the event \(404\).*sent to /webhook"):
        Simulate(f"{live_server.url}/elsewhere")()


def test_a_program_that_is_not_this_one_is_told(stripe: StripeApi) -> None:
    with pytest.raises(CommandError, match=r"answered 501, and not as a webhook.*--url"):
        Simulate(f"{stripe.base}/webhook")()


def test_many_purchases_end_in_a_table_whose_figures_are_those_of_the_record(
    simulate: Simulate,
) -> None:
    in_force(spending_limits=[{"amount": 20_000, "interval": "daily"}])
    printed = simulate(count=60, seed="many")
    rows = dict(re.findall(r"│ (.+?) +│ +(\d+) │", printed))
    approved = int(rows.get("Approved", 0)) + int(rows.get("Approved in part", 0))
    assert approved == Decision.objects.filter(approved=True).count()
    assert int(rows["Declined: Amount limit exceeded"]) == (
        Decision.objects.filter(reason="amount_limit_exceeded").count()
    )
    assert "99 % within" in printed
    assert asked() == 60


def test_a_long_run_has_increments_partial_amounts_repeats_and_several_of_everything(
    simulate: Simulate,
) -> None:
    limits = [{"amount": 30_000, "interval": "daily", "currency": c} for c in ("eur", "usd", "jpy")]
    in_force(partial_approval=True, spending_limits=limits)
    printed = simulate(count=160, seed="variety")
    assert LedgerEntry.objects.filter(cause="increment").exists()
    assert Decision.objects.filter(is_partial=True).exists()
    assert asked() > Decision.objects.count()
    assert re.search(r"\d+ new purchases, .*\d+ increments", printed)
    assert "Answered differently" not in printed
    assert Card.objects.count() > 10
    assert Decision.objects.values("merchant_country").distinct().count() > 5
    assert Decision.objects.filter(reason="conflicting_event").count() == 0


def test_an_increment_tells_what_the_server_answered_before(simulate: Simulate) -> None:
    in_force()
    simulate(count=80, seed="history")
    increments = LedgerEntry.objects.filter(cause="increment")
    for grown in Authorization.objects.filter(pk__in=increments.values("authorization")):
        approved = Decision.objects.filter(authorization=grown, approved=True)
        assert grown.counted_amount == sum(approved.values_list("approved_amount", flat=True))
    assert_clean()


def test_the_same_seed_sends_the_same_events_and_gets_the_recorded_answers(
    simulate: Simulate,
) -> None:
    in_force()
    simulate(count=30, seed="again", begin=NOON)
    once = set(Decision.objects.values_list("pk", "card_id", "amount"))
    counted = set(Authorization.objects.values_list("pk", "counted_amount"))
    simulate(count=30, seed="again", begin=NOON)
    assert set(Decision.objects.values_list("pk", "card_id", "amount")) == once
    assert asked() == 60
    assert set(Authorization.objects.values_list("pk", "counted_amount")) == counted


def test_two_seeds_send_different_events(simulate: Simulate) -> None:
    simulate(count=5)
    simulate(count=5)
    assert Decision.objects.count() > 5  # some of ten are repeated deliveries


def test_a_described_purchase_can_be_sent_many_times(simulate: Simulate) -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    simulate(count=12, amount="10.00", card="ic_mine")
    assert Decision.objects.filter(approved=True).count() == 10
    assert Decision.objects.filter(reason="amount_limit_exceeded").count() == 2


def test_the_rate_is_kept(simulate: Simulate) -> None:
    started = monotonic()
    simulate(count=6, rate=10.0)
    assert monotonic() - started >= 0.5
