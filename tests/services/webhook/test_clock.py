"""A host's clock that lags: purchases pass, and somebody is told."""

import logging
import time
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from authorizations.models import WebhookRequest
from authorizations.services.runtime.seldom import Seldom
from authorizations.services.webhook import clock
from authorizations.wire.signature import sign
from simulator.stripe import samples
from tests.support.desk import Shopper, in_force
from tests.support.metrics import counted

pytestmark = pytest.mark.django_db

AHEAD = "desk_signatures_dated_ahead_total"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line was written lately."""
    monkeypatch.setattr(clock, "_seldom", Seldom(logging.getLogger(clock.__name__)))


def asked(ahead_s: int, secret: str) -> Any:
    """A purchase whose signature is dated so far ahead of this machine's clock."""
    in_force()
    shopper = Shopper()
    body = samples.to_bytes(shopper.event(shopper.purchase(100)))
    header = {"Stripe-Signature": sign(body, secret, int(time.time()) + ahead_s)}
    return Client().post("/webhook", body, content_type="application/json", headers=header)


@pytest.mark.parametrize(("ahead_s", "is_told"), [(0, False), (50, False), (75, True), (290, True)])
def test_from_a_minute_on_a_signature_of_the_future_is_accepted_counted_and_told(
    settings: Settings,
    client: Client,
    caplog: pytest.LogCaptureFixture,
    ahead_s: int,
    is_told: bool,
) -> None:
    before = counted(client, AHEAD)
    for _ in range(2):
        assert asked(ahead_s, settings.STRIPE_WEBHOOK_SECRETS[0]).json()["approved"] is True
    told = [line for line in caplog.messages if "clock is behind" in line]
    assert len(told) == is_told
    assert counted(client, AHEAD) - before == 2 * is_told
    behind_s = clock.seconds_behind(timezone.now())
    assert (behind_s >= ahead_s - 2) if is_told else behind_s == 0
    call_command("verify_record", processes=1)


def test_who_has_not_the_secret_can_date_ahead_what_they_like(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    before = counted(client, AHEAD)
    assert asked(120, "whsec_of_somebody_else").json()["error"]["code"] == "mismatch"
    assert counted(client, AHEAD) == before
    assert not [line for line in caplog.messages if "clock is behind" in line]


def test_a_clock_that_was_set_right_an_hour_ago_is_no_longer_told_of(settings: Settings) -> None:
    asked(120, settings.STRIPE_WEBHOOK_SECRETS[0])
    [row] = WebhookRequest.objects.all()
    assert clock.seconds_behind(row.received_at + timedelta(minutes=59)) >= 118
    assert clock.seconds_behind(row.received_at + timedelta(minutes=61)) == 0
