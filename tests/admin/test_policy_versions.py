"""What a policy says, its versions, and what became what between any two of them."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from authorizations.models import Card, CardGroup, Cardholder, Policy
from tests.admin import pages
from tests.admin.pages import as_shown, messages
from tests.support.desk import in_force

pytestmark = pytest.mark.django_db

ARROW = "\N{RIGHTWARDS ARROW}"


@pytest.fixture
def policy(operator: Client) -> Policy:
    """Version 1 of nobody, version 2 of the operator, version 3 of the operator."""
    made = in_force("Travel", spending_limits=[{"amount": 50_000, "interval": "monthly"}])
    change(operator, made, **{"spending_limits-0-amount": "600", "reason": "Fair"})
    change(operator, made, blocked_categories=["betting_casino_gambling"])
    return made


def change(client: Client, policy: Policy, **values: Any) -> Any:
    url = pages.change_url(policy)
    return client.post(url, as_shown(client, url) | values, follow=True)


def differences(policy: Policy, query: str = "") -> str:
    return f"{reverse('admin:authorizations_policy_differences', args=[policy.pk])}{query}"


def told(response: Any) -> list[str]:
    return [str(change) for change in response.context["changes"]]


class TestDifferences:
    def test_any_two_versions_can_be_compared_in_both_directions(
        self, auditor: Client, policy: Policy
    ) -> None:
        limit = f"Monthly limit: €500.00 {ARROW} €600.00"
        assert told(auditor.get(differences(policy, "?from=1&to=2"))) == [limit]
        both = told(auditor.get(differences(policy, "?from=1&to=3")))
        assert both[0] == limit
        assert both[1].endswith("Betting and casino gambling (7995)")
        back = told(auditor.get(differences(policy, "?from=2&to=1")))
        assert back == [f"Monthly limit: €600.00 {ARROW} €500.00"]

    def test_the_latest_two_are_compared_where_none_are_named(
        self, auditor: Client, policy: Policy
    ) -> None:
        for query in ("", "?from=99&to=x", "?from=&to="):
            response = auditor.get(differences(policy, query))
            assert (response.context["before"].number, response.context["after"].number) == (2, 3)

    def test_a_single_version_and_none_at_all_say_so(self, auditor: Client) -> None:
        one = auditor.get(differences(in_force("One"))).content.decode()
        assert "No differences." in one
        none = Policy.objects.create(name="None")
        assert "There is no version yet" in auditor.get(differences(none)).content.decode()

    def test_markup_in_a_name_is_text(self, operator: Client, policy: Policy) -> None:
        change(
            operator,
            policy,
            name="<b>Bold</b>",
            blocked_merchants=pages.merchants("<script>x</script>"),
        )
        page = operator.get(differences(policy)).content.decode()
        assert "&lt;script&gt;x&lt;/script&gt;" in page
        assert "<script>x" not in page

    def test_only_who_may_see_policies_sees_them(self, login: Any, policy: Policy) -> None:
        assert login("").get(differences(policy)).status_code == 403
        assert login("superuser").post(differences(policy)).status_code == 405
        missing = reverse("admin:authorizations_policy_differences", args=[2**70])
        assert login("Auditors").get(missing).status_code == 404


class TestVersionPage:
    def test_it_shows_sentences_the_change_its_content_and_hash(
        self, auditor: Client, policy: Policy
    ) -> None:
        version = policy.versions.get(number=2)
        page = auditor.get(pages.change_url(version)).content.decode()
        for text in ("Up to €600.00 a month.", "Not in force", "Fair", version.sha256):
            assert text in page
        assert "<del>€500.00</del>" in page
        assert "&quot;amount&quot;:60000" in page

    def test_the_first_has_nothing_before_it(self, auditor: Client, policy: Policy) -> None:
        response = auditor.get(pages.change_url(policy.versions.get(number=1)))
        assert "What changed" not in response.content.decode()


class TestPolicyPage:
    def test_its_versions_tell_what_each_one_changed(self, auditor: Client, policy: Policy) -> None:
        page = auditor.get(pages.change_url(policy)).content.decode()
        assert f"<p>Monthly limit: €500.00 {ARROW} €600.00</p>" in page
        assert "The first version" in page

    def test_it_says_where_it_is_assigned(self, operator: Client, policy: Policy) -> None:
        ada = Cardholder.objects.create(pk="ich_9", name="Ada")
        Card.objects.create(pk="ic_9", cardholder=ada, last4="4242")
        group = CardGroup.objects.create(name="Field team")
        policy.assignments.all().delete()
        assert (
            "it applies to no purchase" in operator.get(pages.change_url(policy)).content.decode()
        )
        policy.assignments.create(card_id="ic_9")
        policy.assignments.create(group=group)
        response = operator.get(pages.change_url(policy))
        assert "the card •••• 4242 of Ada</a>" in response.context["assigned"]
        assert "the group Field team</a>" in response.context["assigned"]

    def test_a_new_policy_has_no_sentences_yet(self, operator: Client) -> None:
        assert "In force:" not in operator.get(pages.add_url(Policy)).content.decode()

    def test_many_changes_at_once_are_told_in_part_with_a_link_to_all(
        self, operator: Client, policy: Policy
    ) -> None:
        response = change(
            operator,
            policy,
            name="Trips",
            time_zone="Asia/Tokyo",
            week_starts="monday",
            max_network_risk_score="80",
            usable_from="2026-01-01",
            usable_until="2026-12-31",
        )
        text = messages(response)[0]
        assert text.startswith(f"Name: Travel {ARROW} Trips. Highest network risk score: not set")
        assert f'<a href="{differences(policy)}?from=3&amp;to=4"' in text
        assert "See 2 more changes." in text


def test_the_list_tells_what_each_policy_says_who_changed_it_and_what_it_applies_to(
    auditor: Client, policy: Policy
) -> None:
    Policy.objects.create(name="Unsaved")
    page = auditor.get(pages.list_url(Policy)).content.decode()
    assert "Up to €600.00 a month; not on betting and casino gambling." in page
    assert "Every card" in page
    assert ", operations" in page
    assert "No version yet: saving creates the first one." in page
