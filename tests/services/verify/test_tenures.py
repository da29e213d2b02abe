"""Decisions are checked against the version of each policy that was in force then."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from authorizations.models import Decision, PlannedVersion, Policy, PolicyVersion
from authorizations.services.policies import planned
from authorizations.services.policies.planned import PlannedTimes
from authorizations.services.policies.publish import publish
from tests.support.damage import damage
from tests.support.desk import Shopper, in_force, publish_amount, republish, says
from tests.support.verification import contradictions

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def policy() -> Policy:
    return in_force(spending_limits=[{"amount": 100_000, "interval": "monthly"}])


def plan(policy: Policy, **times: Any) -> PolicyVersion:
    document = says(policy) | {"spending_limits": [{"amount": 1_000, "interval": "monthly"}]}
    return publish(document, None, policy=policy, times=PlannedTimes(**times)).version


def decided_by(version: PolicyVersion) -> None:
    """As if the one decision had been made by this version."""
    row = Decision.objects.get()
    named = {"version": version.pk, "number": version.number}
    damage(row, policies=[policy | named for policy in row.policies])


def found() -> list[str]:
    """What is found of decisions, not of versions whose times were altered."""
    return [line for line in contradictions() if line.startswith("evt_")]


def test_every_version_that_was_in_force_is_in_order(policy: Policy) -> None:
    shopper = Shopper()
    shopper.asks(100)
    version = plan(policy, ends_at=timezone.now() + HOUR)
    shopper.asks(100)
    planned.cancel(version, by=None, reason="Over")
    shopper.asks(100)
    publish_amount(policy, 2_000)
    shopper.asks(100)
    assert contradictions() == []


def test_a_decision_by_a_version_that_was_to_begin_later_is_found(policy: Policy) -> None:
    Shopper().asks(100, event_id="evt_asked")
    version = plan(policy, begins_at=timezone.now() + HOUR)
    decided_by(version)
    assert found() == [f"evt_asked: policy version {version.pk} is in force; expected not then"]


def test_a_decision_by_a_version_that_had_ended_is_found(policy: Policy) -> None:
    version = plan(policy, ends_at=timezone.now() + HOUR)
    Shopper().asks(100, event_id="evt_asked")
    assert found() == []
    own = PlannedVersion.objects.get()
    damage(own, begins_at=own.begins_at - 2 * HOUR, ends_at=own.begins_at - HOUR)
    assert found() == [f"evt_asked: policy version {version.pk} is in force; expected not then"]


def test_a_decision_by_a_version_that_had_been_published_over_is_found(policy: Policy) -> None:
    first = PolicyVersion.objects.get()
    second = republish(policy, unlimited=True).version
    Shopper().asks(100, event_id="evt_asked")
    assert found() == []
    decided_by(first)
    assert found() == [], "the second was published within the last minutes"
    for version in (first, second):
        damage(version, created_at=version.created_at - HOUR)
    assert found() == [
        f"evt_asked: policy version {first.pk} is in force; expected {second.pk} then"
    ]


def test_a_version_that_was_planned_over_it_is_missed(policy: Policy) -> None:
    first = PolicyVersion.objects.get()
    version = plan(policy, ends_at=timezone.now() + HOUR)
    Shopper().asks(100, event_id="evt_asked")
    decided_by(first)
    for row in (first, version):
        damage(row, created_at=row.created_at - HOUR)
    own = PlannedVersion.objects.get()
    damage(own, begins_at=own.begins_at - HOUR / 2)
    assert found() == [
        f"evt_asked: policy version {first.pk} is in force; expected {version.pk} then"
    ]


def test_a_version_that_is_not_there_was_not_in_force(policy: Policy) -> None:
    Shopper().asks(100, event_id="evt_asked")
    decided_by(PolicyVersion(pk=123_456, number=1))
    assert "evt_asked: policy version 123456 is in force; expected not then" in found()


def test_a_plan_that_decisions_would_not_look_for_is_found(policy: Policy) -> None:
    version = plan(policy, begins_at=timezone.now() + HOUR)
    assert contradictions() == []
    Policy.objects.update(planned_until=None)
    assert contradictions() == [
        f"policy version {version.pk}: plan is not read; expected read until its end"
    ]
