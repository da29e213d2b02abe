"""What stand-in would have approved of the last hour's purchases, before it is switched on."""

from datetime import timedelta
from time import time
from typing import Any

import pytest
from django.utils import timezone

from authorizations.models import Decision, Policy
from authorizations.services.queries.stand_in_rehearsal import Rehearsal, rehearse
from tests.support.desk import Shopper, in_force

pytestmark = pytest.mark.django_db

MONTHLY: dict[str, Any] = {"spending_limits": [{"amount": 100_000, "interval": "monthly"}]}


def buy(*amounts: int) -> None:
    for amount in amounts:
        assert Shopper(at=int(time())).reason(amount) == "approved"


def figures() -> tuple[int, int]:
    found = rehearse(timezone.now())
    return found.approvals, found.approved


def test_without_amounts_for_stand_in_nothing_would_be_approved() -> None:
    in_force(**MONTHLY)
    buy(100, 200, 300)
    expected = Rehearsal(approvals=3, approved=0, is_cut=False, policies=1, with_amounts=0)
    assert rehearse(timezone.now()) == expected


def test_what_policies_allow_today_counts_and_each_cap_is_used_up() -> None:
    in_force(**MONTHLY)
    buy(1_000, 2_000, 6_000, 2_500)
    in_force(**MONTHLY, stand_in_amount=5_000, stand_in_cap=5_000)
    assert figures() == (4, 2)  # 6,000 is too much at once, and 2,500 above the cap
    in_force(**MONTHLY, stand_in_amount=5_000, stand_in_cap=5_500)
    assert figures() == (4, 3)


def test_what_no_limit_counts_is_approved_as_ever() -> None:
    in_force()
    buy(100)
    assert figures() == (1, 1)


def test_declines_and_what_is_older_than_an_hour_are_left_out() -> None:
    in_force(**MONTHLY)
    assert Shopper(at=int(time())).reason(200_000) == "amount_limit_exceeded"
    buy(100)
    assert figures() == (1, 0)
    assert rehearse(timezone.now() + timedelta(hours=1, seconds=5)).approvals == 0


def test_no_more_than_the_newest_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("authorizations.services.queries.stand_in_rehearsal.LOOKED_AT", 2)
    in_force()
    buy(100, 100, 100)
    found = rehearse(timezone.now())
    assert (found.approvals, found.is_cut) == (2, True)


def test_a_policy_that_is_in_force_no_more_is_taken_as_it_was() -> None:
    in_force(**MONTHLY, stand_in_amount=5_000, stand_in_cap=5_000)
    buy(100)
    Policy.objects.update(current_version=None)
    assert figures() == (1, 1)
    assert Decision.objects.count() == 1
