"""Stand-in switched by hand: the history, and what the processes of a host see."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from authorizations.models import StandInSwitch
from authorizations.services.stand_in import switch
from tests.services.authorize.test_races import at_once
from tests.support.stand_in import on_this_host
from tests.support.stand_in import switched as as_if_switched

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def host(tmp_path: Path) -> Iterator[Path]:
    with on_this_host(tmp_path / "spool") as directory:
        yield directory


@pytest.fixture
def operator() -> User:
    return User.objects.create(username="olga")


def history() -> list[tuple[bool, str, str]]:
    rows = StandInSwitch.objects.order_by("pk")
    return list(rows.values_list("is_on", "author__username", "reason"))


def test_it_is_off_until_somebody_switches_it_on_and_every_switch_is_kept(operator: User) -> None:
    assert not switch.is_on()
    assert switch.set_to(on=True, by=operator, reason="Migration")
    assert switch.is_on()
    assert switch.set_to(on=False, by=operator, reason="Done")
    assert not switch.is_on()
    assert history() == [(True, "olga", "Migration"), (False, "olga", "Done")]


def test_switching_it_to_what_it_is_does_nothing(operator: User) -> None:
    assert not switch.set_to(on=False, by=operator, reason="Off already")
    switch.set_to(on=True, by=operator, reason="First")
    assert not switch.set_to(on=True, by=operator, reason="Second")
    assert history() == [(True, "olga", "First")]


def test_of_several_at_once_one_is_first(operator: User) -> None:
    switched = at_once(*[lambda: switch.set_to(on=True, by=operator, reason="All of us")] * 8)
    assert sorted(switched) == [False] * 7 + [True]
    assert len(history()) == 1


def test_other_processes_of_the_host_see_it_in_the_file_and_need_no_database(
    operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch.set_to(on=True, by=operator, reason="Migration")
    switch.look_again()  # as another process, which saw nothing yet

    def away() -> None:
        raise AssertionError("asked the database")

    monkeypatch.setattr(connection, "ensure_connection", away)
    found = switch.state()
    monkeypatch.undo()
    at = StandInSwitch.objects.get().switched_at.timestamp()
    assert found == switch.Switched(on=True, since=at)


def test_another_host_follows_with_its_next_look_at_the_database(operator: User) -> None:
    StandInSwitch.objects.create(
        is_on=True, author=operator, switched_at=datetime.now(UTC), reason="Elsewhere"
    )
    assert not switch.is_on()
    switch.renew()
    assert switch.is_on()


def test_a_file_that_says_otherwise_gives_way_to_the_database(operator: User) -> None:
    as_if_switched(on=True, since=0)
    assert switch.is_on()
    switch.renew()
    assert not switch.is_on()


def test_a_damaged_file_leaves_it_as_this_process_saw_it_last(
    host: Path, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch.set_to(on=True, by=operator, reason="Migration")
    monkeypatch.setattr(switch, "LOOK_EVERY_S", 0)
    (host / "stand-in-switch.json").write_text("{")
    assert switch.is_on()


def test_what_is_rolled_back_was_never_switched(operator: User) -> None:
    with transaction.atomic():
        switch.set_to(on=True, by=operator, reason="Migration")
        transaction.set_rollback(True)
    assert not switch.is_on()
    assert history() == []
