"""Where a policy is assigned: a list with search, to which many are added at once and removed."""

from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from authorizations.models import Assignment, Card, CardGroup, Cardholder, HistoryEntry, Policy
from authorizations.services.policies.assignments import Targets, assign
from authorizations.services.policies.publish import publish
from tests.admin import pages
from tests.admin.conftest import Login
from tests.admin.pages import messages, text
from tests.services.authorize.test_races import at_once
from tests.support.desk import Shopper, in_force

pytestmark = pytest.mark.django_db

LIMIT: dict[str, Any] = {"spending_limits": [{"amount": 50_000, "interval": "monthly"}]}


def make(name: str = "Travel", **document: Any) -> Policy:
    """In force, and assigned to nobody."""
    usual = {"currency": "eur", **LIMIT}
    return publish({"name": name} | usual | document, author=None).version.policy


@pytest.fixture
def policy() -> Policy:
    """It opens nothing: whoever is assigned has a grant already."""
    in_force("Baseline", **LIMIT)
    return make()


def url(policy: Policy, page: str) -> str:
    return reverse(f"admin:authorizations_policy_{page}", args=[policy.pk])


def send(client: Client, policy: Policy, **sent: Any) -> Any:
    return client.post(url(policy, "assign"), sent, follow=True)


def wrong(response: Any) -> dict[str, list[str]]:
    return {name: list(texts) for name, texts in response.context["form"].errors.items()}


def scopes(policy: Policy) -> set[str]:
    return set(policy.assignments.values_list("scope", flat=True))


