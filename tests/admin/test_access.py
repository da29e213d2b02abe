"""Every address of the project, for every role, by every method: what the table says, no more."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.test import Client, RequestFactory
from django.urls import reverse

from tests.admin import pages
from tests.admin.access_table import ROLES, TABLE
from tests.admin.addresses import Address, addresses
from tests.admin.visitors import answer, client_of, make_rows, parameters
from tests.admin.whole_database import altered, changed, contents

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

Visit = Callable[[str], Client]
Attempt = tuple[str, dict[str, Any]]
"""An address, and what is sent to it."""
OWN_TRACES = {"authorizations_export", "authorizations_exportend"}
"""What even a reader leaves behind: that they took rows away."""
ACTED_ON = {
    "authorizations_authorization",
    "authorizations_finding",
    "authorizations_unappliedevent",
}
"""Holds are released, findings marked as handled, events applied again."""


@pytest.fixture(scope="module", autouse=True)
def _rows(one_transaction: None) -> None:
    make_rows()


@pytest.fixture
def visit(staff: Callable[[str], User]) -> Visit:
    """A client of each role, with one row of everything to look at."""
    return lambda role: client_of(role, staff)


def test_every_address_has_a_row_in_the_table() -> None:
    missing = {address.name for address in addresses()} - TABLE.keys()
    assert not missing, (
        f"Say in tests/admin/access_table.py who may open and send to: {', '.join(missing)}."
    )


def test_every_row_of_the_table_has_an_address() -> None:
    assert not TABLE.keys() - {address.name for address in addresses()}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_gets_what_the_table_says_by_opening_and_sending(visit: Visit, role: str) -> None:
    client = visit(role)
    found = {}
    for address in _logging_out_last():
        url = address.url(**parameters(address))
        found[address.name] = answer(client.get(url)), answer(client.post(url, {}))
    assert found == {name: (row.opens[role], row.sends[role]) for name, row in TABLE.items()}


@pytest.mark.parametrize("role", ROLES)
def test_other_methods_do_no_more_than_opening(visit: Visit, role: str) -> None:
    client = visit(role)
    before = contents()
    for address in _logging_out_last():
        url = address.url(**parameters(address))
        row = TABLE[address.name]
        expected = (row.others or row.opens)[role]
        if expected != "200":  # whoever may open it gets the head of that
            assert answer(client.head(url)) == expected, url
        for method in ("put", "patch", "delete"):
            found = answer(getattr(client, method)(url))
            assert found in {expected, "403", "405"}, (method, url, found)
        # Which methods there are is all it may tell beyond that.
        assert answer(client.options(url)) in {expected, "200", "403", "405"}, url
    assert not changed(before)


def test_whatever_is_sent_changes_no_more_than_its_sender_may(visit: Visit) -> None:
    superuser, operator, auditor = visit("superuser"), visit("Operations"), visit("Auditors")
    attempts = list(_attempts(superuser))
    before = contents()
    people = {table for table in before if table.startswith("auth_")}
    edited = {"authorizations_cardgroup", "authorizations_policy"}

    with _taken_back():
        for url, told in _send(auditor, attempts):
            assert told in {"200", "moved", "403", "404", "405"}, url
        assert not changed(before) - OWN_TRACES
    with _taken_back():
        _send(operator, attempts)
        assert not changed(before) & people
        assert not altered(before) & _record()
        assert edited <= altered(before)
    with _taken_back():  # that the same changes much shows that it was worth refusing
        _send(superuser, attempts)
        assert {"auth_user", "auth_group", *edited} <= altered(before)
        assert not altered(before) & _record()


@pytest.mark.parametrize("role", ["nobody", "Auditors", "Operations"])
def test_nobody_gives_themselves_rights(visit: Visit, role: str) -> None:
    client = visit(role)
    user = User.objects.get(pk=client.session["_auth_user_id"])
    rights = user.get_all_permissions()
    everything = {
        "username": user.username,
        "is_staff": "on",
        "is_superuser": "on",
        "is_active": "on",
        "groups": [group.pk for group in Group.objects.all()],
        "user_permissions": [permission.pk for permission in Permission.objects.all()],
        "name": "Auditors",
        "permissions": [permission.pk for permission in Permission.objects.all()],
    }
    for row in (user, *Group.objects.all()):
        assert client.post(pages.change_url(row), everything).status_code == 403
    again = User.objects.get(pk=user.pk)
    assert (again.get_all_permissions(), again.is_superuser) == (rights, False)


ALSO_SENT_TO = ("%00", "%FF", "x" * 4000, str(2**70))
HOSTILE = (
    *("..", "%2F", "_00", "%0a", "☃", "'", "None", "0", "-1", "1.5", str(2**63)),
    *ALSO_SENT_TO,
)
"""Opening and sending look a row up the same way: of most it is enough to open them."""


def test_ids_of_nothing_are_answered_without_an_error(visit: Visit) -> None:
    client = visit("superuser")  # who gets furthest
    for address in addresses():
        fine = parameters(address)
        for name in fine.keys() - {"app_label", "url"}:
            others = _ids_of_others(address)
            for odd in (*HOSTILE, *others):
                url = address.raw_url(**fine | {name: odd})
                also_sent = odd in ALSO_SENT_TO or odd in others
                for send in (client.get, client.post) if also_sent else (client.get,):
                    found = answer(send(url))
                    assert found in {"moved", "400", "403", "404", "405"}, (found, url)
                    client.cookies.pop("messages", None)  # they would only pile up


def test_odd_queries_of_lists_are_answered_without_an_error(visit: Visit) -> None:
    client = visit("Auditors")
    kinds = set()
    for address in addresses():
        if address.name.endswith("_changelist") and TABLE[address.name].opens["Auditors"] == "200":
            url = address.url()
            changes = client.get(url).context.get("cl")
            if changes is None:  # a page in place of a list
                continue
            own = _own_query_names(changes)
            # What all lists of a kind read alike is tried one by one on the first of them.
            names = own if type(changes) in kinds else own | QUERY_NAMES
            kinds.add(type(changes))
            queries = [f"{name}={odd}" for name in sorted(names) for odd in ("x", str(2**70))]
            every = sorted(own | QUERY_NAMES)
            queries += ["&".join(f"{name}={odd}" for name in every) for odd in ("-1.5", "%FF")]
            for query in queries:
                found = answer(client.get(f"{url}?{query}"))
                assert found in {"200", "moved", "400"}, (found, url, query)
    assert len(kinds) > 1


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("authorizations_policyversion", "author__password__startswith"),
        ("authorizations_export", "author__password__startswith"),
        ("authorizations_policy", "versions__author__password__startswith"),
        (
            "authorizations_card",
            "group__assignments__policy__versions__author__password__startswith",
        ),
        ("auth_user", "password__startswith"),
        ("auth_group", "user__password__startswith"),
    ],
)
def test_lists_cannot_be_filtered_by_what_they_do_not_show(
    visit: Visit, name: str, column: str
) -> None:
    """Or a password's hash could be guessed character by character."""
    url = reverse(f"admin:{name}_changelist")
    response = visit("Auditors").get(url, {column: "md5"})
    assert response.status_code == 400 or not response.context["cl"].result_list


