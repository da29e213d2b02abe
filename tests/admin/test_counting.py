"""A limit that is new where much was bought: said before it is saved, and how far it is after."""

import json
from io import StringIO
from pathlib import Path
from time import time
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from authorizations.models import Card, CardGroup, Policy, PolicyVersion, UncountedWindow
from authorizations.services import counting, counting_ahead, groups, window_sums
from authorizations.services.counting import Pace
from authorizations.services.publish import publish
from tests.admin import pages
from tests.admin.pages import added, as_shown, errors, messages
from tests.desk import Shopper, in_force

pytestmark = pytest.mark.django_db

GENEROUS = {"amount": 1_000_000, "interval": "per_authorization"}
NOW = int(time())
ASSIGNED = {"policy": "Yearly", "card": "ic_1"}
ALSO_ASSIGNED = {"policy": "Generous", "program": True}
LIMITS = "spending_limits"


@pytest.fixture(autouse=True)
def much_was_bought(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_sums, "AT_ONCE", 10)
    monkeypatch.setattr(window_sums, "QUIET", 4)
    in_force("Generous", spending_limits=[GENEROUS])
    for n in range(12):
        assert Shopper(at=NOW - n).reason(100) == "approved"


def test_a_limit_is_saved_only_once_it_is_ticked_that_purchases_wait_for_it(
    operator: Client,
) -> None:
    policy = Policy.objects.get()
    url = pages.change_url(policy)
    limited = added(as_shown(operator, url), LIMITS, amount="50.00", interval="yearly")
    refused = operator.post(url, limited)
    asked = (
        "About 12 earlier purchases have to be counted first. Until then, about 2 seconds, the "
        "purchases that the new limits concern are declined. Tick this if that is meant, and save "
        "again."
    )
    assert errors(refused) == {"counts_first": [asked]}
    [told] = messages(refused)
    assert told.startswith("Not saved yet: About 12 earlier purchases have to be counted first.")
    assert "tick “Decline until it is counted” at the end of the page" in told
    assert PolicyVersion.objects.count() == 1
    assert not UncountedWindow.objects.exists()
    assert Shopper(at=NOW).reason(100) == "approved"

    operator.post(url, limited | {"counts_first": "on"}, follow=True)
    assert PolicyVersion.objects.count() == 2
    shown = pages.text(operator.get(url))
    assert "Counting earlier purchases: 0 of about 13, ready in about 2 seconds." in shown
    card = reverse("admin:authorizations_card_change", args=["ic_1"])
    assert "Counting earlier purchases: 0 of about 13" in pages.text(operator.get(card))
    assert Shopper(at=NOW).reason(100) == "limit_not_counted_yet"

    counting.some(5.0, Pace(1))
    assert "Counting earlier purchases" not in pages.text(operator.get(url))
    assert "€13.00 used" in pages.text(operator.get(card))
    assert Shopper(at=NOW).reason(100) == "approved"
    # Once there are pieces, another limit needs no counting, and nobody is asked.
    another = added(as_shown(operator, url), LIMITS, amount="90.00", interval="monthly")
    assert operator.post(url, another).status_code == 302


@pytest.mark.parametrize("kind", ["card", "cardholder", "group", "program"])
def test_counting_begins_when_a_policy_is_assigned(kind: str) -> None:
    group = CardGroup.objects.create(name="Field team")
    if kind == "group":
        Card.objects.update(group=group)
        for n in range(12):
            assert Shopper(at=NOW - n).reason(100) == "approved"
    scope: dict[str, dict[str, Any]] = {
        "card": {"card": Card.objects.get()},
        "cardholder": {"cardholder": Card.objects.get().cardholder},
        "group": {"group": group},
        "program": {"program": True},
    }
    limits = [
        {"amount": 5_000, "interval": "yearly"},
        {"count": 50, "interval": "rolling", "days": 9},
    ]
    policy = in_force("Yearly", spending_limits=limits, to=scope[kind])
    begun = publish(policy, author=None).begun
    assert (begun.windows, UncountedWindow.objects.count()) == (2, 2)
    assert publish(policy, author=None).begun.windows == 0
    while UncountedWindow.objects.exists():
        counting.some(0, Pace(1))
    assert Shopper(at=NOW).reason(100) == "approved"


def test_counting_begins_when_a_card_joins_a_group_with_a_limit_nobody_asked_about() -> None:
    group = CardGroup.objects.create(name="Field team")
    Card.objects.update(group=group)
    for n in range(12):
        Shopper(at=NOW - n).asks(100)
    Card.objects.update(group=None)
    in_force(
        "Yearly", spending_limits=[{"amount": 5_000, "interval": "yearly"}], to={"group": group}
    )
    assert not UncountedWindow.objects.exists()
    groups.move("ic_1", group)
    assert UncountedWindow.objects.get().scope == f"group:{group.pk}"


def test_where_little_was_bought_nothing_is_to_be_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_sums, "AT_ONCE", 100)
    policy = in_force("Yearly", spending_limits=[{"amount": 5_000, "interval": "yearly"}])
    assert counting_ahead.begin(policy).windows == 0
    assert not UncountedWindow.objects.exists()


def test_an_import_says_that_earlier_purchases_are_counted(tmp_path: Path) -> None:
    limit = {"amount": 5_000, "interval": "yearly"}
    file = tmp_path / "policies.json"
    policy = {"name": "Yearly", "currency": "eur", "spending_limits": [limit]}
    file.write_text(json.dumps({"policies": [policy], "assignments": [ASSIGNED, ALSO_ASSIGNED]}))
    printed = StringIO()
    call_command("import_policies", str(file), stdout=printed)
    assert printed.getvalue().endswith(
        "Counting earlier purchases: 0 of about 12, ready in about 2 seconds. Until then the "
        "purchases that new limits concern are declined.\n"
    )
    assert UncountedWindow.objects.get().scope == "card:ic_1"
