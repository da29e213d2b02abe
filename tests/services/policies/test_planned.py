"""Planned versions: from an instant on, until one, or both, by the clock of the decision."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from django.db import connection, transaction
from django.db.utils import IntegrityError
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from authorizations.models import PlanCancellation, PlannedVersion, Policy, PolicyVersion
from authorizations.rules.policy.tenures import FOR_GOOD, changes_after, in_force_at
from authorizations.services.policies import planned, stops
from authorizations.services.policies.planned import PlanError, PlannedTimes
from authorizations.services.policies.publish import Published, publish
from tests.support.desk import Shopper, in_force, republish, says
from tests.support.verification import contradictions, redecided

pytestmark = pytest.mark.django_db

ADA = Shopper(card_id="ic_ada", cardholder_id="ich_ada")
DAY = timedelta(days=1)


def base() -> Policy:
    """At most 1.00 a purchase, for every card."""
    return in_force("Team", spending_limits=[limit(100)])


def limit(amount: int) -> dict[str, object]:
    return {"amount": amount, "interval": "per_authorization"}


def plan(
    policy: Policy,
    amount: int,
    begins_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> Published:
    """Another amount a purchase, from an instant on or until one."""
    document = says(policy) | {"spending_limits": [limit(amount)]}
    times = PlannedTimes(begins_at, ends_at)
    return publish(document, None, "Season", policy=policy, times=times)


def soon(seconds: float = 1.5) -> datetime:
    return timezone.now() + timedelta(seconds=seconds)


def wait_for(instant: datetime) -> None:
    while stops.now() < instant:
        time.sleep(0.05)


def largest() -> int:
    """The largest of these amounts that one purchase may be of."""
    return max(
        (amount for amount in (100, 200, 300, 400) if ADA.reason(amount) == "approved"), default=0
    )


def test_it_ends_by_itself_and_what_was_in_force_before_decides_again() -> None:
    policy, end = base(), soon()
    plan(policy, 200, ends_at=end)
    assert largest() == 200
    assert says(policy)["spending_limits"][0]["amount"] == 200
    wait_for(end)
    assert largest() == 100
    assert says(policy)["spending_limits"][0]["amount"] == 100
    assert redecided() == []
    assert contradictions() == []


def test_it_begins_by_itself_and_stays() -> None:
    policy, begin = base(), soon()
    plan(policy, 200, begin)
    assert largest() == 100
    wait_for(begin)
    assert largest() == 200
    assert redecided() == []
    assert contradictions() == []


def test_what_is_published_during_a_planned_version_holds_at_once_and_after_it() -> None:
    policy, end = base(), soon()
    plan(policy, 200, ends_at=end)
    republish(policy, spending_limits=[limit(300)])
    assert largest() == 300
    wait_for(end)
    assert largest() == 300
    assert contradictions() == []


def test_what_is_published_before_a_planned_version_begins_yields_to_it_and_returns() -> None:
    policy, begin, end = base(), soon(1), soon(2.5)
    plan(policy, 200, begin, end)
    republish(policy, spending_limits=[limit(300)])
    assert largest() == 300
    wait_for(begin)
    assert largest() == 200
    wait_for(end)
    assert largest() == 300
    assert redecided() == []
    assert contradictions() == []


def test_a_first_version_may_be_planned_and_nothing_holds_before() -> None:
    begin = soon()
    document = {"name": "Team", "currency": "eur", "spending_limits": [limit(100)]}
    policy = publish(document, None, times=PlannedTimes(begin)).version.policy
    policy.assignments.create(program=True)
    assert ADA.reason(100) == "no_policy"
    assert Policy.objects.get().version_in_force is None
    wait_for(begin)
    assert ADA.reason(100) == "approved"
    assert contradictions() == []


def test_of_two_that_begin_together_the_one_published_last_is_in_force() -> None:
    policy, begin = base(), soon(1)
    plan(policy, 200, begin)
    plan(policy, 300, begin)
    wait_for(begin)
    assert largest() == 300


def test_a_cancelled_one_decides_nothing_more_and_is_cancelled_once() -> None:
    policy = base()
    version = plan(policy, 200, ends_at=timezone.now() + DAY).version
    later = plan(policy, 300, timezone.now() + DAY).version
    assert largest() == 200
    assert Policy.objects.get().planned_until == FOR_GOOD
    with pytest.raises(PlanError, match="Give a reason"):
        planned.cancel(version, by=None, reason=" ")
    assert planned.cancel(version, by=None, reason="Over")
    assert not planned.cancel(version, by=None, reason="Again")
    assert largest() == 100
    assert planned.cancel(later, by=None, reason="Never")
    assert Policy.objects.get().planned_until is None
    assert [row.reason for row in PlanCancellation.objects.order_by("pk")] == ["Over", "Never"]
    assert contradictions() == []


def test_one_that_has_ended_or_was_published_over_cannot_be_cancelled() -> None:
    policy, end = base(), soon(1)
    ended = plan(policy, 200, ends_at=end).version
    wait_for(end)
    assert not planned.cancel(ended, by=None, reason="Late")
    over = plan(policy, 300, ends_at=timezone.now() + DAY).version
    republish(policy, spending_limits=[limit(400)])
    assert not planned.cancel(over, by=None, reason="Late")
    assert Policy.objects.get().planned_until is None


def test_what_holds_for_a_time_is_published_for_good_though_it_says_the_same() -> None:
    policy, end = base(), soon()
    plan(policy, 200, ends_at=end)
    assert republish(policy).is_new
    wait_for(end)
    assert largest() == 200
    assert not republish(policy).is_new


@pytest.mark.parametrize(
    ("begin", "end", "sentence"),
    [
        (-1, None, "The beginning is in the past"),
        (None, -1, "The end is in the past"),
        (2, 1, "The end is not later than the beginning"),
        (1, 1, "The end is not later than the beginning"),
        (100_000, None, "The beginning is too far away"),
        (None, 100_000, "The end is too far away"),
    ],
)
def test_a_time_that_cannot_be_meant_is_refused_and_nothing_is_written(
    begin: int | None, end: int | None, sentence: str
) -> None:
    policy, now = base(), timezone.now()
    times = [None if days is None else now + days * DAY for days in (begin, end)]
    with pytest.raises(PlanError, match=sentence):
        plan(policy, 200, *times)
    assert PolicyVersion.objects.count() == 1
    assert not PlannedVersion.objects.exists()


def test_a_planned_version_cannot_rename_its_policy() -> None:
    policy = base()
    with pytest.raises(PlanError, match="can't rename"):
        publish(
            says(policy) | {"name": "Crew"},
            None,
            policy=policy,
            times=PlannedTimes(timezone.now() + DAY),
        )
    assert Policy.objects.get().name == "Team"


@pytest.mark.parametrize("table", ["plannedversion", "plancancellation"])
def test_what_was_planned_stays_on_record(table: str) -> None:
    planned.cancel(plan(base(), 200, timezone.now() + DAY).version, by=None, reason="Over")
    for statement in ("UPDATE authorizations_{} SET id = 7", "DELETE FROM authorizations_{}"):
        with (
            pytest.raises(IntegrityError, match="append-only"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement.format(table))


class Written(NamedTuple):
    """A version: published, planned and cancelled at instants in days."""

    published: int
    times: tuple[int, int | None] | None
    is_cancelled: bool


EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_plan = st.tuples(st.integers(1, 8), st.none() | st.integers(1, 9)).map(
    lambda it: (it[0], it[0] + it[1] if it[1] else None)
)
_version = st.builds(Written, st.just(0), st.none() | _plan, st.booleans())


def reference(versions: Sequence[Written], day: int) -> int:
    """The number of the version in force on a day, 0 for none, as the rule says it."""
    best = (-1, 0)
    for number, one in enumerate(versions, start=1):
        begins, ends = one.times or (one.published, None)
        is_over = (ends is not None and day >= ends) or (one.times and one.is_cancelled)
        if begins <= day and not is_over and (begins, number) > best:
            best = (begins, number)
    return best[1]


@settings(max_examples=150, deadline=None)
@given(st.lists(_version, min_size=1, max_size=7), st.data())
def test_at_every_instant_it_is_the_one_that_began_last(
    versions: list[Written], data: st.DataObject
) -> None:
    days = sorted(data.draw(st.integers(0, 8)) for _ in versions)
    versions = [
        one._replace(published=day, times=one.times and (max(day, one.times[0]), one.times[1]))
        for one, day in zip(versions, days, strict=True)
    ]
    versions = [
        one
        if not one.times or one.times[1] is None or one.times[1] > one.times[0]
        else one._replace(times=(one.times[0], None))
        for one in versions
    ]
    with transaction.atomic():
        policy = Policy.objects.create(name="Drawn", planned_until=FOR_GOOD)
        numbers = {}
        for number, one in enumerate(versions, start=1):
            version = PolicyVersion.objects.create(
                policy=policy,
                number=number,
                created_at=EPOCH + one.published * DAY,
                content='{"name": "Drawn"}',
            )
            numbers[version.pk] = number
            if one.times is None:
                policy.current_version = version
                continue
            begins, ends = one.times
            PlannedVersion.objects.create(
                policy=policy,
                version=version,
                begins_at=EPOCH + begins * DAY,
                ends_at=EPOCH + ends * DAY if ends else None,
            )
            if one.is_cancelled:
                PlanCancellation.objects.create(
                    policy=policy, version=version, cancelled_at=EPOCH, reason="Drawn"
                )
        policy.save()
        last = max((one.published for one in versions if one.times is None), default=0)
        tenures = [
            it for it in planned.tenures(Policy.objects.get()) if it.ends is None
        ]  # those that ended long ago are not listed any more
        for day in range(last, 20):
            at = EPOCH + day * DAY
            with connection.cursor() as cursor:
                cursor.execute("SELECT authorizations_version_at(%s, %s)", [policy.pk, at])
                [found] = cursor.fetchone()
            assert numbers.get(found, 0) == reference(versions, day)
        now = in_force_at(tenures, timezone.now())
        assert (now.number if now else 0) == reference(versions, 1_000)
        assert Policy.objects.versions_in_force() == ({policy.pk: now.version_id} if now else {})
        seen = Policy.objects.get().version_in_force
        assert (seen.number if seen else 0) == reference(versions, 1_000)
        transaction.set_rollback(True)


def test_the_changes_to_come_are_told_in_order() -> None:
    policy, now = base(), timezone.now().replace(microsecond=0)
    plan(policy, 200, now + DAY, now + 3 * DAY)
    plan(policy, 300, now + 2 * DAY, now + 4 * DAY)
    tenures = planned.tenures(Policy.objects.get())
    found = [
        (at, tenure.number if tenure else 0)
        for at, tenure in changes_after(tenures, timezone.now())
    ]
    assert found == [(now + DAY, 2), (now + 2 * DAY, 3), (now + 4 * DAY, 1)]
