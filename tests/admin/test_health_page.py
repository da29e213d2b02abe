"""Health: what is wrong first, for whoever may look at stand-in."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from authorizations.services.webhook import health
from authorizations.services.webhook.health import HealthCheck, HealthState
from tests.support.desk import Shopper, in_force

pytestmark = pytest.mark.django_db


def test_what_is_wrong_comes_first_with_what_to_do(
    auditor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = [
        HealthCheck("Mode", HealthState.OK, "Live events are approved."),
        HealthCheck("Clock", HealthState.WARN, "Synchronize it."),
        HealthCheck("Spool", HealthState.BAD, "Give <it> away: `chown <it>`."),
    ]
    monkeypatch.setattr(health, "examine", lambda: checks)
    html = auditor.get(reverse("admin:authorizations_standinswitch_health")).content.decode()
    shown = re.findall(r"desk-badge--(\w+)\">(\w+)</span></span>\s*<h2>([^<]+)</h2>", html)
    assert shown == [
        ("declined", "Wrong", "Spool"),
        ("partial", "Look", "Clock"),
        ("approved", "Fine", "Mode"),
    ]
    assert "Give &lt;it&gt; away: <code>chown &lt;it&gt;</code>." in html
    assert "1 thing is wrong, and 1 needs a look." in html


@pytest.mark.parametrize(
    ("states", "summary"),
    [
        ((HealthState.OK,), "Nothing is wrong."),
        ((HealthState.WARN, HealthState.WARN), "Nothing is wrong, and 2 need a look."),
        ((HealthState.BAD, HealthState.BAD), "2 things are wrong."),
    ],
)
def test_the_summary_counts(
    auditor: Client, monkeypatch: pytest.MonkeyPatch, states: tuple[HealthState, ...], summary: str
) -> None:
    monkeypatch.setattr(
        health, "examine", lambda: [HealthCheck("One", state, "So.") for state in states]
    )
    assert (
        f"<p>{summary}</p>"
        in auditor.get(reverse("admin:authorizations_standinswitch_health")).content.decode()
    )


def test_it_opens_under_the_rights_of_the_instance_for_people(
    auditor: Client, settings: Any
) -> None:
    in_force()
    Shopper().asks(1_000)
    html = auditor.get(reverse("admin:authorizations_standinswitch_health")).content.decode()
    assert "has the rights of the admin role." in html
    assert "This check failed" not in html
    for secret in (*settings.STRIPE_WEBHOOK_SECRETS, settings.SECRET_KEY):
        assert secret not in html


def test_the_sidebar_leads_there_and_marks_it(auditor: Client) -> None:
    url = reverse("admin:authorizations_standinswitch_health")
    html = auditor.get(url).content.decode()
    [link] = re.findall(rf'<a[^>]*href="{url}"[^>]*>', html)
    assert "active" in link
