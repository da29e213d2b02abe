"""Two people at one policy: the second is told, and nothing is overwritten or lost."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from authorizations.models import Card, CardGroup, Policy, PolicyVersion
from authorizations.services.policies.files import export_policies, import_policies
from tests.admin import pages
from tests.admin.conftest import Login
from tests.admin.pages import Sent, added, as_sent, as_shown, errors, messages
from tests.services.authorize.test_races import at_once
from tests.support.desk import amounts, in_force, republish, says

LIMITS = "spending_limits"
ARROW = "\N{RIGHTWARDS ARROW}"


@pytest.fixture
def policy(db: None) -> Policy:
    limits = [
        {"amount": 50_000, "interval": "monthly"},
        {"amount": 90_000, "interval": "yearly"},
    ]
    return in_force("Travel", spending_limits=limits)


@pytest.fixture
def other(login: Login) -> Client:
    return login("superuser")


def save(client: Client, policy: Policy, sent: Sent) -> Any:
    return client.post(pages.change_url(policy), sent, follow=True)


def conflict(response: Any) -> Any:
    return response.context["adminform"].form.fields["shown"].conflict


class TestTwoPeople:
    @pytest.fixture
    def opened(self, operator: Client, policy: Policy) -> Sent:
        """The page as the operator has it open, while others save."""
        return as_shown(operator, pages.change_url(policy))

    @pytest.fixture
    def others(self, other: Client, policy: Policy) -> Callable[..., Any]:
        def change(**values: Any) -> Any:
            url = pages.change_url(policy)
            return other.post(url, as_shown(other, url) | values, follow=True)

        return change

    def test_the_second_is_told_who_saved_what_and_keeps_what_they_typed(
        self, operator: Client, policy: Policy, opened: Sent, others: Callable[..., Any]
    ) -> None:
        others(**{f"{LIMITS}-0-amount": "600"})
        response = save(operator, policy, opened | {"name": "Journeys"})
        assert list(errors(response)) == ["shown"]
        assert conflict(response).saved.by == "superuser"
        assert conflict(response).changes == [f"Monthly limit: €500.00 {ARROW} €600.00"]
        page = response.content.decode()
        assert f"Monthly limit: €500.00 {ARROW} €600.00" in page
        assert ">Version 2</a>" in page
        assert as_sent(response)["name"] == "Journeys"
        policy.refresh_from_db()
        assert (policy.name, amounts(policy)) == ("Travel", [60_000, 90_000])

    def test_what_they_did_not_touch_takes_the_newer_value_and_is_marked(
        self, operator: Client, policy: Policy, opened: Sent, others: Callable[..., Any]
    ) -> None:
        others(**{f"{LIMITS}-0-amount": "600", "max_network_risk_score": "80"})
        refused = save(operator, policy, opened | {"name": "Journeys"})
        assert [(it.name, it.words) for it in conflict(refused).taken] == [
            ("max_network_risk_score", "80"),
            (f"{LIMITS}-0-amount", "€600.00"),
        ]
        assert f'data-field="{LIMITS}-0-amount" data-kind="taken"' in refused.content.decode()
        assert conflict(refused).choices == []
        page = as_sent(refused)
        assert (page["name"], page[f"{LIMITS}-0-amount"]) == ("Journeys", "€600.00")
        told = messages(save(operator, policy, page))
        assert told[0] == (
            f"Name: Travel {ARROW} Journeys. Version 3 is in force from the next purchase on."
        )
        assert amounts(policy) == [60_000, 90_000]
        assert "The page was sent twice and saved once." in messages(save(operator, policy, page))

    def test_two_who_change_different_figures_of_one_policy_lose_neither(
        self, operator: Client, other: Client
    ) -> None:
        """One raises the month from ¥200,000 to ¥210,000, one the day's purchases from 5 to 8."""
        limits = [{"amount": 200_000, "interval": "monthly"}, {"count": 5, "interval": "daily"}]
        policy = in_force("Tokyo", currency="jpy", spending_limits=limits)
        url = pages.change_url(policy)
        opened = as_shown(operator, url)
        save(other, policy, as_shown(other, url) | {f"{LIMITS}-0-amount": "210,000"})
        refused = save(operator, policy, opened | {f"{LIMITS}-1-count": "8"})
        save(operator, policy, as_sent(refused))
        limits = says(policy)["spending_limits"]
        assert [(it.get("amount"), it.get("count")) for it in limits] == [
            (210_000, None),
            (None, 8),
        ]

    @pytest.mark.parametrize("outcome", [("mine", 70_000), ("theirs", 60_000)])
    def test_only_what_both_changed_needs_a_choice(
        self,
        operator: Client,
        policy: Policy,
        opened: Sent,
        others: Callable[..., Any],
        outcome: tuple[str, int],
    ) -> None:
        others(**{f"{LIMITS}-0-amount": "600"})
        first = opened[f"{LIMITS}-0-id"]
        mine = {f"{LIMITS}-0-amount": "700", f"{LIMITS}-1-amount": "1000"}
        refused = save(operator, policy, opened | mine)
        [choice] = conflict(refused).choices
        assert (choice.label, choice.mine, choice.theirs) == (
            "€600.00 a month, Amount",
            "700",
            "€600.00",
        )
        for _ in range(2):  # saving once more is no choice
            refused = save(operator, policy, as_sent(refused))
            assert errors(refused) == {"shown": ["Choose which value to keep."]}
            assert "Choose which value" in refused.content.decode()
            assert conflict(refused).choices == [choice]
        assert amounts(policy) == [60_000, 90_000]
        name = f"choose-{LIMITS}:{first}:amount"
        assert f'name="{name}" value="{outcome[0]}"' in refused.content.decode()
        chosen, amount = outcome
        save(operator, policy, as_sent(refused) | {name: chosen})
        assert amounts(policy) == [amount, 100_000]

    def test_hours_are_merged_row_by_row(self, operator: Client, other: Client) -> None:
        hours = [
            {"days": ["mon"], "from": "08:00", "to": "12:00"},
            {"days": ["tue"], "from": "08:00", "to": "12:00"},
        ]
        policy = in_force("Hours", schedule=hours)
        url = pages.change_url(policy)
        opened = as_shown(operator, url)
        save(other, policy, as_shown(other, url) | {"schedule-0-end": "13:00"})
        refused = save(operator, policy, opened | {"schedule-1-end": "14:00"})
        assert conflict(refused).choices == []
        save(operator, policy, as_sent(refused))
        assert [entry["to"] for entry in says(policy)["schedule"]] == ["13:00", "14:00"]

    def test_conditions_are_merged_row_by_row(self, operator: Client, other: Client) -> None:
        policy = in_force("Fuel", any_of=[{"categories": ["5542"]}, {"countries": ["FR"]}])
        url = pages.change_url(policy)
        opened = as_shown(operator, url)
        save(other, policy, as_shown(other, url) | {"any_of-0-countries": ["BE"]})
        refused = save(operator, policy, opened | {"any_of-1-merchants": ["is", "Total"]})
        assert conflict(refused).choices == []
        save(operator, policy, as_sent(refused))
        assert says(policy)["any_of"] == [
            {"categories": ["5542"], "countries": ["BE"]},
            {"countries": ["FR"], "merchants": [{"is": "Total"}]},
        ]

    @pytest.mark.parametrize(
        ("chosen", "countries"),
        [("mine", ["DE", "FR"]), ("theirs", ["BE"]), ("both", ["BE", "DE"])],
    )
    def test_of_a_list_that_both_changed_both_changes_can_be_taken(
        self, operator: Client, other: Client, chosen: str, countries: list[str]
    ) -> None:
        policy = in_force("Places", allowed_merchant_countries=["FR"])
        url = pages.change_url(policy)
        opened = as_shown(operator, url)
        field = "allowed_merchant_countries"
        save(other, policy, as_shown(other, url) | {field: ["BE"]})
        refused = save(operator, policy, opened | {field: ["FR", "DE"]})
        [choice] = conflict(refused).choices
        assert (choice.mine, choice.theirs, choice.both) == (
            "France (FR), Germany (DE)",
            "Belgium (BE)",
            "Belgium (BE), Germany (DE)",
        )
        save(operator, policy, as_sent(refused) | {f"choose-{field}": chosen})
        assert says(policy)["allowed_merchant_countries"] == countries

    def test_lists_of_merchants_are_merged_entry_by_entry(
        self, operator: Client, other: Client
    ) -> None:
        policy = in_force("Shops", blocked_merchants=["Casino", {"is": "Uber"}])
        url = pages.change_url(policy)
        opened = as_shown(operator, url)
        field = "blocked_merchants"
        theirs = ["is", "Uber", "id_or_contains", "Casino", "network_id", "42"]
        save(other, policy, as_shown(other, url) | {field: theirs})
        refused = save(operator, policy, opened | {field: ["is", "Uber", "contains", "Bar"]})
        [choice] = conflict(refused).choices
        assert choice.both == "Network id: 42, Name is: Uber, Name contains: Bar"
        save(operator, policy, as_sent(refused) | {f"choose-{field}": "both"})
        assert says(policy)["blocked_merchants"] == [
            {"network_id": "42"},
            {"is": "Uber"},
            {"contains": "Bar"},
        ]

    @pytest.mark.parametrize("outcome", [("mine", [90_000]), ("theirs", [60_000, 90_000])])
    def test_a_row_removed_here_and_changed_there_needs_a_choice(
        self,
        operator: Client,
        policy: Policy,
        opened: Sent,
        others: Callable[..., Any],
        outcome: tuple[str, list[int]],
    ) -> None:
        first = opened[f"{LIMITS}-0-id"]
        others(**{f"{LIMITS}-0-amount": "600"})
        refused = save(operator, policy, opened | {f"{LIMITS}-0-DELETE": "on"})
        [choice] = conflict(refused).choices
        assert (choice.mine, choice.theirs) == (
            "Remove it",
            "Keep it as it is now (Amount: €600.00)",
        )
        chosen, left = outcome
        page = as_sent(refused) | {f"choose-{LIMITS}:{first}:DELETE": chosen}
        save(operator, policy, page)
        assert amounts(policy) == left

    def test_a_row_removed_here_and_untouched_there_is_removed(
        self, operator: Client, policy: Policy, opened: Sent, others: Callable[..., Any]
    ) -> None:
        others(name="Journeys")
        refused = save(operator, policy, opened | {f"{LIMITS}-0-DELETE": "on"})
        save(operator, policy, as_sent(refused))
        policy.refresh_from_db()
        assert (policy.name, amounts(policy)) == ("Journeys", [90_000])

    def test_a_change_in_between_the_two_tries_is_told_as_well(
        self, operator: Client, policy: Policy, opened: Sent, others: Callable[..., Any]
    ) -> None:
        others(**{f"{LIMITS}-0-amount": "600"})
        refused = save(operator, policy, opened | {"name": "Journeys"})
        others(**{f"{LIMITS}-0-amount": "700"})
        again = save(operator, policy, as_sent(refused))
        assert conflict(again).changes == [f"Monthly limit: €600.00 {ARROW} €700.00"]

    @pytest.mark.parametrize(
        "outcome", [("mine", [90_000, 700, 45_000]), ("theirs", [90_000, 700])]
    )
    def test_a_row_that_was_changed_here_and_removed_there_needs_a_choice(
        self,
        operator: Client,
        other: Client,
        policy: Policy,
        opened: Sent,
        outcome: tuple[str, list[int]],
    ) -> None:
        url = pages.change_url(policy)
        gone = opened[f"{LIMITS}-0-id"]
        theirs = added(as_shown(other, url), LIMITS, amount="7", interval="daily")
        save(other, policy, theirs | {f"{LIMITS}-0-DELETE": "on"})
        assert amounts(policy) == [90_000, 700]
        refused = save(operator, policy, opened | {f"{LIMITS}-0-amount": "450"})
        page = as_sent(refused)
        shown = [page[f"{LIMITS}-{n}-amount"] for n in range(int(page[f"{LIMITS}-TOTAL_FORMS"]))]
        assert shown == ["€900.00", "€7.00", "450"]
        assert not any(page.get(f"{LIMITS}-{n}-DELETE") for n in range(3))
        [choice] = conflict(refused).choices
        assert (choice.label, choice.mine, choice.theirs) == (
            "€500.00 a month",
            "Keep it, as a new one (Amount: 450)",
            "Leave it out",
        )
        refused = save(operator, policy, page)
        assert conflict(refused).choices == [choice]
        chosen, left = outcome
        save(operator, policy, as_sent(refused) | {f"choose-{LIMITS}:gone:{gone}": chosen})
        assert amounts(policy) == left

    def test_a_row_that_was_removed_there_and_not_touched_here_is_gone(
        self, operator: Client, policy: Policy, opened: Sent, others: Callable[..., Any]
    ) -> None:
        others(**{f"{LIMITS}-0-DELETE": "on"})
        typed = added(opened, LIMITS, amount="7", interval="daily")
        refused = save(operator, policy, typed)
        [taken] = conflict(refused).taken
        assert (taken.label, taken.words) == ("€500.00 a month", "removed")
        save(operator, policy, as_sent(refused))
        assert amounts(policy) == [90_000, 700]

    def test_a_row_put_in_front_of_others_moves_what_was_typed_in_none_of_them(
        self, operator: Client, policy: Policy, opened: Sent
    ) -> None:
        first, second = says(policy)["spending_limits"]
        daily = {"amount": 700, "interval": "daily"}
        republish(policy, spending_limits=[daily, second | {"amount": 95_000}, first])
        refused = save(operator, policy, opened | {f"{LIMITS}-0-count": "", "name": "Journeys"})
        assert [(it.label, it.words) for it in conflict(refused).taken] == [
            ("€7.00 a day", "added"),
            ("€950.00 a year, Amount", "€950.00"),
        ]
        page = as_sent(refused) | {f"{LIMITS}-2-amount": "510"}
        republish(policy, spending_limits=[second | {"amount": 95_000}, first])
        again = save(operator, policy, page)
        assert [(it.label, it.words) for it in conflict(again).taken] == [
            ("€7.00 a day", "removed")
        ]
        save(operator, policy, as_sent(again))
        assert amounts(policy) == [95_000, 51_000]

    def test_a_row_of_which_two_things_changed_there_is_a_row_removed_and_one_added(
        self, operator: Client, policy: Policy, opened: Sent, others: Callable[..., Any]
    ) -> None:
        others(**{f"{LIMITS}-0-amount": "30", f"{LIMITS}-0-interval": "daily"})
        refused = save(operator, policy, opened | {f"{LIMITS}-0-categories": ["7995"]})
        [choice] = conflict(refused).choices
        assert (choice.label, choice.theirs) == ("€500.00 a month", "Leave it out")
        assert [(it.label, it.words) for it in conflict(refused).taken] == [
            ("€30.00 a day", "added")
        ]
        save(operator, policy, as_sent(refused) | {f"choose-{choice.key}": "theirs"})
        assert amounts(policy) == [3_000, 90_000]

    def test_an_assignment_made_in_the_meantime_is_no_matter_of_this_page(
        self, operator: Client, other: Client, policy: Policy, opened: Sent
    ) -> None:
        group = CardGroup.objects.create(name="Field team")
        other.post(
            reverse("admin:authorizations_policy_assign", args=[policy.pk]), {"groups": group.pk}
        )
        saved = save(operator, policy, opened | {"name": "Journeys"})
        assert saved.redirect_chain
        assert policy.assignments.filter(group=group).exists()

    def test_a_policy_file_in_the_meantime_is_told_too(
        self, operator: Client, policy: Policy, opened: Sent
    ) -> None:
        file = export_policies()
        file["policies"][0]["spending_limits"][0]["amount"] = 1
        import_policies(json.dumps(file))
        refused = save(operator, policy, opened)
        assert conflict(refused).saved.by == "A command"
        assert conflict(refused).changes == [f"Monthly limit: €500.00 {ARROW} €0.01"]
        save(operator, policy, as_sent(refused) | {"name": "Journeys"})
        assert amounts(policy) == [1, 90_000]

    def test_other_mistakes_are_told_at_the_same_time(
        self, operator: Client, policy: Policy, opened: Sent, others: Callable[..., Any]
    ) -> None:
        others(name="Trips")
        response = save(operator, policy, opened | {f"{LIMITS}-0-amount": "12.345"})
        assert set(errors(response)) == {"shown", f"{LIMITS}-0-amount"}

    def test_a_mark_that_cannot_be_read_is_refused(
        self, operator: Client, policy: Policy, opened: Sent
    ) -> None:
        response = save(operator, policy, opened | {"shown": "made up", "name": "Journeys"})
        assert list(errors(response)) == ["shown"]
        again = save(operator, policy, as_sent(response))
        assert [choice.key for choice in conflict(again).choices] == ["name"]
        save(operator, policy, as_sent(again) | {"choose-name": "mine"})
        policy.refresh_from_db()
        assert policy.name == "Journeys"