class TestAssigning:
    def test_a_group_and_the_program_can_have_limits_that_each_have_for_themselves(
        self, operator: Client, policy: Policy
    ) -> None:
        group = CardGroup.objects.create(name="Field team")
        told = send(
            operator,
            policy,
            program="on",
            program_each="cardholder",
            groups=[group.pk],
            group_each="card",
        )
        assert set(policy.assignments.values_list("scope", "each")) == {
            ("program:", "cardholder"),
            (f"group:{group.pk}", "card"),
        }
        [said] = messages(told)
        assert said == (
            "Now applies to every card (each cardholder's own), the group Field team (each card's "
            "own)."
        )

    def test_what_is_chosen_for_groups_counts_for_groups_alone(
        self, operator: Client, policy: Policy
    ) -> None:
        Shopper().asks(100)
        send(operator, policy, cards="ic_1", group_each="card", program_each="cardholder")
        assert policy.assignments.get().each == ""

    def test_whose_limits_can_be_changed_later(
        self, operator: Client, auditor: Client, policy: Policy
    ) -> None:
        group = CardGroup.objects.create(name="Field team")
        row = Assignment.objects.create(policy=policy, group=group)
        page = reverse("admin:authorizations_policy_each", args=[policy.pk, row.pk])
        assert page in operator.get(url(policy, "assignments")).content.decode()
        assert page not in auditor.get(url(policy, "assignments")).content.decode()
        assert auditor.post(page, {"each": "card"}).status_code == 403
        asked = text(operator.get(page))
        assert "The limits of the group Field team are one shared budget now." in asked
        told = operator.post(page, {"each": "cardholder"}, follow=True)
        row.refresh_from_db()
        assert row.each == "cardholder"
        [said] = messages(told)
        assert said == (
            "The limits of the group Field team are each cardholder's own in this group, from the "
            "next purchase on."
        )
        assert "is not one of the available choices" in text(operator.post(page, {"each": "all"}))
        [entry] = HistoryEntry.objects.filter(kind="assignment", operation="update")
        assert [state and state["each"] for state in (entry.before, entry.after)] == [
            "",
            "cardholder",
        ]

    def test_assigned_again_the_limits_stay_whose_they_were_and_the_page_says_so(
        self, operator: Client, policy: Policy
    ) -> None:
        group = CardGroup.objects.create(name="Field team")
        for _ in range(2):
            told = send(operator, policy, program="on", groups=[group.pk])
        assert messages(told) == ["Nothing to do: the policy is already assigned there."]
        chosen = {"program_each": "cardholder", "group_each": "card"}
        told = send(operator, policy, program="on", groups=[group.pk], **chosen)
        kept = "as before: “Whose limits” in this list changes that."
        assert sorted(messages(told)) == [
            "Nothing to do: the policy is already assigned there.",
            f"The limits of every card are each card's own, {kept}",
            f"The limits of the group Field team are one shared budget, {kept}",
        ]
        assert set(policy.assignments.values_list("each", flat=True)) == {""}

    def test_of_one_card_there_is_no_such_page(self, operator: Client, policy: Policy) -> None:
        Shopper().asks(100)
        row = Assignment.objects.create(policy=policy, card=Card.objects.get())
        page = reverse("admin:authorizations_policy_each", args=[policy.pk, row.pk])
        assert operator.get(page).status_code == 404

    def test_each_kind_of_scope_can_be_chosen_and_all_at_once(
        self, operator: Client, policy: Policy
    ) -> None:
        Shopper().asks(100)
        group = CardGroup.objects.create(name="Field team")
        told = send(
            operator, policy, program="on", groups=[group.pk], cardholders="ich_1", cards="ic_1"
        )
        assert scopes(policy) == {"program:", "card:ic_1", "cardholder:ich_1", f"group:{group.pk}"}
        [said] = messages(told)
        assert said == (
            "Now applies to every card, the group Field team, the cardholder Ada Lovelace, the "
            "card •••• 0005 of Ada Lovelace."
        )
        assert HistoryEntry.objects.filter(kind="assignment", subject_id=policy.pk).count() == 4

    def test_ids_and_last_digits_are_pasted_as_a_sheet_has_them(
        self, operator: Client, policy: Policy
    ) -> None:
        Cardholder.objects.create(id="ich_1", name="Ada")
        for number in range(3):
            Card.objects.create(id=f"ic_{number}", last4=f"000{number}")
        told = send(operator, policy, pasted='ic_0\n"ic_1", ich_1\n•••• 0002')
        assert scopes(policy) == {"card:ic_0", "card:ic_1", "card:ic_2", "cardholder:ich_1"}
        again = send(operator, policy, pasted="ic_0\nic_1")
        assert messages(again) == ["Nothing to do: the policy is already assigned there."]
        assert text(told).count("the card •••• ") == 3

    def test_what_cannot_be_read_is_told_by_its_line_and_nothing_is_lost(
        self, operator: Client, policy: Policy
    ) -> None:
        for number in range(2):
            Card.objects.create(id=f"ic_{number}", last4="4242")
        pasted = "ic_0\n4242\n0000 ic_none\nich_none\nCamille"
        refused = send(operator, policy, pasted=pasted)
        assert wrong(refused) == {
            "pasted": [
                "Line 2: 2 cards end in 4242: paste the id of the right one.",
                "Line 3: no card here ends in 0000.",
                "Line 3: there is no card ic_none here yet. Add it first.",
                "Line 4: there is no cardholder ich_none here yet. Add it first.",
                (
                    "Line 5: “Camille” is neither the id of a card (ic_…) or cardholder (ich_…) "
                    "nor last four digits."
                ),
            ]
        }
        assert refused.context["form"]["pasted"].value() == pasted
        assert not scopes(policy)
        many = wrong(send(operator, policy, pasted="no\n" * 30))["pasted"]
        assert (len(many), many[-1]) == (11, "And 20 more.")

    def test_too_many_at_once_and_nothing_at_all_are_refused(
        self, operator: Client, policy: Policy
    ) -> None:
        assert wrong(send(operator, policy)) == {
            "__all__": ["Choose or paste what the policy should apply to."]
        }
        [told] = wrong(send(operator, policy, pasted="ic_1\n" * 10_001))["pasted"]
        assert told == "These are 10,001: paste up to 10,000 at a time."

    def test_a_replacement_card_stands_for_its_chain(
        self, operator: Client, policy: Policy
    ) -> None:
        Shopper().asks(100)
        Shopper(card_id="ic_2", card={"replacement_for": "ic_1", "last4": "0002"}).asks(100)
        told = send(operator, policy, cards="ic_2")
        assert scopes(policy) == {"card:ic_1"}
        assert any("0002 (ic_2) is a replacement" in said for said in messages(told))

    def test_many_by_their_number(self, operator: Client, policy: Policy) -> None:
        Card.objects.bulk_create(Card(pk=f"ic_{n}", root_id=f"ic_{n}") for n in range(60))
        send(operator, policy, pasted="ic_0 ic_1")
        told = send(operator, policy, program="on", pasted=" ".join(f"ic_{n}" for n in range(60)))
        assert messages(told) == ["Now applies to every card and 58 cards. 2 already had it."]

    def test_cards_that_could_not_spend_before_are_asked_about_first(
        self, operator: Client
    ) -> None:
        policy = make()
        for number in range(2):
            Card.objects.create(id=f"ic_{number}", currency="eur")
        refused = send(operator, policy, cards=["ic_0", "ic_1"])
        asked = "2 cards could spend that could not before."
        assert wrong(refused) == {"lets_spend": [f"{asked} To confirm, tick this and save again."]}
        [told] = messages(refused)
        assert told.startswith(f"Not saved yet: {asked} To confirm, tick “Let 2 cards spend”")
        assert not scopes(policy)
        assert list(wrong(send(operator, policy, cards=["ic_0", "ic_1"], lets_spend="1")))
        assert not scopes(policy)
        send(operator, policy, cards=["ic_0", "ic_1"], lets_spend="2")
        assert scopes(policy) == {"card:ic_0", "card:ic_1"}

    def test_cards_whose_currency_it_declines_are_asked_about_first(self, operator: Client) -> None:
        in_force("Baseline", **LIMIT)
        Card.objects.create(id="ic_0", currency="eur")
        pounds = make("Pounds", currency="gbp")
        refused = send(operator, pounds, cards="ic_0")
        [asked] = wrong(refused)["leaves_without"]
        lost = "1 card loses every grant: everything it asks for will be declined."
        assert asked.startswith(lost)
        told = messages(send(operator, pounds, cards="ic_0", leaves_without="1"))
        assert any("no amount limit in the currency of some of its cards" in said for said in told)

    def test_a_policy_in_force_nowhere_can_be_assigned(self, operator: Client) -> None:
        policy = Policy.objects.create(name="Draft")
        Card.objects.create(id="ic_0", currency="eur")
        send(operator, policy, cards="ic_0")
        assert scopes(policy) == {"card:ic_0"}

    def test_a_new_policy_leads_on_to_where_it_is_assigned(self, operator: Client) -> None:
        sent = pages.as_shown(operator, pages.add_url(Policy)) | {"name": "New", "unlimited": "on"}
        answer = operator.post(pages.add_url(Policy), sent)
        assert answer["Location"] == url(Policy.objects.get(), "assign")

    def test_who_may_edit_policies_but_not_assign_them_cannot(self, login: Login) -> None:
        client = login("")
        user = User.objects.get(username="nobody")
        wanted = ("view_policy", "change_policy", "add_policy", "view_assignment")
        user.user_permissions.set(Permission.objects.filter(codename__in=wanted))
        policy = make()
        assert client.get(url(policy, "assignments")).status_code == 200
        assert client.get(url(policy, "assign")).status_code == 403
        assert client.post(url(policy, "unassign"), {"key": "1"}).status_code == 403
        sent = pages.as_shown(client, pages.add_url(Policy)) | {"name": "New", "unlimited": "on"}
        assert client.post(pages.add_url(Policy), sent)["Location"] == pages.list_url(Policy)


