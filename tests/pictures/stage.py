"""What the demo leaves out, so that no page is empty: a policy that was changed, an export, a
request that was rejected, stand-in that was switched."""

from datetime import timedelta
from time import time

from django.contrib.auth.models import User
from django.test import Client
from django.test.utils import setup_test_environment
from django.urls import reverse
from django.utils import timezone

from authorizations.models import Decision, Finding, Policy
from authorizations.services.policies.planned import PlannedTimes
from authorizations.services.policies.publish import publish
from authorizations.services.webhook import rejections
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


def _export(client: Client) -> None:
    response = client.post(f"{pages.list_url(Decision)}export/?outcome=declined", {"format": "csv"})
    assert b"".join(response.streaming_content)  # type: ignore[attr-defined]