class TestTheSamePageTwice:
    def test_a_changed_policy_is_saved_once(self, operator: Client, policy: Policy) -> None:
        url = pages.change_url(policy)
        sent = added(as_shown(operator, url), LIMITS, amount="7", interval="daily")
        sent |= {f"{LIMITS}-0-DELETE": "on"}
        save(operator, policy, sent)
        again = save(operator, policy, sent)
        assert "The page was sent twice and saved once." in messages(again)
        assert amounts(policy) == [90_000, 700]
        assert policy.versions.count() == 2

    def test_a_new_policy_is_made_once(self, operator: Client) -> None:
        url = pages.add_url(Policy)
        sent = as_shown(operator, url) | {"name": "New"}
        for _ in range(2):
            response = operator.post(url, sent)
            assign = reverse("admin:authorizations_policy_assign", args=[Policy.objects.get().pk])
            assert (response.status_code, response["Location"]) == (302, assign)

    def test_the_same_by_somebody_else_is_no_second_click(
        self, operator: Client, other: Client, policy: Policy
    ) -> None:
        sent = as_shown(operator, pages.change_url(policy)) | {"name": "Journeys"}
        save(operator, policy, sent)
        assert conflict(save(other, policy, sent)).saved.by == "operations"


def status(client: Client, url: str, sent: Sent) -> int:
    return client.post(url, sent).status_code


