"""Planned versions as operators make, see and cancel them."""

from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from authorizations.models import PlanCancellation, PlannedVersion, Policy
from authorizations.services.policies import planned
from authorizations.services.policies.planned import PlannedTimes
from authorizations.services.policies.publish import publish
from tests.admin import pages
from tests.admin.pages import as_shown, errors, messages
from tests.support.desk import Shopper, amounts, in_force, republish, says

pytestmark = pytest.mark.django_db

AMOUNT = "spending_limits-0-amount"
POLICIES = "/admin/authorizations/policy/"
IN_FORCE = "/admin/authorizations/instruction/"
ADA = Shopper(card_id="ic_ada", cardholder_id="ich_ada")
HOUR = timedelta(hours=1)


@pytest.fixture
def policy() -> Policy:
    return in_force("Team", spending_limits=[{"amount": 10_000, "interval": "daily"}])


def plan(policy: Policy, amount: int, **times: datetime) -> None:
    document = says(policy) | {"spending_limits": [{"amount": amount, "interval": "daily"}]}
    publish(document, None, "Season", policy=policy, times=PlannedTimes(**times))


def local(at: datetime) -> str:
    """As a browser sends it."""
    return timezone.localtime(at).strftime("%Y-%m-%dT%H:%M")


def save(client: Client, policy: Policy, **typed: Any) -> Any:
    url = pages.change_url(policy)
    return client.post(url, as_shown(client, url) | typed, follow=True)


def html(client: Client, url: str) -> str:
    return unescape(client.get(url).content.decode())


def test_a_version_is_planned_from_the_page_that_publishes(
    operator: Client, policy: Policy
) -> None:
    begin, end = timezone.now() + HOUR, timezone.now() + 2 * HOUR
    response = save(
        operator,
        policy,
        published_from=local(begin),
        published_until=local(end),
        reason="Season",
        **{AMOUNT: "250.00"},
    )
    [said, *_] = messages(response)
    assert said.startswith("Daily limit: €100.00 → €250.00. Version 2 is planned from ")
    assert " until " in said
    [row] = PlannedVersion.objects.all()
    assert (local(row.begins_at), row.ends_at and local(row.ends_at)) == (local(begin), local(end))
    assert ADA.reason(20_000) == "amount_limit_exceeded"
    page = html(operator, pages.change_url(policy))
    assert "In force: version 1 until " in page
    assert "then 2" in page
    assert "operations: Season" in page
    assert "€250.00" in page
    assert as_shown(operator, pages.change_url(policy))[AMOUNT] == "€100.00"


@pytest.mark.parametrize(
    ("typed", "field", "sentence"),
    [
        ({"published_from": -1}, "published_from", "The beginning is in the past"),
        ({"published_until": -1}, "published_until", "The end is in the past"),
        (
            {"published_from": 2, "published_until": 1},
            "published_until",
            "The end is not later than the beginning",
        ),
    ],
)
def test_times_that_cannot_be_meant_are_refused_where_they_were_typed(
    operator: Client, policy: Policy, typed: dict[str, int], field: str, sentence: str
) -> None:
    times = {name: local(timezone.now() + hours * HOUR) for name, hours in typed.items()}
    response = save(operator, policy, **times)
    assert sentence in errors(response)[field][0]
    assert not PlannedVersion.objects.exists()


def test_a_planned_version_cannot_rename_its_policy(operator: Client, policy: Policy) -> None:
    response = save(operator, policy, name="Crew", published_from=local(timezone.now() + HOUR))
    assert errors(response)["name"] == ["A planned version can't rename its policy: do so first."]
    assert Policy.objects.get().name == "Team"


def test_publishing_beside_a_plan_says_so_first(operator: Client, policy: Policy) -> None:
    plan(policy, 20_000, begins_at=timezone.now() + HOUR, ends_at=timezone.now() + 2 * HOUR)
    response = save(operator, policy, **{AMOUNT: "300.00"})
    [asked] = messages(response)
    assert asked.startswith("Not saved yet: Version 2 is planned from ")
    assert "the one that you save yields to it then, and returns." in asked
    assert amounts(policy) == [10_000]
    save(operator, policy, beside_plans="on", **{AMOUNT: "300.00"})
    assert amounts(policy) == [30_000]


def test_saving_replaces_a_version_that_is_in_force_for_a_time(
    operator: Client, policy: Policy
) -> None:
    plan(policy, 20_000, ends_at=timezone.now() + HOUR)
    assert as_shown(operator, pages.change_url(policy))[AMOUNT] == "€200.00"
    response = save(operator, policy, **{AMOUNT: "300.00"})
    assert "replaces it at once, and for good" in messages(response)[0]
    save(operator, policy, beside_plans="on", **{AMOUNT: "300.00"})
    assert amounts(policy) == [30_000]
    assert "Planned" not in html(operator, pages.change_url(policy))


