"""The same form sent several times at the same moment books once."""

from collections import Counter

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from authorizations.models import Authorization, LedgerEntry
from tests.admin.conftest import Login
from tests.services.authorize.test_races import at_once
from tests.support.desk import Shopper, in_force

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("action", "cause", "left"), [("adjust", "adjustment", 8_000), ("release", "release", 0)]
)
def test_clicks_at_the_same_moment_book_once(
    login: Login, action: str, cause: str, left: int
) -> None:
    in_force()
    Shopper().asks(10_000)
    row = Authorization.objects.get()
    client = login("Operations")
    url = reverse(f"admin:authorizations_authorization_{action}", args=[quote(row.pk)])
    sent = {"direction": "give", "amount": "20", "reason": "Why", "seen": 0}

    def click() -> int:
        browser = Client()
        browser.cookies = client.cookies
        return browser.post(url, sent).status_code

    assert Counter(at_once(*[click] * 4)) == {302: 1, 200: 3}
    row.refresh_from_db()
    assert row.counted_amount == left
    assert LedgerEntry.objects.filter(cause=cause).count() == 1
