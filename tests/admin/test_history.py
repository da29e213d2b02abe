"""The change history in the admin: every change in words, on the object's page and in one list."""

import html
import re
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from authorizations.admin.history.of_object import history_of
from authorizations.models import (
    Card,
    CardGroup,
    Cardholder,
    HistoryEntry,
    Policy,
    PolicyVersion,
)
from authorizations.services.policies.assignments import change_each
from authorizations.services.policies.files import import_policies
from authorizations.services.runtime.actor import acting
from tests.admin import pages
from tests.admin.conftest import Login
from tests.support.desk import Shopper, in_force, publish_amount

pytestmark = pytest.mark.django_db

LIST = "/admin/authorizations/historyentry/"


def history_url(row: Model) -> str:
    return pages.change_url(row).replace("/change/", "/history/")


def text(response: Any) -> str:
    """What a person reads."""
    assert response.status_code == 200
    plain = re.sub(
        r"<(script|style).*?</\1>|<[^>]*>", " ", response.content.decode(), flags=re.DOTALL
    )
    return " ".join(html.unescape(plain).split())


def said(row: Model, limit: int = 1) -> list[str]:
    """The latest changes of the object in words."""
    return [str(change) for story in history_of(row, limit) for change in story.changes]


def listed(client: Client, **asked: Any) -> list[str]:
    """Who and what, of the rows of the list."""
    rows = client.get(LIST, asked).context["cl"].result_list
    return [f"{row.source} {row.kind} {row.operation}" for row in rows]


@pytest.fixture
def policy(db: None) -> Policy:
    daily = {"amount": 5_000, "interval": "daily"}
    return in_force("Travel", spending_limits=[daily], schedule=[])


# --- what was changed, in words


def test_a_form_with_its_rows_is_one_story_with_who_before_and_after(
    operator: Client, policy: Policy
) -> None:
    url = pages.change_url(policy)
    sent = pages.as_shown(operator, url)
    sent |= {"spending_limits-0-amount": "75.00", "time_zone": "Europe/Paris"}
    sent |= {"blocked_categories": ["betting_casino_gambling"], "reason": "Spring"}
    sent = pages.added(sent, "spending_limits", count="3", interval="weekly")
    operator.post(url, sent)
    [story, *_] = history_of(policy, 4)
    assert (story.who, story.about) == ("operations (operations)", "")
    assert sorted(map(str, story.changes)) == [
        "Category added to “Not these categories”: Betting and casino gambling (7995)",
        "Daily limit: €50.00 → €75.00",
        "In force: version 1 → version 2: Spring",
        "Limit added: 3 purchases a week",
        "Time zone: UTC → Europe/Paris",
    ]
    page = text(operator.get(history_url(policy)))
    assert "operations (operations)" in page
    assert "Daily limit €50.00 → €75.00" in page


def test_a_bulk_action_is_recorded_card_by_card_with_its_reason(
    operator: Client, policy: Policy
) -> None:
    for card_id in ("ic_1", "ic_2"):
        Shopper(card_id=card_id, card={"last4": "4242"}).asks(100)
    chosen = {"action": "freeze_selected", "_selected_action": ["ic_1", "ic_2"]}
    operator.post(pages.list_url(Card), chosen | {"reason": "Breach"})
    for card in Card.objects.all():
        assert said(card) == ["Frozen: Breach"]
    operator.post(pages.list_url(Card), chosen | {"action": "unfreeze_selected", "reason": "Safe"})
    assert said(Card.objects.all()[0]) == ["Unfrozen: Safe"]


def test_cards_of_a_group_are_in_the_histories_of_both(operator: Client) -> None:
    Card.objects.create(pk="ic_1", last4="4242")
    team = CardGroup.objects.create(name="Team")
    sent = {"name": "Team", "description": "", "cards": ["ic_1"]}
    operator.post(pages.change_url(team), pages.as_shown(operator, pages.change_url(team)) | sent)
    [story] = history_of(team, 1)
    assert (story.about, said(team)) == ("Card •••• 4242", ["Group: not set → Team"])
    assert said(Card.objects.get()) == ["Group: not set → Team"]