class TestTheList:
    @pytest.fixture
    def assigned(self, policy: Policy) -> Policy:
        Cardholder.objects.create(id="ich_1", name="Zoë Laurent")
        group = CardGroup.objects.create(name="Équipe")
        Card.objects.create(id="ic_1", last4="4242", cardholder_id="ich_1")
        Card.objects.create(id="ic_2", last4="0002")
        targets = Targets(True, (group.pk,), ("ich_1",), ("ic_1", "ic_2"))
        assign(policy, targets)
        return policy

    @pytest.mark.parametrize(
        ("term", "found"),
        [
            ("", 5),
            ("equipe", 1),
            ("ZOE", 2),
            ("ich_1", 1),
            ("ic_2", 1),
            ("•••• 4242", 1),
            ("nobody", 0),
        ],
    )
    def test_it_is_searched_by_name_id_and_digits(
        self, auditor: Client, assigned: Policy, term: str, found: int
    ) -> None:
        shown = auditor.get(url(assigned, "assignments"), {"q": term})
        assert (len(shown.context["rows"]), shown.context["number"]) == (found, found)
        assert "Remove" not in text(shown)

    def test_it_has_pages(self, operator: Client, policy: Policy) -> None:
        Card.objects.bulk_create(Card(pk=f"ic_{n}", root_id=f"ic_{n}") for n in range(120))
        Assignment.objects.bulk_create(
            Assignment(policy=policy, card_id=f"ic_{n}") for n in range(120)
        )
        seen: list[int] = []
        place = url(policy, "assignments")
        while True:
            shown = operator.get(place)
            seen += [row["key"] for row in shown.context["rows"]]
            older = shown.context["pages"]["older_url"]
            if not older:
                break
            place = url(policy, "assignments") + older
        assert seen == sorted(policy.assignments.values_list("pk", flat=True), reverse=True)
        assert len(seen) == 120
        assert operator.get(url(policy, "assignments") + "?before=nonsense").status_code == 200

    def test_what_removing_does_is_said_in_numbers_before_it_is_done(
        self, operator: Client
    ) -> None:
        policy = make()
        Card.objects.bulk_create(
            Card(pk=f"ic_{n}", root_id=f"ic_{n}", currency="eur") for n in range(60)
        )
        Assignment.objects.create(policy=policy, program=True)
        [key] = policy.assignments.values_list("pk", flat=True)
        asked = operator.post(url(policy, "unassign"), {"key": key})
        lost = "60 cards lose every grant: everything they ask for will be declined."
        assert lost in text(asked)
        assert "Travel will no longer apply to every card." in text(asked)
        assert scopes(policy) == {"program:"}

        fewer = {"key": key, "confirmed": "yes", "leaves_without": "59"}
        again = operator.post(url(policy, "unassign"), fewer)
        assert "Not removed yet: the effect has grown since this page was shown." in messages(again)
        assert scopes(policy) == {"program:"}

        done = operator.post(url(policy, "unassign"), fewer | {"leaves_without": "60"}, follow=True)
        assert scopes(policy) == set()
        assert messages(done)[0] == "No longer applies to every card."
        assert messages(done)[1].startswith("60 cards can no longer spend")
        nothing = operator.post(url(policy, "unassign"), fewer, follow=True)
        assert messages(nothing) == [
            "Nothing to remove: choose assignments that are still in the list."
        ]

    def test_all_that_were_found_are_removed_and_no_later_ones(
        self, operator: Client, assigned: Policy
    ) -> None:
        shown = operator.get(url(assigned, "assignments"), {"q": "zoe"})
        all_found = {"all": shown.context["newest"], "q": "zoe"}
        Card.objects.create(id="ic_3", cardholder_id="ich_1")
        assign(assigned, Targets(cards=("ic_3",)))
        asked = operator.post(url(assigned, "unassign"), all_found)
        assert "No card loses its last grant by that." in text(asked)
        operator.post(url(assigned, "unassign"), all_found | {"confirmed": "yes"})
        left = {scope for scope in scopes(assigned) if not scope.startswith("group")}
        assert left == {"program:", "card:ic_2", "card:ic_3"}

    def test_assignments_of_another_policy_cannot_be_named(
        self, operator: Client, assigned: Policy
    ) -> None:
        other = make("Other")
        key = assigned.assignments.order_by("pk").first()
        assert key
        operator.post(url(other, "unassign"), {"key": key.pk, "confirmed": "yes"})
        assert assigned.assignments.count() == 5


