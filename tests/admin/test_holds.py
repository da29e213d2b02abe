"""Overdue holds: listed, counted, and released by nobody but people."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from authorizations.models import Authorization
from tests.admin import pages
from tests.support.desk import Shopper, in_force
from tests.support.lives import merchant

pytestmark = pytest.mark.django_db

PAST = "admin:authorizations_authorization_past"


def held(days: float, mcc: str = "5462", amount: int = 1_000) -> Authorization:
    """A hold that began so many days ago, of which nothing was heard since."""
    began = int((timezone.now() - timedelta(days=days)).timestamp())
    shopper = Shopper(at=began)
    purchase = shopper.purchase(amount, merchant=merchant(mcc))
    shopper.asks(purchase)
    return Authorization.objects.get(pk=purchase.authorization_id)


@pytest.fixture(autouse=True)
def policy(db: None) -> None:
    in_force()


def listed(client: Client) -> list[str]:
    return [line.held for line in client.get(reverse(PAST)).context["lines"]]


def test_the_oldest_stand_first_with_age_and_amount(auditor: Client) -> None:
    held(7.5, amount=700)
    held(20.1, amount=2_000)
    held(6.9)
    lines = auditor.get(reverse(PAST)).context["lines"]
    assert [(line.held, line.age, line.overdue) for line in lines] == [
        ("€20.00", "20 days", "13 days overdue"),
        ("€7.00", "7 days", "since today"),
    ]


@pytest.mark.parametrize("mcc", ["7011", "3640", "3007", "3389"])
def test_hotels_airlines_and_car_rentals_have_a_month(auditor: Client, mcc: str) -> None:
    held(30, mcc)
    assert listed(auditor) == []
    held(31.5, mcc)
    assert listed(auditor) == ["€10.00"]


def test_what_is_released_is_no_longer_listed(operator: Client) -> None:
    row = held(9)
    release = operator.get(reverse(PAST)).context["lines"][0].release_url
    page = operator.post(release, {"reason": "Ended at Stripe"}, follow=True)
    assert page.redirect_chain == [(reverse(PAST), 302)]
    assert "No hold is overdue" in pages.text(page)
    row.refresh_from_db()
    assert row.counted_amount == 0


def test_auditors_see_them_and_release_nothing(auditor: Client) -> None:
    held(9)
    page = auditor.get(reverse(PAST))
    assert not page.context["may_release"]
    assert auditor.post(page.context["lines"][0].release_url, {"reason": "x"}).status_code == 403
    assert listed(auditor) == ["€10.00"]


def test_home_says_so_and_the_list_of_authorizations_has_them_all(auditor: Client) -> None:
    row = held(9)
    held(1)
    items = auditor.get("/admin/").context["attention"]
    assert ("1 overdue hold", reverse(PAST)) in [(item.what, item.url) for item in items]
    url = auditor.get(reverse(PAST)).context["list_url"]
    assert [found.pk for found in auditor.get(url).context["cl"].result_list] == [row.pk]
    now = auditor.get(pages.list_url(Authorization), {"held": "now"}).context["cl"]
    assert len(now.result_list) == 2
