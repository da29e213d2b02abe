"""The demo as a newcomer finds it."""

import json
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from time import time

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.http import HttpRequest
from django.test import override_settings
from django.utils import timezone

from authorizations.models import (
    Assignment,
    Authorization,
    Card,
    Decision,
    Policy,
    PolicyVersion,
    WebhookRequest,
)
from authorizations.rules.policy.document import controls, warnings
from authorizations.rules.purchases.horizons import USUAL_DAYS
from simulator.exact import Wish, order
from simulator.stripe.samples import MERCHANTS
from tests.support.desk import Shopper
from tests.support.verification import assert_clean

pytestmark = pytest.mark.django_db


def load() -> str:
    out = StringIO()
    with override_settings(DEBUG=True):
        call_command("load_demo", stdout=out)
    return out.getvalue()


@pytest.fixture(scope="module", autouse=True)
def told(one_transaction: None) -> str:
    """What the command says as it loads everything, once for all of these tests."""
    return load()


def test_a_newcomer_finds_policies_cards_and_decisions_of_the_last_days(told: str) -> None:
    assert "7 policies" in told
    assert Policy.objects.filter(current_version=None).count() == 0
    assert set(Decision.objects.values_list("approved", flat=True)) == {True, False}
    newest = Decision.objects.latest("event_created").event_created
    assert timezone.now() - timedelta(minutes=10) < newest < timezone.now()


def test_the_demo_s_policies_are_none_that_the_desk_would_warn_about() -> None:
    contents = PolicyVersion.objects.values_list("content", flat=True)
    warned = [warnings(controls(json.loads(content))) for content in contents]
    assert len(warned) == 7
    assert not any(warned)


def test_the_first_purchase_of_the_tour_is_approved_a_hundred_times_a_day() -> None:
    """And so every day: it leaves room in every limit that lasts longer."""
    wanted = order(Wish())
    shopper = Shopper(card_id=wanted.member.card_id, cardholder_id=wanted.member.cardholder_id)
    answers = [
        replace(shopper, at=int(time())).reason(wanted.amount, merchant=wanted.merchant)
        for _ in range(100)
    ]
    assert answers == ["approved"] * 100
    days = {"daily": 1, "weekly": 7, "monthly": 31, "quarterly": 92}
    for name in ("Baseline", "Everyday", "Camille Laurent"):
        content = json.loads(PolicyVersion.objects.get(policy__name=name).content)
        for limit in controls(content).spending_limits:
            if limit.currency == "eur" and limit.interval in days and not limit.filter.text:
                assert limit.limit_value >= 100 * wanted.amount * days[limit.interval]


@pytest.mark.parametrize("currency", ["usd", "eur", "gbp"])
def test_what_stripe_s_cli_triggers_is_approved(currency: str) -> None:
    """Its fixtures make a cardholder and a card of their own, and ask for 1.00 online:
    issuing_authorization.request, .request.eu and .request.gb.
    """
    stranger = Shopper(card_id=f"ic_triggered_{currency}", card={"currency": currency})
    unverified = {"cvc": "not_provided", "postal_code": "not_provided", "three_d_secure": ""}
    told = {"currency": currency, "method": "online"} | unverified
    assert replace(stranger, at=int(time())).reason(100, **told) == "approved"


def test_renewals_of_subscriptions_are_approved() -> None:
    """They bring no CVC and no 3-D Secure. On a card that used none of the policy's limits: how
    much of her month Grace has used depends on the day.
    """
    [shop] = [shop for shop in MERCHANTS if shop.name == "Tasklark"]
    renewal = {"cvc": "not_provided", "postal_code": "not_provided", "three_d_secure": ""}
    shopper = Shopper(card_id="ic_renewed", card={"currency": "usd"}, at=int(time()))
    told = {"currency": "usd", "method": "online", "merchant": shop} | renewal
    assert shopper.reason(1, **told) == "approved"
    subscriptions = Policy.objects.get(name="Subscriptions")
    Assignment.objects.create(policy=subscriptions, card_id="ic_renewed")
    assert shopper.reason(1_200, **told) == "approved"
    renewed = Decision.objects.get(
        authorization__card="ic_renewed", authorization__counted_amount=1_200
    )
    assert subscriptions.name in str(renewed.trace)


def test_a_frozen_card_says_why_and_a_replaced_one_keeps_its_group() -> None:
    assert Card.objects.get(pk="ic_demo_noah").frozen_reason
    replacement = Card.objects.get(pk="ic_demo_sofia_2")
    assert replacement.root_id == "ic_demo_sofia"
    assert Card.objects.get(pk="ic_demo_sofia").group is not None


@pytest.mark.parametrize(
    ("name", "may_edit", "may_view"),
    [("operator", True, True), ("auditor", False, True), ("admin", True, True)],
)
def test_the_log_ins_have_the_rights_of_their_roles(
    name: str, may_edit: bool, may_view: bool
) -> None:
    user = authenticate(HttpRequest(), username=name, password="demo")
    assert isinstance(user, User)
    assert user.is_staff
    assert user.has_perm("authorizations.change_policy") is may_edit
    assert user.has_perm("authorizations.view_decision") is may_view


def test_the_demo_s_own_record_stands_every_check() -> None:
    assert_clean()
    assert WebhookRequest.objects.exclude(sender="load_demo").count() == 0


def test_one_hold_is_past_its_time_so_that_there_is_an_alarm_to_look_at() -> None:
    oldest = timezone.now() - timedelta(days=USUAL_DAYS)
    held = Authorization.objects.filter(is_held=True, created__lt=oldest, category_code="5462")
    assert held.exists()


def test_a_second_time_nothing_is_loaded() -> None:
    before = Decision.objects.count()
    assert "no demo data needed" in load()
    assert Decision.objects.count() == before


def test_plans_are_made_for_the_tables_as_they_are_now() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE relname = 'authorizations_decision'")
        [rows] = cursor.fetchone()
    assert rows == Decision.objects.count()