def test_an_assignment_names_its_target(policy: Policy) -> None:
    policy.assignments.all().delete()
    assert said(policy) == ["No longer applies to: every card"]
    Cardholder.objects.create(pk="ich_1", name="Ada")
    policy.assignments.create(cardholder_id="ich_1")
    assert said(policy) == ["Now applies to: the cardholder Ada"]


def test_whose_own_the_limits_are_is_said_when_it_changes(policy: Policy) -> None:
    assignment = policy.assignments.get()
    change_each(policy, assignment, "cardholder")
    assert said(policy) == ["Limits of every card: each card's own → each cardholder's own"]
    policy.assignments.all().delete()
    team = CardGroup.objects.create(name="Team")
    assignment = policy.assignments.create(group=team)
    change_each(policy, assignment, "card")
    assert said(policy) == ["Limits of the group Team: one shared budget → each card's own"]


def test_roles_rights_and_passwords_of_users_are_told(login: Login) -> None:
    client, olga = login("superuser"), User.objects.create_user("olga", is_staff=True)
    url = pages.change_url(olga)
    role = Group.objects.get(name="Operations")
    sent = {"groups": [role.pk], "is_superuser": "on", "first_name": "Olga"}
    client.post(url, pages.as_shown(client, url) | sent)
    assert {"Superuser status: no → yes", "Role added: Operations"} <= {*said(olga, 2)}
    secret = {"password1": "long-enough-4-all", "password2": "long-enough-4-all"}
    client.post(
        reverse("admin:auth_user_password_change", args=[olga.pk]),
        secret | {"usable_password": "true"},
    )
    assert said(olga) == ["Password: changed"]
    olga.groups.clear()
    assert said(olga) == ["Role removed: Operations"]
    assert said(role) == ["Role removed: Operations"]


def test_permissions_of_roles_are_told() -> None:
    auditors = Group.objects.get(name="Auditors")
    auditors.permissions.add(Permission.objects.get(codename="change_policy"))
    assert said(auditors) == ["Permission added: Can change policy"]


def test_a_policy_file_that_changes_one_limit_tells_of_no_other(policy: Policy) -> None:
    limits = '{"amount": 5000, "interval": "daily"}, {"count": 9, "interval": "weekly"}'
    written = f'{{"name": "Travel", "currency": "eur", "spending_limits": [{limits}]}}'
    with acting(command="import_policies", os_user="root"):
        import_policies(f'{{"policies": [{written}]}}')
    story = history_of(policy, 4)[0]
    assert story.who == "Server command (system user root)"
    assert [str(change) for change in story.changes] == [
        "In force: version 1 → version 2",
        "Limit added: 9 purchases a week",
    ]


def test_what_makes_no_sense_is_shown_all_the_same(auditor: Client, policy: Policy) -> None:
    nonsense = PolicyVersion.objects.create(policy=policy, number=2, content="never")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE authorizations_policy SET name = 'Trips'")
        cursor.execute("UPDATE authorizations_policy SET current_version_id = %s", [nonsense.pk])
    assert said(policy, 2) == ["Name: Travel → Trips", "Current version: version 1 → version 2"]
    for entry in HistoryEntry.objects.all()[:2]:
        assert auditor.get(pages.change_url(entry)).status_code == 200


# --- the list


def test_it_shows_what_people_did_first_and_what_stripe_told_when_asked(
    auditor: Client, policy: Policy
) -> None:
    Shopper().asks(100)
    everybody, others = listed(auditor, who="everybody"), listed(auditor)
    assert everybody[0] == "stripe card insert"
    by_people = [row for row in everybody if "stripe" not in row]
    assert by_people == others[: len(by_people)]  # a page of each: the first has other rows too
    assert set(listed(auditor, who="stripe")) == {
        "stripe card insert",
        "stripe cardholder insert",
    }


