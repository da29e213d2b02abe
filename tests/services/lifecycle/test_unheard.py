"""Approvals that Stripe never told anything of, as a share of the last day's."""

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from authorizations.services.lifecycle import unheard
from authorizations.services.lifecycle.unheard import Heard, look
from authorizations.services.webhook import scrape
from simulator.inside import take_in
from simulator.stripe.sample_lives import Life
from simulator.stripe.samples import card, cardholder, to_bytes
from tests.support.desk import Shopper, in_force

pytestmark = pytest.mark.django_db

NOW = timezone.now()
HOLDER = cardholder(cardholder_id="ich_1", name="Ada Lovelace", created=0)
CARD = card(card_id="ic_1", holder=HOLDER, created=0)


@pytest.fixture(autouse=True)
def _granted() -> None:
    in_force(spending_limits=[{"amount": 1_000, "interval": "per_authorization"}])


def asks(minutes_ago: float, amount: int = 100, *, then: str = "nothing") -> Life:
    """A purchase so long ago, and what Stripe tells a second later."""
    at = NOW - timedelta(minutes=minutes_ago)
    life = Life(Shopper(at=int(at.timestamp())).purchase(amount), CARD)
    _comes(life.ask(at=int(at.timestamp())), at)
    if then == "created":
        approved = amount <= 1_000
        _comes(life.answered(approved=approved, at=int(at.timestamp()) + 1), at)
    elif then == "captured":
        life.answered(approved=True, at=int(at.timestamp()) + 1)  # lost
        _comes(life.capture(at=int(at.timestamp()) + 2)[0], at)
    elif then == "read":
        told = life.answered(approved=True, at=int(at.timestamp()) + 1)
        _comes(told | {"type": "api.issuing_authorization", "id": f"read_{told['id']}"}, at)
    return life


def _comes(event: dict[str, object], at: datetime) -> None:
    assert take_in(to_bytes(event), received_at=at, sender="test").status == 200


def test_what_stripe_told_of_is_heard_of_and_what_it_did_not_is_not() -> None:
    asks(60, then="created")
    asks(50, then="captured")
    asks(40)
    assert look(NOW) == Heard(approvals=3, unheard=1)


def test_what_was_read_in_the_api_hides_no_missing_endpoint() -> None:
    asks(30, then="read")
    assert look(NOW) == Heard(approvals=1, unheard=1)


def test_only_approvals_of_the_last_day_older_than_ten_minutes_count() -> None:
    asks(25 * 60)
    asks(23 * 60)
    asks(11, amount=5_000)  # declined
    asks(11)
    asks(9)
    assert look(NOW) == Heard(approvals=2, unheard=2)


def test_before_the_first_request_there_is_nothing_to_hear_of() -> None:
    assert look(NOW) == Heard(approvals=0, unheard=0)


@pytest.mark.parametrize(
    ("approvals", "unheard", "is_alarming"),
    [(0, 0, False), (1, 1, False), (2, 2, True), (100, 9, False), (100, 10, True), (20, 1, False)],
)
def test_one_lost_event_is_no_alarm_a_tenth_of_them_is(
    approvals: int, unheard: int, is_alarming: bool
) -> None:
    assert Heard(approvals, unheard).is_alarming is is_alarming


def test_of_a_busy_day_a_sample_spread_over_it_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unheard, "MAX_DECISIONS", 10)
    for minutes in range(80, 20, -2):
        asks(minutes, then="created" if minutes > 50 else "nothing")
    with CaptureQueriesContext(
        connection,
    ) as asked:
        found = look(NOW)
    assert 8 <= found.approvals <= 10
    assert 0.3 <= found.unheard / found.approvals <= 0.7
    assert len(asked) < 80


def test_it_is_told_by_the_page_the_probe_and_the_metrics_and_none_of_them_counts(
    monkeypatch: pytest.MonkeyPatch, admin_client: Client
) -> None:
    for minutes in (30, 31, 32):
        asks(minutes)
    monkeypatch.setattr(unheard, "_latest", None)
    told = admin_client.get("/admin/?period=30d").content.decode()
    assert "Nothing reported about" not in told
    assert b"desk_approvals_unheard" not in scrape.exposition()
    assert "second_endpoint" not in Client().get("/readyz").json()
    unheard.renew()
    told = admin_client.get("/admin/?period=30d").content.decode()
    assert "Nothing reported about 3 of 3 approvals" in told
    lines = scrape.exposition().decode().splitlines()
    assert "desk_approvals_looked_at 3.0" in lines
    assert "desk_approvals_unheard 3.0" in lines
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["second_endpoint"]) == (200, "unheard of")
