"""The demo: what a newcomer finds, and who may not have it."""

import json
from datetime import timedelta
from io import StringIO
from time import time

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.http import HttpRequest
from django.utils import timezone
from pytest_django import Settings

from authorizations.models import (
    Authorization,
    Card,
    Decision,
    Policy,
    PolicyVersion,
    WebhookRequest,
)
from authorizations.rules.document import controls, warnings
from authorizations.rules.horizons import USUAL_DAYS
from authorizations.services import redecide
from authorizations.simulator.exact import Wish, order
from tests.desk import Shopper
from tests.verified import differences

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("roles")]


@pytest.fixture(autouse=True)
def _development(settings: Settings) -> None:
    settings.DEBUG = True


def load_demo() -> str:
    out = StringIO()
    call_command("load_demo", stdout=out)
    return out.getvalue()


def test_a_newcomer_finds_policies_cards_and_decisions_of_the_last_days() -> None:
    assert "7 policies" in load_demo()
    assert Policy.objects.filter(current_version=None).count() == 0
    assert set(Decision.objects.values_list("approved", flat=True)) == {True, False}
    newest = Decision.objects.latest("event_created").event_created
    assert newest.date() < timezone.now().date()


def test_the_demo_s_policies_are_none_that_the_desk_would_warn_about() -> None:
    load_demo()
    contents = PolicyVersion.objects.values_list("content", flat=True)
    warned = [warnings(controls(json.loads(content))) for content in contents]
    assert len(warned) == 7
    assert not any(warned)


def test_the_first_purchase_of_the_tour_is_approved_twice_and_then_meets_the_daily_limit() -> None:
    load_demo()
    wanted = order(Wish())
    answers = [
        Shopper(
            card_id=wanted.member.card_id, cardholder_id=wanted.member.cardholder_id, at=int(time())
        ).reason(wanted.amount, merchant=wanted.merchant)
        for _ in range(3)
    ]
    assert answers == ["approved", "approved", "amount_limit_exceeded"]


def test_a_frozen_card_says_why_and_a_replaced_one_keeps_its_group() -> None:
    load_demo()
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
    load_demo()
    user = authenticate(HttpRequest(), username=name, password="demo")
    assert isinstance(user, User)
    assert user.is_staff
    assert user.has_perm("authorizations.change_policy") is may_edit
    assert user.has_perm("authorizations.view_decision") is may_view


def test_the_demo_s_own_record_stands_every_check() -> None:
    load_demo()
    assert not any(redecide.redecide_all())
    assert differences() == []
    assert WebhookRequest.objects.exclude(sender="load_demo").count() == 0


def test_one_hold_is_past_its_time_so_that_there_is_an_alarm_to_look_at() -> None:
    load_demo()
    oldest = timezone.now() - timedelta(days=USUAL_DAYS)
    held = Authorization.objects.filter(is_held=True, created__lt=oldest, category_code="5462")
    assert held.exists()


@pytest.mark.django_db(transaction=True)
def test_the_terminal_is_left_to_what_a_newcomer_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    load_demo()
    assert not [record for record in caplog.records if "Decision" in record.getMessage()]
    Shopper().asks(100, "evt_afterwards")
    assert "Decision evt_afterwards" in caplog.text


def test_a_second_time_nothing_is_loaded() -> None:
    load_demo()
    before = Decision.objects.count()
    assert "no demo data needed" in load_demo()
    assert Decision.objects.count() == before


def test_a_database_with_a_policy_of_somebody_s_own_is_left_alone() -> None:
    Policy.objects.create(name="Mine")
    load_demo()
    assert not User.objects.exists()


def test_outside_development_it_refuses_and_says_what_to_do(settings: Settings) -> None:
    settings.DEBUG = False
    with pytest.raises(CommandError, match="DEBUG=true"):
        load_demo()
    assert not User.objects.exists()


def test_when_something_fails_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("authorizations.services.demo._finish_cards", fail)
    with pytest.raises(RuntimeError):
        load_demo()
    assert not User.objects.exists()
    assert not Policy.objects.exists()
    assert not Decision.objects.exists()


def test_plans_are_made_for_the_tables_as_they_are_now() -> None:
    load_demo()
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE relname = 'authorizations_decision'")
        [rows] = cursor.fetchone()
    assert rows == Decision.objects.count()