@pytest.mark.django_db(transaction=True)
class TestAtTheSameMoment:
    def test_cards_beyond_the_first_get_it_once_that_is_committed(self, operator: Client) -> None:
        in_force("Baseline", **LIMIT)
        policy = make()
        Card.objects.bulk_create(Card(pk=f"ic_{n}", root_id=f"ic_{n}") for n in range(250))
        Card.objects.filter(pk="ic_249").update(root="ic_0", replacement_for="ic_0")
        send(operator, policy, pasted="\n".join(f"ic_{n}" for n in range(250)))
        assert scopes(policy) == {f"card:ic_{n}" for n in range(249)}

    def test_two_who_assign_the_same_and_one_who_removes_never_deadlock(self, login: Login) -> None:
        in_force("Baseline", **LIMIT)
        policy = make()
        Card.objects.bulk_create(Card(pk=f"ic_{n}", root_id=f"ic_{n}") for n in range(150))
        pasted = "\n".join(f"ic_{n}" for n in range(150))
        clients = [login(role) for role in ("Operations", "superuser")]

        def add(client: Client) -> set[int]:
            return {send(client, policy, pasted=pasted).status_code for _ in range(3)}

        def remove() -> set[int]:
            all_there = {"all": str(2**60), "confirmed": "yes"}
            return {
                clients[0].post(url(policy, "unassign"), all_there).status_code for _ in range(3)
            }

        answers = at_once(partial(add, clients[0]), partial(add, clients[1]), remove)
        assert set().union(*answers) <= {200, 302}
        send(clients[0], policy, pasted=pasted)
        assert len(scopes(policy)) == 150
