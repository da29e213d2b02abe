"""The copy that stand-in rests on: what it tells, how old it is, and what renews it."""

import itertools
import sqlite3
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.utils import timezone

from authorizations.models import Assignment, Card, CardGroup, Cardholder, Instruction
from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.services.host import host_files, local_copy, versions
from authorizations.services.policies import own_amounts, stops
from authorizations.services.policies.planned import PlannedTimes
from authorizations.services.policies.publish import publish
from authorizations.services.stand_in import local_copy_refresh
from tests.support.desk import in_force
from tests.support.stand_in import knows, on_this_host

transactional = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def host(tmp_path: Path) -> Iterator[Path]:
    with on_this_host(tmp_path / "spool") as directory:
        yield directory


def renew() -> None:
    local_copy_refresh.renew_policies()
    local_copy_refresh.renew_cards()


def card(card_id: str, **columns: object) -> Card:
    holder, _ = Cardholder.objects.get_or_create(pk="ich_1")
    return Card.objects.create(**{"id": card_id, "cardholder": holder} | columns)


def policies_of(card_id: str, cardholder_id: str = "ich_1") -> list[tuple[str, str]]:
    """Each policy's scope and name, narrowest first."""
    found = local_copy.card(card_id, cardholder_id)
    assert found
    return [(policy.scope.kind.value, policy.controls.name) for policy in found.applied]


@transactional
def test_a_card_is_known_with_the_policies_of_every_scope() -> None:
    group = CardGroup.objects.create(name="Field team")
    mine, other = card("ic_1", group=group), card("ic_2")
    in_force("Program")
    in_force("Group", to={"group": group})
    in_force("Holder", to={"cardholder": mine.cardholder})
    in_force("Card", to={"card": mine})
    in_force("Other", to={"card": other})
    renew()
    assert policies_of("ic_1") == [
        ("card", "Card"),
        ("cardholder", "Holder"),
        ("group", "Group"),
        ("program", "Program"),
    ]
    assert policies_of("ic_2") == [
        ("card", "Other"),
        ("cardholder", "Holder"),
        ("program", "Program"),
    ]
    assert local_copy.card("ic_3", "ich_1") is None


@transactional
def test_the_policies_of_the_program_measure_the_card_and_those_of_a_chain_its_first() -> None:
    group = CardGroup.objects.create(name="Field team")
    first = card("ic_1", group=group)
    card("ic_2", root=first, replacement_for="ic_1")
    in_force("Program")
    in_force("Group", to={"group": group})
    renew()
    found = local_copy.card("ic_2", "ich_1")
    assert found
    assert found.root_id == "ic_1"
    measured = [(policy.measured.kind, policy.measured.id) for policy in found.applied]
    assert measured == [(ScopeKind.GROUP, str(group.pk)), (ScopeKind.CARD, "ic_1")]


@transactional
def test_a_change_is_known_with_the_next_renewal_and_freezing_belongs_to_the_single_card() -> None:
    first = card("ic_1")
    card("ic_2", root=first)
    in_force("Old")
    renew()
    Card.objects.filter(pk="ic_1").update(frozen=True)
    in_force("New")
    renew()
    names = [name for _, name in policies_of("ic_1")]
    assert sorted(names) == ["New", "Old"]
    frozen = [local_copy.card(key, "ich_1") for key in ("ic_1", "ic_2")]
    assert [found and found.frozen for found in frozen] == [True, False]


@transactional
def test_as_many_rows_as_there_are_pages_for_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_copy_refresh, "PAGE", 2)
    for number in range(5):
        one = card(f"ic_{number}", frozen=True)
        in_force(f"Policy {number}", to={"card": one})
    renew()
    for number in range(5):
        assert policies_of(f"ic_{number}") == [("card", f"Policy {number}")]
        found = local_copy.card(f"ic_{number}", "ich_1")
        assert found
        assert found.frozen


@transactional
def test_a_policy_without_a_version_in_force_is_left_out() -> None:
    policy = in_force("Draft")
    card("ic_1")
    type(policy).objects.update(current_version=None)
    renew()
    assert policies_of("ic_1") == []