@pytest.mark.parametrize("role", ["nobody", "Auditors", "Operations"])
def test_choosing_by_typing_shows_only_what_the_role_may_see(visit: Visit, role: str) -> None:
    client = visit(role)
    user = User.objects.get(pk=client.session["_auth_user_id"])
    for model in apps.get_models():
        for field in model._meta.get_fields():
            remote = field.related_model
            if field.auto_created or not isinstance(remote, type):
                continue
            asked = {
                "app_label": model._meta.app_label,
                "model_name": str(model._meta.model_name),
                "field_name": field.name,
                "term": "",
            }
            response = client.get(reverse("admin:autocomplete"), asked)
            may_see = user.has_perm(f"{remote._meta.app_label}.view_{remote._meta.model_name}")
            assert response.status_code in ({200, 403, 404} if may_see else {403, 404}), asked


def _logging_out_last() -> list[Address]:
    return sorted(addresses(), key=lambda address: address.name == "admin:logout")


def _ids_of_others(address: Address) -> list[str]:
    """Some ids that other tables have and this one has not."""
    own = {str(pk) for pk in _keys(address.model)} if address.model else set()
    others = {str(pk) for model in admin.site._registry for pk in _keys(model)}
    return sorted(others - own)[-4:] if own else []


def _keys(model: Any) -> list[Any]:
    return list(model._default_manager.values_list("pk", flat=True))


def _record() -> set[str]:
    """Tables whose pages nobody may change, nor act on by their buttons."""
    return {
        model._meta.db_table
        for model in admin.site._registry
        if set(TABLE[f"admin:{model._meta.label_lower.replace('.', '_')}_change"].sends.values())
        == {"login", "403"}
    } - ACTED_ON


@contextmanager
def _taken_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def _send(client: Client, attempts: list[Attempt]) -> list[tuple[str, str]]:
    """Each address, and what it answered, read to its end; no page is made of it."""
    with pages.nothing_rendered():
        return [(url, answer(client.post(url, sent))) for url, sent in attempts]


def _attempts(superuser: Client) -> Iterator[Attempt]:
    """What could be sent to each address: what a superuser's page would send, and more."""
    for number, address in enumerate(addresses()):
        if address.name in {"webhook", "webhook_php", "admin:logout", "admin:login"}:
            continue
        url = address.url(**parameters(address))
        # Names are taken once only.
        general = {**GENERAL, **dict.fromkeys(NAMES, f"Changed {number}")}
        yield url, general
        if shown := _shown(superuser, url):
            yield url, {**shown, **general}
        if address.name.endswith("_changelist") and address.model:
            for action in _actions(address.model):
                keys = [str(key) for key in _keys(address.model)]
                yield url, {**general, "action": action, "_selected_action": keys, "index": "0"}


NAMES = ("name", "description", "first_name", "reason", "username")
GENERAL = {
    **dict.fromkeys(("password1", "password2", "new_password1"), "pass-word-2"),
    "post": "yes",
    "format": "csv",
    "is_superuser": "on",
    "usable_password": "true",
}


def _shown(superuser: Client, url: str) -> dict[str, Any]:
    shown = superuser.get(url)
    context = shown.context
    if not context or "adminform" not in context or "inline_admin_formsets" not in context:
        return {}
    return pages.as_sent(shown)


def _actions(model: Any) -> list[str]:
    request = RequestFactory().get("/")
    request.user = User.objects.get(username="superuser")
    return [*admin.site._registry[model].get_actions(request), "delete_selected", "no_such_action"]


QUERY_NAMES = {
    *("q", "p", "o", "e", "all", "id", "before", "after"),
    *("_popup", "_to_field", "_facets", "_changelist_filters"),
}


def _own_query_names(changes: Any) -> set[str]:
    """What the list reads of its address for its own filters."""
    if hasattr(changes, "form"):
        return {*changes.form.fields} - QUERY_NAMES
    return set().union(*(spec.expected_parameters() for spec in changes.filter_specs))