def test_it_is_filtered_by_who_what_and_when(login: Login, policy: Policy) -> None:
    client = login("superuser")
    client.post(pages.add_url(CardGroup), {"name": "Team", "description": ""})
    me = User.objects.get(username="superuser")
    assert listed(client, who=me.pk) == ["page cardgroup insert"]
    assert listed(client, who="page") == ["page cardgroup insert"]
    assert set(listed(client, subject="policy")) == {
        "database policy insert",
        "database policy update",
        "database assignment insert",
    }
    assert listed(client, to="2020-01-01") == []


def test_it_is_searched_by_what_changed_and_by_who(login: Login, policy: Policy) -> None:
    client = login("superuser")
    client.post(pages.add_url(CardGroup), {"name": "Drivers", "description": ""})
    assert len(listed(client, q="travel")) == 3
    assert listed(client, q="drivers superuser") == ["page cardgroup insert"]
    assert listed(client, q="nothing of the kind") == []


def test_what_is_gone_is_still_told(auditor: Client, policy: Policy) -> None:
    team = CardGroup.objects.create(name="Drivers")
    team.delete()
    page = text(auditor.get(LIST, {"q": "drivers"}))
    assert "Card group removed: Drivers" in page
    assert "Directly in the database, as authorizations" in page


def test_a_row_opens_to_all_there_is(auditor: Client, policy: Policy) -> None:
    publish_amount(policy, 9_900)
    page = text(auditor.get(pages.change_url(HistoryEntry.objects.latest("pk"))))
    for words in (
        "Daily limit €50.00 → €99.00",
        "Plain SQL, as the database role",
        "Current version",
    ):
        assert words in page


def test_only_who_may_see_users_gets_links_to_them(login: Login) -> None:
    user = User.objects.create(username="olga")
    link = f'href="{pages.change_url(user)}"'
    assert link in login("Auditors").get(LIST).content.decode()
    page = login("Operations").get(LIST).content.decode()
    assert "User olga" in page
    assert link not in page


def test_a_page_takes_as_many_queries_however_many_rows_it_has(
    auditor: Client, policy: Policy, django_assert_max_num_queries: Any
) -> None:
    for number in range(60):
        CardGroup.objects.create(name=f"Team {number}")
        publish_amount(policy, number)
    with django_assert_max_num_queries(10):
        assert len(listed(auditor)) == 50


# --- to look at only


def test_nobody_edits_adds_or_deletes_an_entry(login: Login, policy: Policy) -> None:
    client, entry = login("superuser"), HistoryEntry.objects.latest("pk")
    change = pages.change_url(entry)
    for url in (pages.add_url(HistoryEntry), change, change.replace("change", "delete")):
        assert client.post(url, {"post": "yes", "database_role": "x"}).status_code == 403
    client.post(LIST, {"action": "delete_selected", "_selected_action": [entry.pk]})
    assert HistoryEntry.objects.get(pk=entry.pk).database_role == entry.database_role


def test_the_history_of_an_object_is_for_who_may_see_the_object(
    login: Login, policy: Policy
) -> None:
    role = Group.objects.get(name="Auditors")
    clients = {who: login(who) for who in ("Auditors", "Operations", "")}
    told = {
        who: [client.get(history_url(row)).status_code for row in (policy, role)]
        for who, client in clients.items()
    }
    assert told == {"Auditors": [200, 200], "Operations": [200, 403], "": [403, 403]}


def test_the_history_goes_from_page_to_page(auditor: Client, policy: Policy) -> None:
    for amount in range(1, 61):
        publish_amount(policy, amount)
    first = auditor.get(history_url(policy))
    second = auditor.get(history_url(policy), {"before": first.context["older"]})
    assert second.context["newer"]
    assert "Policy added Travel" in text(second)
    assert "Policy added Travel" not in text(first)
    assert text(auditor.get(history_url(policy), {"before": "x"})) == text(first)
