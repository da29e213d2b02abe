"""What the demo leaves out, so that no page is empty: a policy that was changed, an export, a
request that was rejected."""

from django.contrib.auth.models import User
from django.test import Client
from django.test.utils import setup_test_environment

from authorizations.models import Decision, Policy
from tests.admin import pages


def set_the_stage() -> None:
    setup_test_environment()  # pages hand out their context
    _raise_a_limit(_logged_in("operator"))
    _export(_logged_in("auditor"))
    Client().post("/webhook", b"{}", content_type="application/json")


def _logged_in(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


def _raise_a_limit(client: Client) -> None:
    url = pages.change_url(Policy.objects.get(name="Everyday"))
    changed = {"spending_limits-1-amount": "€120.00", "reason": "Team lunch on Friday"}
    response = client.post(url, pages.as_shown(client, url) | changed)
    assert response.status_code == 302, pages.errors(response)


def _export(client: Client) -> None:
    response = client.post(f"{pages.list_url(Decision)}export/?outcome=declined", {"format": "csv"})
    assert b"".join(response.streaming_content)  # type: ignore[attr-defined]