@pytest.mark.django_db(transaction=True)
class TestAtTheSameMoment:
    def test_of_two_pages_one_is_saved_and_one_refused(
        self, operator: Client, other: Client, policy: Policy
    ) -> None:
        url = pages.change_url(policy)
        for turn in range(5):
            mine = as_shown(operator, url) | {"name": f"Mine {turn}"}
            theirs = as_shown(other, url) | {"name": f"Theirs {turn}"}
            answers = at_once(
                partial(status, operator, url, mine), partial(status, other, url, theirs)
            )
            assert sorted(answers) == [200, 302]
        assert PolicyVersion.objects.filter(policy=policy).count() == 1 + 5

    def test_a_double_click_saves_once(self, operator: Client, policy: Policy) -> None:
        url = pages.change_url(policy)
        sent = added(as_shown(operator, url), LIMITS, amount="7", interval="daily")
        clicks = [partial(status, operator, url, sent)] * 3
        assert at_once(*clicks) == [302, 302, 302]
        assert amounts(policy) == [50_000, 90_000, 700]

    def test_a_double_clicked_new_policy_is_made_once(self, operator: Client) -> None:
        url = pages.add_url(Policy)
        sent = as_shown(operator, url) | {"name": "New"}
        clicks = [partial(status, operator, url, sent)] * 3
        assert at_once(*clicks) == [302, 302, 302]
        assert Policy.objects.count() == 1

    def test_of_two_new_policies_with_one_name_the_second_is_told(
        self, operator: Client, other: Client
    ) -> None:
        url = pages.add_url(Policy)
        typed = as_shown(operator, url) | {"name": "New"}
        clients = (operator, other)
        answers = at_once(*(partial(client.post, url, typed) for client in clients))
        [refused] = [answer for answer in answers if answer.status_code == 200]
        assert errors(refused) == {
            "name": ["Another policy has this name: choose a different one."]
        }

    def test_pages_and_policy_files_wait_for_each_other_and_never_deadlock(
        self, operator: Client, policy: Policy
    ) -> None:
        cards = [Card.objects.create(pk=f"ic_{n}") for n in range(3)]
        url = pages.change_url(policy)
        assign = reverse("admin:authorizations_policy_assign", args=[policy.pk])
        file = export_policies()
        file["assignments"] += [{"policy": "Travel", "card": card.pk} for card in cards]

        def by_page() -> set[int]:
            answers = set()
            for turn in range(8):
                sent = as_shown(operator, url) | {"reason": f"{turn}"}
                answers.add(operator.post(url, sent).status_code)
                answers.add(operator.post(assign, {"cards": "ic_2"}).status_code)
            return answers

        def by_file() -> None:
            for turn in range(8):
                file["policies"][0]["spending_limits"][0]["amount"] = turn
                import_policies(json.dumps(file))

        answers, _ = at_once(by_page, by_file)
        assert answers <= {200, 302}
