"""What the demo leaves out, so that no page is empty: a policy that was changed, an export, a
request that was rejected, stand-in that was switched."""

from contextlib import suppress
from datetime import timedelta
from time import time
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.test.utils import setup_test_environment
from django.urls import reverse
from django.utils import timezone

from authorizations.models import Assignment, Card, CardGroup, Decision, Finding, Policy
from authorizations.rules.basics.controls import Scope, ScopeKind, scope_of
from authorizations.services.policies import exclusions, funds, own_amounts, stops
from authorizations.services.policies.planned import PlannedTimes
from authorizations.services.policies.publish import publish
from authorizations.services.policies.stops import StopError
from authorizations.services.webhook import rejections
from simulator.cast import FIRST
from tests.admin import pages
from tests.pictures.lives import play_lives
from tests.support.desk import Shopper, deliver


def set_the_stage() -> None:
    setup_test_environment()  # pages hand out their context
    _raise_a_limit(_logged_in("operator"))
    _ask_for_conditions()
    _plan_a_version()
    _export(_logged_in("auditor"))
    Client().post("/webhook", b"{}", content_type="application/json")
    rejections.write()
    play_lives()
    _instruct()
    _ask_with_a_card_without_grant()
    deliver({"id": "evt_cut_off", "type": "issuing_transaction.created", "created": int(time())})
    _see_a_finding(_logged_in("operator"))
    _switch(_logged_in("operator"))


def _ask_with_a_card_without_grant() -> None:
    """In francs, in which no policy of the demo has a limit."""
    shopper = Shopper(
        card_id="ic_pictures_francs",
        cardholder_id="ich_pictures_francs",
        name="Ada Lovelace",
        at=int(time()),
        card={"currency": "chf"},
    )
    assert shopper.reason(1_250, currency="chf") == "no_policy"


def _see_a_finding(client: Client) -> None:
    finding = Finding.objects.filter(state=Finding.State.OPEN).order_by("pk").first()
    sent = {"id": finding.pk if finding else 0, "note": "Agreed with the cardholder."}
    assert client.post(reverse("admin:authorizations_finding_see"), sent).status_code == 302


def _switch(client: Client) -> None:
    """On and off again: on every page would stand that it is on."""
    for on, reason in (("on", "The database moves to its new server"), ("off", "It has moved")):
        url = reverse("admin:authorizations_standinswitch_switch")
        assert client.post(url, {"on": on, "reason": reason}).status_code == 302


def _logged_in(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


def _raise_a_limit(client: Client) -> None:
    url = pages.change_url(Policy.objects.get(name="Everyday"))
    changed = {"spending_limits-1-amount": "€300.00", "reason": "Team lunch on Friday"}
    response = client.post(url, pages.as_shown(client, url) | changed)
    assert response.status_code == 302, pages.errors(response)


def _plan_a_version() -> None:
    """Of the policy with conditions, from tomorrow on, for a time."""
    policy = Policy.objects.get(name="Drivers")
    document = policy.document | {"allowed_merchant_countries": ["FR", "BE", "DE", "IT"]}
    begin = (timezone.now() + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    operator = User.objects.get(username="operator")
    times = PlannedTimes(begin, begin + timedelta(days=14))
    publish(document, operator, "Trade fair in Turin", policy=policy, times=times)


def _ask_for_conditions() -> None:
    """With lists side by side, conditions and exempt merchants."""
    document = {
        "name": "Drivers",
        "currency": "eur",
        "allowed_merchant_countries": ["FR", "BE", "DE"],
        "blocked_merchants": [{"contains": "casino"}],
        "any_of": [
            {"categories": ["automated_fuel_dispensers", "service_stations"]},
            {"merchants": [{"contains": "total energies"}], "countries": ["FR", "BE"]},
        ],
        "exempt_merchants": [{"network_id": "1234567890"}, {"begins_with": "SNCF"}],
        "spending_limits": [{"amount": 50_000, "interval": "monthly"}],
    }
    publish(document, author=None)


def _instruct() -> None:
    """Attempts, funds, own amounts, somebody who is left out, and freezes and blocks."""
    operator = User.objects.get(username="operator")
    card, other = Card.objects.get(pk=FIRST.card_id), Card.objects.get(pk="ic_demo_jonas")
    document = {
        "name": "Trips",
        "currency": "eur",
        "spending_limits": [
            {"key": "pot", "funds": True},
            {"amount": 60_000, "interval": "monthly", "categories": ["hotels_motels_and_resorts"]},
            {
                "amount": 20_000,
                "interval": "weekly",
                "card_presences": ["not_present"],
                "authorization_methods": ["keyed_in", "online"],
            },
            {
                "key": "tries",
                "attempts": 20,
                "interval": "rolling",
                "minutes": 60,
                "then_freeze_minutes": 1440,
            },
        ],
    }
    trips = publish(document, operator, "Trips are paid from funds").version.policy
    group = CardGroup.objects.create(name="On the road")
    for one in (card, other):
        Assignment.objects.create(policy=trips, card=one)
    Assignment.objects.create(policy=trips, group=group)
    scope, now = Scope(ScopeKind.CARD, card.root_id), timezone.now()
    soon = now.replace(minute=0, second=0, microsecond=0) + timedelta(days=3)
    given: dict[str, Any] = {"by": operator, "reason": "Trip to Lyon"}
    funds.enter(trips, "pot", scope, 200_000, reference="PO-17", **given)
    [_, hotels, _, _] = own_amounts.limits_of(trips)
    own_amounts.give(scope, trips, hotels.key, amount=90_000, until=soon, **given)
    everyday = Policy.objects.get(name="Everyday")
    for limit in own_amounts.limits_of(everyday)[:2]:
        holder = Scope(ScopeKind.CARDHOLDER, FIRST.cardholder_id)
        with suppress(StopError):  # a limit that measures a group
            own_amounts.give(scope, everyday, limit.key, raise_by=10_000, until=soon, **given)
            later = soon + timedelta(days=9)
            own_amounts.give(
                holder, everyday, limit.key, amount=90_000, begins=soon, until=later, **given
            )
    baseline = Policy.objects.get(name="Baseline")
    exclusions.leave_out(
        baseline,
        scope_of(baseline.assignments.get().scope),
        scope,
        by=operator,
        reason="Pays the fair's stand",
        until=soon,
    )
    every_card = Scope(ScopeKind.PROGRAM, "")
    stops.block(every_card, {"merchant": {"network_id": "9876543210"}}, by=operator, reason="Fraud")
    holder = Scope(ScopeKind.CARDHOLDER, "ich_demo_jonas")
    stops.freeze(holder, by=operator, reason="On leave", until=soon)


def _export(client: Client) -> None:
    response = client.post(f"{pages.list_url(Decision)}export/?outcome=declined", {"format": "csv"})
    assert b"".join(response.streaming_content)  # type: ignore[attr-defined]
