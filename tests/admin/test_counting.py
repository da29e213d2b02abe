"""A limit that is new where much was bought: said before it is saved, and how far it is after."""

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from time import time
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from authorizations.models import Card, CardGroup, Policy, PolicyVersion, UncountedWindow
from authorizations.services.policies import counting_ahead, groups
from authorizations.services.policies.planned import PlannedTimes
from authorizations.services.policies.publish import publish
from authorizations.services.store import counting, window_sums
from authorizations.services.store.counting import Pace
from tests.admin import pages
from tests.admin.pages import added, as_sent, as_shown, errors, messages
from tests.support.desk import Shopper, in_force, republish

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
        "About 12 earlier purchases have to be counted first. Until then, about 2 seconds, "
        "purchases that the new limits apply to are declined. To confirm, tick this and save "
        "again."
    )
    assert errors(refused) == {"counts_first": [asked]}
    [told] = messages(refused)
    assert told.startswith("Not saved yet: About 12 earlier purchases have to be counted first.")
    assert "tick “Decline until counted” at the end of the page" in told
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
    begun = republish(policy).begun
    assert (begun.windows, UncountedWindow.objects.count()) == (2, 2)
    assert republish(policy).begun.windows == 0
    while UncountedWindow.objects.exists():
        counting.some(0, Pace(1))
    assert Shopper(at=NOW).reason(100) == "approved"


def test_counting_for_a_planned_version_begins_when_it_is_planned() -> None:
    policy = Policy.objects.get()
    document = policy.document | {"spending_limits": [{"amount": 5_000, "interval": "yearly"}]}
    later = PlannedTimes(timezone.now() + timedelta(days=1))
    assert publish(document, None, policy=policy, times=later).begun.windows
    assert UncountedWindow.objects.exists()
    assert counting_ahead.progress(policy)
    assert Shopper(at=NOW).reason(100) == "approved"


@pytest.fixture
def busy_group() -> CardGroup:
    """Much was bought in it, its one card has left, and nothing was counted when its policy came,
    as where there are too many busy scopes to look at.
    """
    group = CardGroup.objects.create(name="Field team")
    Card.objects.update(group=group)
    for n in range(12):
        assert Shopper(at=NOW - n).reason(100) == "approved"
    Card.objects.update(group=None)
    Card.objects.create(pk="ic_2", root_id="ic_2")
    limit = {"amount": 5_000, "interval": "yearly"}
    in_force("Yearly", spending_limits=[limit], to={"group": group})
    assert not UncountedWindow.objects.exists()
    return group


TICKED = {"counts_first": "on"}
ASKED = (
    "About 12 earlier purchases have to be counted first. Until then, about 2 seconds, "
    "purchases that the new limits apply to are declined."
)


def page_for_joining(group: CardGroup, kind: str) -> tuple[str, dict[str, Any]]:
    """Where a card is put into the group, and what is typed there."""
    if kind == "group":
        return pages.change_url(group), {"cards": ["ic_2"]}
    return pages.change_url(Card.objects.get(pk="ic_2")), {"group": str(group.pk)}


@pytest.mark.parametrize("kind", ["group", "card"])
def test_a_card_joins_a_busy_group_only_once_it_is_ticked_that_purchases_wait_for_it(
    operator: Client, busy_group: CardGroup, kind: str
) -> None:
    url, typed = page_for_joining(busy_group, kind)
    joining = as_shown(operator, url) | typed
    refused = operator.post(url, joining)
    assert errors(refused) == {"counts_first": [f"{ASKED} To confirm, tick this and save again."]}
    [told] = messages(refused)
    assert told.startswith(f"Not saved yet: {ASKED}")
    assert "tick “Decline until counted” at the end of the page" in told
    # What was chosen stays chosen, and the tick is the last thing on the page.
    shown = refused.context["adminform"]
    assert as_sent(refused) | joining == as_sent(refused)
    assert [*shown][-1].fields == ("counts_first",)
    assert not Card.objects.filter(group=busy_group).exists()
    assert not UncountedWindow.objects.exists()

    saved = operator.post(url, as_sent(refused) | TICKED, follow=True)
    assert not any(text.startswith("Not saved") for text in messages(saved))
    assert list(Card.objects.filter(group=busy_group).values_list("pk", flat=True)) == ["ic_2"]
    assert UncountedWindow.objects.get().scope == f"group:{busy_group.pk}"