@transactional
def test_a_renewal_that_fails_leaves_the_old_copy_and_its_age(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card("ic_1")
    in_force("Kept")
    renew()
    before = local_copy.read_at()

    def away() -> None:
        raise OperationalError("away")

    monkeypatch.setattr(connection, "ensure_connection", away)
    for part in (local_copy_refresh.renew_policies, local_copy_refresh.renew_cards):
        with pytest.raises(OperationalError):
            part()
    monkeypatch.undo()
    assert local_copy.read_at() == before
    assert policies_of("ic_1") == [("program", "Kept")]
    assert list(host.glob("*.new")) == []


# --- no database from here on: any use of it would fail the test


def test_a_process_started_during_an_outage_has_the_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    knows({"name": "Kept"})
    monkeypatch.setattr(versions, "_cache", {})
    assert policies_of("ic_marie", "ich_marie") == [("program", "Kept")]


def test_the_cardholder_of_the_request_counts_where_it_names_one() -> None:
    knows(
        {"name": "Marie's", "scope": "cardholder:ich_marie"},
        {"name": "Pierre's", "scope": "cardholder:ich_pierre"},
    )
    assert policies_of("ic_marie", "") == [("cardholder", "Marie's")]
    assert policies_of("ic_marie", "ich_pierre") == [("cardholder", "Pierre's")]


def test_the_age_is_that_of_the_older_part() -> None:
    knows(age_s=300)
    with local_copy_refresh.new_copy(local_copy.POLICIES, local_copy.POLICIES_SCHEMA, time.time()):
        pass
    assert 300 <= local_copy.age_s() < 360


def test_without_a_copy_nothing_is_known() -> None:
    for question in (local_copy.age_s, lambda: local_copy.card("ic_marie", "")):
        with pytest.raises(local_copy.NoCopyError):
            question()


@pytest.mark.parametrize("name", [local_copy.CARDS, local_copy.POLICIES])
@pytest.mark.parametrize("content", [b"", b"not a database, whatever its name says" * 100])
def test_of_a_damaged_copy_nothing_is_known(host: Path, name: str, content: bytes) -> None:
    knows({"name": "Kept"})
    (host / name).write_bytes(content)
    with pytest.raises(local_copy.NoCopyError):
        local_copy.card("ic_marie", "")
    with pytest.raises(local_copy.NoCopyError):
        local_copy.age_s()


def test_an_assignment_whose_version_is_missing_is_damage_not_a_card_without_it(
    host: Path,
) -> None:
    knows({"name": "Kept"})
    with sqlite3.connect(host / local_copy.POLICIES) as copy:
        copy.execute("INSERT INTO assignment VALUES ('program:', 999999999, '')")
    copy.close()
    with pytest.raises(local_copy.NoCopyError):
        local_copy.card("ic_marie", "")


def test_what_takes_long_to_read_is_read_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    now, reads = [1_000.0], []
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def renew() -> None:
        reads.append(now[0])
        now[0] += 3  # so long it takes

    part = local_copy_refresh.CopyPart(renew)
    for _ in range(50):
        part.renew_when_due()
        now[0] += 5
    gaps = {after - before for before, after in itertools.pairwise(reads)}
    assert gaps == {3 + 60}  # seconds of reading, and a pause of twenty times that


def test_a_part_that_fails_is_tried_again_and_complained_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outcomes = iter([OSError("full"), OSError("full"), None, OSError("full")])

    def renew() -> None:
        if problem := next(outcomes):
            raise problem

    part = local_copy_refresh.CopyPart(renew)
    complaints = []
    for _ in range(4):
        part.due = 0
        part.renew_when_due()
        complaints.append(len(caplog.records))
    assert complaints == [1, 1, 1, 2]


def test_one_process_of_the_host_renews_the_copy_for_all() -> None:
    with (
        host_files.alone("standing.lock", wait=False) as mine,
        host_files.alone("standing.lock", wait=False) as also_mine,
    ):
        assert (mine, also_mine) == (True, False)
    with host_files.alone("standing.lock", wait=False) as mine:
        assert mine


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_file_is_replaced_whole_or_not_at_all(host: Path, *, is_whole: bool) -> None:
    path = host_files.directory() / "some"
    path.write_text("old")
    try:
        with host_files.replacing(path) as new:
            new.write_text("new")
            if not is_whole:
                raise ValueError
    except ValueError:
        pass
    assert path.read_text() == ("new" if is_whole else "old")
    assert [entry.name for entry in host.iterdir()] == ["some"]


@transactional
def test_freezes_and_blocks_of_each_scope_are_known_until_they_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    operator = User.objects.create(username="operator")
    group = CardGroup.objects.create(name="Field team")
    card("ic_1", group=group)
    card("ic_2")
    soon = timezone.now() + timedelta(minutes=10)
    in_group, program = Scope(ScopeKind.GROUP, str(group.pk)), Scope(ScopeKind.PROGRAM, "")
    of_group = stops.freeze(in_group, by=operator, reason="audit", until=soon)
    blocked = stops.block(program, {"country": "NL"}, by=operator, reason="sanctions")
    other = stops.freeze(Scope(ScopeKind.CARD, "ic_2"), by=operator, reason="lost")
    lifted = stops.freeze(program, by=operator, reason="mistake")
    stops.lift(lifted, by=operator, reason="was one")
    renew()

    def known(card_id: str) -> list[int]:
        found = local_copy.card(card_id, "ich_1")
        assert found
        return [stop.id for stop in found.stops]

    assert known("ic_1") == [of_group.pk, blocked.pk]
    assert known("ic_2") == [blocked.pk, other.pk]
    monkeypatch.setattr(time, "time", soon.timestamp)
    assert known("ic_1") == [blocked.pk]
    found = local_copy.card("ic_1", "ich_1")
    assert found
    [stop] = found.stops
    assert (stop.country, stop.author, stop.reason) == ("NL", "operator", "sanctions")


@transactional
def test_what_begins_later_is_copied_and_holds_from_then_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    card("ic_1")
    begins = timezone.now() + timedelta(minutes=10)
    program = Scope(ScopeKind.PROGRAM, "")
    stop = stops.write(
        Instruction.Kind.FREEZE, program, {}, by=None, reason="audit", until=None, begins=begins
    )
    renew()

    def known() -> list[int]:
        found = local_copy.card("ic_1", "ich_1")
        assert found
        return [stop.id for stop in found.stops]

    assert known() == []
    monkeypatch.setattr(time, "time", lambda: begins.timestamp() - 1)
    assert known() == []
    monkeypatch.setattr(time, "time", begins.timestamp)
    assert known() == [stop.pk]


@transactional
def test_what_has_begun_holds_at_once_where_the_clock_of_the_host_is_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    card("ic_1")
    stop = stops.freeze(Scope(ScopeKind.PROGRAM, ""), by=None, reason="audit")
    renew()
    monkeypatch.setattr(time, "time", lambda: stop.starts_at.timestamp() - 30)
    found = local_copy.card("ic_1", "ich_1")
    assert found
    assert [it.id for it in found.stops] == [stop.pk]


@transactional
def test_own_amounts_are_known_until_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    operator = User.objects.create(username="operator")
    card("ic_1")
    card("ic_2")
    policy = in_force("Team", spending_limits=[{"amount": 50_000, "interval": "monthly"}])
    soon = timezone.now() + timedelta(minutes=10)
    one, all_of_them = Scope(ScopeKind.CARD, "ic_1"), Scope(ScopeKind.CARDHOLDER, "ich_1")
    given: list[tuple[Scope, dict[str, Any]]] = [
        (one, {"amount": 80_000}),
        (all_of_them, {"raise_by": 1_000}),
    ]
    for scope, figures in given:
        own_amounts.give(
            scope, policy, "monthly", by=operator, reason="Trip", until=soon, **figures
        )

    def known(card_id: str) -> tuple[int, int]:
        """The limit, and how many own amounts there are for it."""
        found = local_copy.card(card_id, "ich_1")
        assert found
        [applied] = found.applied
        [limit] = applied.controls.spending_limits
        return limit.limit_value, len(applied.overrides)

    renew()
    assert known("ic_1") == (81_000, 2)
    assert known("ic_2") == (51_000, 1)
    monkeypatch.setattr(time, "time", soon.timestamp)
    assert known("ic_1") == (50_000, 0)


@transactional
def test_planned_versions_begin_and_end_by_the_clock_of_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    card("ic_1")
    policy = in_force("Team", spending_limits=[{"amount": 50_000, "interval": "monthly"}])
    begin, end = (timezone.now() + timedelta(minutes=minutes) for minutes in (10, 20))
    document = policy.document | {"spending_limits": [{"amount": 1_000, "interval": "monthly"}]}
    publish(document, None, policy=policy, times=PlannedTimes(begin, end))
    first = {"name": "Later", "currency": "eur", "unlimited": True}
    later = publish(first, None, times=PlannedTimes(end)).version.policy
    Assignment.objects.create(policy=later, program=True)
    renew()

    def known() -> list[tuple[str, list[int]]]:
        found = local_copy.card("ic_1", "ich_1")
        assert found
        return sorted(
            (it.controls.name, [limit.limit_value for limit in it.controls.spending_limits])
            for it in found.applied
        )

    assert known() == [("Team", [50_000])]
    monkeypatch.setattr(time, "time", begin.timestamp)
    assert known() == [("Team", [1_000])]
    monkeypatch.setattr(time, "time", end.timestamp)
    assert known() == [("Later", []), ("Team", [50_000])]
