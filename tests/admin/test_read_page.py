"""The page of what was not sent to the desk, but read in Stripe's API."""

from html import unescape

import pytest
from django.conf import LazySettings
from django.core.management import call_command
from django.test import Client

from authorizations.models import WebhookRequest
from tests.admin.pages import change_url
from tests.support.stripe_api import KEY, stripe_api
from tests.wire.lifecycles import captured_in_full


@pytest.mark.django_db
def test_it_tells_of_no_answer_and_of_no_signature(auditor: Client, settings: LazySettings) -> None:
    with stripe_api() as api:
        settings.STRIPE_API_KEY, settings.STRIPE_API_BASE = KEY, api.base
        api.lists(captured_in_full())
        call_command("reconcile", "--since", "2023-11-01")
    html = unescape(auditor.get(change_url(WebhookRequest.objects.get())).content.decode())
    assert "<dt>From</dt><dd>Stripe's API</dd>" in html
    assert "None: the desk read this from Stripe's API itself." in html
    assert "Signing key" not in html
    assert "Answer, as sent" not in html
