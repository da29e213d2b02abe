"""Who is said to have done it: only who did, however the work ended and whoever comes next."""

import os
import pwd
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from django.test import Client

import manage
from authorizations.models import Card, CardGroup, Cardholder, HistoryEntry
from authorizations.services.runtime import pipeline
from authorizations.services.runtime.actor import acting
from authorizations.services.runtime.pipeline import Statement
from authz_project import databases
from tests.admin import pages
from tests.support.desk import Shopper, in_force
from tests.support.timeouts import PATIENCE_S

Source = HistoryEntry.Source


def group(name: str) -> CardGroup:
    return CardGroup.objects.create(name=name)


def told(name: str) -> tuple[str, Any]:
    """By which way a row of this name came, and what is known about whoever made it."""
    entry = HistoryEntry.objects.get(after__name=name, operation="insert")
    return entry.source, entry.facts


def setting() -> str:
    """What the transaction has been told."""
    [found] = connection.connection.execute("SELECT current_setting('desk.work', true)").fetchone()
    return found or ""


NOBODY_TOLD = (Source.DATABASE, None)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("around", [nullcontext, transaction.atomic])
def test_what_is_written_meanwhile_is_somebodys_work_and_nothing_after_it(
    around: Callable[[], Any],
) -> None:
    olga = User.objects.create_user("olga", first_name="Olga", last_name="Petrova")
    with around():
        group("before")
        with acting(user=olga, url="/admin/"):
            group("meanwhile")
        group("after")
    group("later")
    facts = {"url": "/admin/", "user": olga.pk, "name": "Olga Petrova (olga)"}
    assert told("meanwhile") == (Source.PAGE, facts)
    assert {name: told(name) for name in ("before", "after", "later")} == dict.fromkeys(
        ("before", "after", "later"), NOBODY_TOLD
    )


@pytest.mark.django_db(transaction=True)
def test_a_failed_write_takes_its_history_along_and_leaves_nobody_behind() -> None:
    group("taken")
    for around in (nullcontext, transaction.atomic):
        with pytest.raises(DatabaseError), acting(command="import"), around():
            group("taken")
        assert setting() == ""
    with acting(command="import"), transaction.atomic():
        group("rolled back")
        transaction.set_rollback(True)
    group("next")
    assert told("next") == NOBODY_TOLD
    names = HistoryEntry.objects.order_by("pk").values_list("after__name", flat=True)
    assert list(names) == ["taken", "next"]


@pytest.mark.django_db(transaction=True)
def test_what_a_savepoint_takes_back_is_told_again() -> None:
    with acting(command="import"), transaction.atomic():
        with transaction.atomic():
            group("taken back")
            transaction.set_rollback(True)
        group("kept")
    assert told("kept") == (Source.COMMAND, {"command": "import"})


@pytest.mark.django_db(transaction=True)
def test_inside_another_it_adds_to_what_that_one_told() -> None:
    with acting(command="import"):
        with acting(reason="Spring"):
            group("inner")
        group("outer")
    assert told("inner")[1] == {"command": "import", "reason": "Spring"}
    assert told("outer")[1] == {"command": "import"}
    inner, outer = HistoryEntry.objects.values_list("work", flat=True)
    assert inner == outer


@pytest.mark.django_db
@pytest.mark.parametrize(
    "before", ["", "\n  ", "-- SELECT\n", "/* why */ ", "WITH one AS (SELECT 1) "]
)
def test_plain_sql_of_a_program_is_told_as_well(before: str) -> None:
    insert = "INSERT INTO authorizations_cardgroup (name, description) VALUES ('Team', '')"
    with acting(command="shell"), connection.cursor() as cursor:
        cursor.execute(before + insert)
    assert told("Team") == (Source.COMMAND, {"command": "shell"})


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("around", [nullcontext, transaction.atomic])
def test_what_a_function_changes_is_told_as_well(around: Callable[[], Any]) -> None:
    for card in ("ic_old", "ic_new"):
        Card.objects.create(pk=card, root_id=card)
    with acting(event="evt_1"), around(), connection.cursor() as cursor:
        cursor.execute("SELECT authorizations_move_chain('ic_old', 'ic_new')")
    entry = HistoryEntry.objects.get(object_id="ic_old", operation="update")
    assert (entry.source, entry.facts) == (Source.STRIPE, {"event": "evt_1"})


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_begins_past_djangos_cursors_is_told_as_well() -> None:
    with acting(command="simulate"):
        for name in ("first", "second"):
            with transaction.atomic():
                pipeline.run([Statement("SELECT 1")])
                group(name)
    assert {told(name)[0] for name in ("first", "second")} == {Source.COMMAND}