def test_a_plan_is_cancelled_with_a_reason_and_once(operator: Client, policy: Policy) -> None:
    plan(policy, 20_000, ends_at=timezone.now() + HOUR)
    version = PlannedVersion.objects.get().version
    url = f"{POLICIES}{policy.pk}/cancel/?version=2"
    assert url in html(operator, pages.change_url(policy))
    assert "is planned from" in html(operator, url)
    operator.post(url, {"reason": ""})
    assert not PlanCancellation.objects.exists()
    response = operator.post(url, {"reason": "Too early"}, follow=True)
    assert "Version 2 is no longer planned." in messages(response)
    [row] = PlanCancellation.objects.all()
    assert (row.version, str(row.author), row.reason) == (version, "operations", "Too early")
    assert amounts(policy) == [10_000]
    response = operator.post(url, {"reason": "Again"}, follow=True)
    assert "Nothing to do: it is not planned any more." in messages(response)
    assert "cancelled" in html(operator, pages.change_url(version))
    assert operator.get(f"{POLICIES}{policy.pk}/cancel/?version=1").status_code == 404


def test_cancelling_asks_first_where_cards_lose_their_grant(
    operator: Client, policy: Policy
) -> None:
    ADA.asks(100)
    republish(policy, spending_limits=[])
    plan(policy, 20_000, ends_at=timezone.now() + HOUR)
    url = f"{POLICIES}{policy.pk}/cancel/?version=3"
    response = operator.post(url, {"reason": "Over"})
    assert messages(response)[0].startswith("Not saved yet: ")
    assert not PlanCancellation.objects.exists()
    operator.post(url, {"reason": "Over", "leaves_without": "1"})
    assert PlanCancellation.objects.exists()


def test_planning_asks_first_where_cards_could_spend_by_it(operator: Client) -> None:
    policy = in_force("Team", unlimited=False)
    ADA.asks(100)
    times = {"published_from": local(timezone.now() + HOUR)}
    response = save(operator, policy, unlimited="on", **times)
    assert messages(response)[0].startswith("Not saved yet: ")
    assert not PlannedVersion.objects.exists()
    save(operator, policy, unlimited="on", lets_spend="1", **times)
    assert PlannedVersion.objects.exists()


def test_lists_say_what_is_in_force_and_what_follows(operator: Client, policy: Policy) -> None:
    plan(policy, 20_000, ends_at=timezone.now() + HOUR)
    listed = html(operator, POLICIES)
    assert "2 until " in listed
    assert ", then 1" in listed
    assert "€200.00" in listed
    now = html(operator, IN_FORCE)
    assert "Planned versions of policies" in now
    assert f"{POLICIES}{policy.pk}/cancel/?version=2" in now


def test_home_says_what_is_in_force_and_what_follows(operator: Client, policy: Policy) -> None:
    plan(policy, 20_000, ends_at=timezone.now() + HOUR)
    first = {"name": "Later", "unlimited": True}
    publish(first, None, times=PlannedTimes(timezone.now() + HOUR))
    home = html(operator, "/admin/")
    assert "Team: version 2 until " in home
    assert "Later: not in force yet" in home


def test_an_auditor_sees_plans_and_cancels_none(auditor: Client, policy: Policy) -> None:
    plan(policy, 20_000, begins_at=timezone.now() + HOUR)
    page = html(auditor, pages.change_url(policy))
    assert "Season" in page
    assert "/cancel/" not in page + html(auditor, IN_FORCE)
    assert auditor.get(f"{POLICIES}{policy.pk}/cancel/?version=2").status_code == 403


def test_the_history_tells_what_was_planned_and_cancelled(operator: Client, policy: Policy) -> None:
    plan(policy, 20_000, begins_at=timezone.now() + HOUR)
    planned.cancel(PlannedVersion.objects.get().version, by=None, reason="Too early")
    listed = html(operator, f"{POLICIES}{policy.pk}/history/")
    assert "Planned" in listed
    assert "version 2: Season, from " in listed
    assert "No longer planned" in listed
    assert "version 2: Season: Too early" in listed


def test_a_list_of_planned_policies_asks_as_often_as_one_of_others(
    operator: Client, policy: Policy, django_assert_max_num_queries: Any
) -> None:
    def queries() -> int:
        with django_assert_max_num_queries(100) as caught:
            operator.get(POLICIES)
        return len(caught)

    for number in range(3):
        plan(in_force(f"Other {number}"), 1, ends_at=timezone.now() + HOUR)
    few = queries()
    for number in range(3, 9):
        plan(in_force(f"Other {number}"), 1, ends_at=timezone.now() + HOUR)
    assert queries() == few


def test_what_a_policy_file_planned_was_planned_by_a_command(
    operator: Client, policy: Policy
) -> None:
    plan(policy, 5_000, begins_at=timezone.now() + HOUR)
    for url in (pages.change_url(policy), IN_FORCE):
        assert ", by a command: Season" in html(operator, url)


def test_a_version_that_waits_for_another_to_end_is_not_called_over(
    operator: Client, policy: Policy
) -> None:
    plan(policy, 5_000, ends_at=timezone.now() + HOUR)
    [first, for_a_time] = policy.versions.order_by("number")
    assert "Not in force" in html(operator, pages.change_url(first))
    assert "No longer in force" not in html(operator, pages.change_url(first))
    assert "Not in force" not in html(operator, pages.change_url(for_a_time))


def test_the_policys_page_says_in_whose_time_a_version_is_planned(
    operator: Client, policy: Policy
) -> None:
    assert html(operator, pages.change_url(policy)).count("In your time zone") == 2