@pytest.mark.parametrize("kind", ["group", "card"])
def test_who_joins_a_group_that_is_being_counted_is_asked_as_well(
    operator: Client, busy_group: CardGroup, kind: str
) -> None:
    groups.move("ic_1", busy_group)
    assert UncountedWindow.objects.exists()
    url, typed = page_for_joining(busy_group, kind)
    if kind == "group":
        typed = {"cards": ["ic_1", "ic_2"]}
    joining = as_shown(operator, url) | typed
    assert list(errors(operator.post(url, joining))) == ["counts_first"]
    while UncountedWindow.objects.exists():
        counting.some(0, Pace(1))
    assert operator.post(url, joining).status_code == 302
    assert busy_group.cards.count() == 2


def test_a_busy_group_is_renamed_and_left_without_a_question(
    operator: Client, busy_group: CardGroup
) -> None:
    Card.objects.filter(pk="ic_1").update(group=busy_group)
    url = pages.change_url(busy_group)
    renamed = as_shown(operator, url) | {"name": "Field team, North"}
    assert operator.post(url, renamed).status_code == 302
    left = as_shown(operator, url) | {"cards": []}
    assert operator.post(url, left).status_code == 302
    assert not busy_group.cards.exists()
    assert not UncountedWindow.objects.exists()


def test_a_new_group_has_nothing_to_count(operator: Client, busy_group: CardGroup) -> None:
    sent = as_shown(operator, pages.add_url(CardGroup)) | {"name": "South", "cards": ["ic_1"]}
    assert operator.post(pages.add_url(CardGroup), sent).status_code == 302
    assert CardGroup.objects.get(cards="ic_1").name == "South"
    # A tick that no page asks for does no harm either.
    given = {"id": "ic_3", "status": "active"} | TICKED
    assert operator.post(pages.add_url(Card), given).status_code == 302


@pytest.mark.parametrize(
    "scope", [{"group": "Field team"}, {"cardholder": "ich_1"}, {"card": "ic_1"}, {"program": True}]
)
def test_a_policy_is_assigned_only_once_it_is_ticked_that_purchases_wait_for_it(
    operator: Client, busy_group: CardGroup, scope: dict[str, Any]
) -> None:
    limit = {"amount": 5_000, "interval": "yearly", "currency": "gbp"}
    policy = publish({"name": "Pounds", "spending_limits": [limit]}, author=None).version.policy
    [(kind, target)] = scope.items()
    sent = {kind: "on"} if kind == "program" else {f"{kind}s": target}
    if kind == "group":
        sent["groups"] = str(busy_group.pk)
    sent["leaves_without"] = "9"  # cards in euros
    url = reverse("admin:authorizations_policy_assign", args=[policy.pk])
    refused = operator.post(url, sent)
    assert list(refused.context["form"].errors) == ["counts_first"]
    assert not policy.assignments.exists()
    assert not UncountedWindow.objects.exists()
    assert operator.post(url, sent | TICKED).status_code == 302
    assert policy.assignments.count() == 1
    assert UncountedWindow.objects.exists()


def test_an_import_that_regroups_says_that_earlier_purchases_are_counted(
    tmp_path: Path, busy_group: CardGroup
) -> None:
    file = tmp_path / "policies.json"
    file.write_text(json.dumps({"groups": [{"name": "Field team", "cards": ["ic_1", "ic_2"]}]}))
    printed = StringIO()
    call_command("import_policies", str(file), "--allow-new-spending", stdout=printed)
    assert "Counting earlier purchases: 0 of about 12, ready in" in printed.getvalue()
    assert UncountedWindow.objects.get().scope == f"group:{busy_group.pk}"


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
        "Counting earlier purchases: 0 of about 12, ready in about 2 seconds. Until then, the "
        "purchases that new limits apply to are declined.\n"
    )
    assert UncountedWindow.objects.get().scope == "card:ic_1"