@pytest.mark.django_db(transaction=True)
def test_a_page_that_is_only_opened_tells_nothing() -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("olga"))
    seen = []

    def look(execute: Any, *rest: Any) -> Any:
        seen.append(setting())
        return execute(*rest)

    with connection.execute_wrapper(look):
        assert client.get(pages.list_url(CardGroup)).status_code == 200
        assert set(seen) == {""}
        client.post(pages.add_url(CardGroup), {"name": "Team", "description": ""})
        assert len(set(seen)) == 2


@pytest.fixture
def pool(transactional_db: None) -> Iterator[None]:
    """One connection for everybody, as far as possible: whatever is left on it, the next finds."""
    connection.close()
    options = connection.settings_dict["OPTIONS"]
    options["pool"] = {"min_size": 1, "max_size": 2, "timeout": 20}
    try:
        yield
    finally:
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]
        del options["pool"]


@pytest.mark.usefixtures("pool")
def test_pages_of_two_people_at_once_and_plain_sql_between_do_not_mix() -> None:
    people = [User.objects.create_superuser(name) for name in ("olga", "otto")]
    clients = {person: Client() for person in people}
    for person, client in clients.items():
        client.force_login(person)

    def add(person: User, number: int) -> None:
        sent = {"name": f"{person} {number}", "description": ""}
        try:
            for _ in range(2):  # the second time the name is taken
                clients[person].post(pages.add_url(CardGroup), sent)
            connection.close()  # and whoever comes next tells nothing
            group(f"nobody after {person} {number}")
        finally:
            connection.close()

    for number in range(8):
        threads = [threading.Thread(target=add, args=(person, number)) for person in people]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
    for number in range(8):
        for person in people:
            source, facts = told(f"{person} {number}")
            assert (source, facts["user"]) == (Source.PAGE, person.pk)
            assert told(f"nobody after {person} {number}") == NOBODY_TOLD


@pytest.mark.django_db(transaction=True)  # the command closes the connection
def test_what_a_command_changes_is_the_work_of_who_started_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    file = tmp_path / "policies.json"
    file.write_text('{"policies": [], "groups": [{"name": "Field team"}]}')
    monkeypatch.setattr(sys, "argv", ["manage.py", "import_policies", str(file)])
    monkeypatch.setattr(databases, "pooled", databases.pooled)  # put back afterwards
    manage.main()
    by = pwd.getpwuid(os.getuid()).pw_name
    facts = {"command": "import_policies", "os_user": by}
    assert told("Field team") == (Source.COMMAND, facts)
    group("after")
    assert told("after") == NOBODY_TOLD


# --- Stripe's events


def entries() -> list[tuple[str, str, str, str]]:
    rows = HistoryEntry.objects.order_by("pk").filter(kind__in=("card", "cardholder"))
    return list(rows.values_list("kind", "operation", "source", "facts__event"))


@pytest.mark.django_db(transaction=True)
def test_what_stripe_tells_of_cards_is_stripes_work_and_a_purchase_alone_is_no_change() -> None:
    in_force()
    shopper = Shopper()
    shopper.asks(100, event_id="evt_first")
    first = [
        ("cardholder", "insert", Source.STRIPE, "evt_first"),
        ("card", "insert", Source.STRIPE, "evt_first"),
    ]
    assert entries() == first
    for _ in range(3):
        assert shopper.reason(100) == "approved"
    assert entries() == first
    Shopper(at=shopper.at + 60, name="Ada King", card={"last4": "9999"}).asks(1, "evt_news")
    assert entries()[2:] == [
        ("card", "update", Source.STRIPE, "evt_news"),
        ("cardholder", "update", Source.STRIPE, "evt_news"),
    ]
    assert (Card.objects.get().last4, Cardholder.objects.get().name) == ("9999", "Ada King")
