"""Limits of each member and exclusions without the database: answered as the desk would have.

The same purchases are asked of both, each with a host of its own: first of stand-in, from its copy,
while nobody may use the database; then of the desk.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import override_settings
from django.utils import timezone

from authorizations.models import Card, CardGroup, Instruction
from authorizations.rules.basics.controls import OwnBudget, Scope, ScopeKind, member_scope
from authorizations.rules.decision.stand_in import StandInCause
from authorizations.services.host import local_copy
from authorizations.services.policies import exclusions, groups
from authorizations.services.policies.planned import PlannedTimes
from authorizations.services.policies.publish import publish
from authorizations.services.stand_in import local_copy_refresh, usage_refresh
from simulator.stripe.samples import Json
from tests.support.desk import Shopper, deliver, in_force
from tests.support.stand_in import delivery, on_this_host, stood_in
from tests.support.verification import assert_clean

pytestmark = pytest.mark.django_db(transaction=True)

CARD, CARDHOLDER = OwnBudget.CARD.value, OwnBudget.CARDHOLDER.value
AT = int(time.time())
ADA = Shopper(card_id="ic_ada", cardholder_id="ich_ada", at=AT)
ADAS_OTHER = Shopper(card_id="ic_ada2", cardholder_id="ich_ada", at=AT)
BEA = Shopper(card_id="ic_bea", cardholder_id="ich_bea", at=AT)
CYD = Shopper(card_id="ic_cyd", cardholder_id="ich_cyd", at=AT)
EVERYBODY = [ADA, ADAS_OTHER, BEA, CYD]
PROGRAM = Scope(ScopeKind.PROGRAM, "")
AMPLE: dict[str, Any] = {"stand_in_amount": 100_000, "stand_in_cap": 1_000_000}
"""So that limits alone say how much may still be spent."""


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(usage_refresh, "SETTLING_S", 0.0)
    with on_this_host(tmp_path / "spool") as directory:
        yield directory


@pytest.fixture(autouse=True)
def team() -> CardGroup:
    """All but the last one's cards."""
    for shopper in EVERYBODY:
        shopper.asks(0)
    group = CardGroup.objects.create(name="Team")
    Card.objects.exclude(pk=CYD.card_id).update(group=group)
    return group


def limited(name: str, amount: int, **options: Any) -> Any:
    limits = [{"amount": amount, "interval": "monthly"}]
    return in_force(name, spending_limits=limits, **AMPLE, **options)


def left_out(kind: ScopeKind, id_: object, *, of: Any, until: datetime | None = None) -> None:
    [row] = of.assignments.all()
    assigned = PROGRAM if row.program else Scope(ScopeKind.GROUP, str(row.group_id))
    who = Scope(kind, str(id_))
    exclusions.leave_out(of, assigned, who, by=None, reason="Trip", until=until)


def read() -> None:
    local_copy_refresh.renew_policies()
    usage_refresh.renew_usage()
    local_copy_refresh.renew_cards()


def away() -> None:
    raise OperationalError("The database is away.")


def without_database(events: Sequence[Json], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What stand-in answers to each."""
    connection.close()
    with monkeypatch.context() as patched:
        patched.setattr(connection, "ensure_connection", away)
        patched.setattr(connection, "connect", away)
        answers = [stood_in(delivery(event), StandInCause.DEADLINE_MISSED) for event in events]
    return [_reason(json.loads(answer)) for answer in answers]


def with_database(events: Sequence[Json], directory: Path) -> list[str]:
    """What the desk answers to each, at a host that knows nothing of the other."""
    with override_settings(SPOOL_DIR=directory):
        return [_reason(deliver(event).json()) for event in events]


def _reason(answer: Json) -> str:
    """The reason; stand-in has one of its own for whatever a limit declines."""
    reason = str(answer["metadata"]["reason"])
    return "limit" if reason in {"stand_in", "amount_limit_exceeded"} else reason


def purchases(seed: int, number: int = 60) -> list[Json]:
    chance = Random(seed)
    shoppers = chance.choices(EVERYBODY, k=number)
    return [it.event(it.purchase(chance.choice([1, 40, 130, 260, 400]))) for it in shoppers]


def assert_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> set[str]:
    """Something was spent before the copy was read, and it is known; returns all reasons."""
    assert "approved" in with_database(purchases(seed, 8), tmp_path / "before")
    read()
    events = purchases(seed + 1)
    stand_in = without_database(events, monkeypatch)
    assert stand_in == with_database(events, tmp_path / "desk")
    assert_clean()
    return set(stand_in)


@pytest.mark.parametrize("each", ["", CARD, CARDHOLDER])
def test_the_limits_of_a_groups_members_are_what_the_desk_says(
    team: CardGroup, each: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited("Everybody", 9_000)
    limited("Team", 1_500, to={"group": team, "each": each})
    assert assert_alike(tmp_path, monkeypatch, seed=17) == {"approved", "limit"}


@pytest.mark.parametrize("each", ["", CARDHOLDER])
def test_the_limits_of_the_program_are_each_cards_or_each_cardholders(
    each: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited("Everybody", 1_700, to={"program": True, "each": each})
    assert assert_alike(tmp_path, monkeypatch, seed=29) == {"approved", "limit"}


@pytest.mark.parametrize("each", ["", CARD, CARDHOLDER])
@pytest.mark.parametrize("kind", [ScopeKind.CARD, ScopeKind.CARDHOLDER, ScopeKind.GROUP])
def test_whoever_is_left_out_is_left_out_and_still_counts_in_what_others_share(
    team: CardGroup,
    kind: ScopeKind,
    each: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limited("Everybody", 2_400)
    policy = limited("Team", 1_500, to={"group": team, "each": each})
    if kind is ScopeKind.GROUP:
        policy = limited("Program", 900, to={"program": True, "each": CARDHOLDER if each else ""})
    who = {
        ScopeKind.CARD: ADA.card_id,
        ScopeKind.CARDHOLDER: ADA.cardholder_id,
        ScopeKind.GROUP: team.pk,
    }[kind]
    left_out(kind, who, of=policy)
    assert assert_alike(tmp_path, monkeypatch, seed=31) == {"approved", "limit"}


def test_without_any_other_grant_whoever_is_left_out_may_spend_nothing(
    team: CardGroup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = limited("Team", 1_500, to={"group": team, "each": CARD})
    left_out(ScopeKind.CARDHOLDER, "ich_ada", of=policy)
    assert assert_alike(tmp_path, monkeypatch, seed=37) == {"approved", "limit", "no_policy"}


def known(shopper: Shopper) -> local_copy.CopiedCard:
    found = local_copy.card(shopper.card_id, shopper.cardholder_id)
    assert found
    return found


def test_the_copy_knows_whose_own_a_limit_is_and_where_usage_counts(team: CardGroup) -> None:
    limited("Program", 900, to={"program": True, "each": CARDHOLDER})
    limited("Team", 1_500, to={"group": team, "each": CARDHOLDER})
    read()
    member = member_scope(team.pk, "ich_ada")
    assert [policy.measured for policy in known(ADA).applied] == [
        member,
        Scope(ScopeKind.CARDHOLDER, "ich_ada"),
    ]
    assert set(known(ADAS_OTHER).scopes) == {
        "card:ic_ada2",
        "cardholder:ich_ada",
        f"group:{team.pk}",
        f"member:{team.pk}:ich_ada",
    }
    assert [policy.measured.id for policy in known(CYD).applied] == ["ich_cyd"]


def test_an_exclusion_ends_to_the_second_while_the_database_is_away(
    team: CardGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited("Everybody", 90_000)
    policy = limited("Team", 1_500, to={"group": team, "each": CARD})
    soon = timezone.now().replace(microsecond=0) + timedelta(minutes=10)
    left_out(ScopeKind.CARD, ADA.card_id, of=policy, until=soon)
    [row] = Instruction.objects.all()
    read()

    def answer() -> list[str]:
        return without_database([ADA.event(ADA.purchase(2_000))], monkeypatch)

    monkeypatch.setattr(time, "time", lambda: soon.timestamp() - 0.001)
    assert ([one.id for one in known(ADA).exclusions], answer()) == ([row.pk], ["approved"])
    monkeypatch.setattr(time, "time", soon.timestamp)
    assert ([one.id for one in known(ADA).exclusions], answer()) == ([], ["limit"])


def test_what_whoever_is_left_out_spends_is_taken_off_what_others_share(
    team: CardGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_force("Everybody", unlimited=True)
    policy = limited("Team", 1_500, to={"group": team})
    left_out(ScopeKind.CARD, ADA.card_id, of=policy)
    read()
    assert ADA.reason(1_000) == "approved"
    asked = [BEA.purchase(501), ADA.purchase(300), BEA.purchase(201), BEA.purchase(200)]
    events = [(ADA if it.amount == 300 else BEA).event(it) for it in asked]
    assert without_database(events, monkeypatch) == ["limit", "approved", "limit", "approved"]
    assert without_database([ADA.event(ADA.purchase(9_000))], monkeypatch) == ["approved"]


DAY = 86_400
NOON = DAY // 2
TOMORROW = (AT // DAY + 1) * DAY
DAILY = [{"amount": 1_000, "interval": "daily"}]


def at(seconds: int, amount: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """The answer of stand-in to a purchase of ADA's, so many seconds after tomorrow's midnight."""
    shopper = replace(ADA, at=TOMORROW + seconds)
    monkeypatch.setattr(time, "time", lambda: TOMORROW + seconds + 1.0)
    [found] = without_database([shopper.event(shopper.purchase(amount))], monkeypatch)
    return found


@override_settings(STAND_IN_MAX_AGE_S=7 * DAY)
def test_a_planned_version_begins_while_the_database_is_away_and_counts_in_new_windows_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was approved in a window before a limit came to apply to it, nobody has noted."""
    policy = in_force("Everybody", unlimited=True)
    document = {"name": "Everybody", "currency": "eur", "spending_limits": DAILY} | AMPLE
    begins = datetime.fromtimestamp(TOMORROW + NOON, UTC)
    publish(document, None, policy=policy, times=PlannedTimes(begins))
    read()
    assert at(NOON - 60, 5_000, monkeypatch) == "approved"
    assert at(NOON, 1, monkeypatch) == "limit"
    assert at(DAY - 60, 1, monkeypatch) == "limit"
    assert at(DAY, 600, monkeypatch) == "approved"
    assert at(DAY + NOON, 401, monkeypatch) == "limit"
    assert at(DAY + NOON, 400, monkeypatch) == "approved"


@override_settings(STAND_IN_MAX_AGE_S=7 * DAY)
def test_what_was_spent_before_an_exclusion_ended_counts_as_soon_as_it_has_ended(
    team: CardGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_force("Everybody", unlimited=True)
    to = {"group": team, "each": CARD}
    policy = in_force("Team", spending_limits=DAILY, **AMPLE, to=to)
    until = datetime.fromtimestamp(TOMORROW + NOON, UTC)
    left_out(ScopeKind.CARD, ADA.card_id, of=policy, until=until)
    read()
    assert at(60, 300, monkeypatch) == "approved"
    assert at(NOON - 60, 200, monkeypatch) == "approved"
    assert at(NOON, 501, monkeypatch) == "limit"
    assert at(NOON, 500, monkeypatch) == "approved"
    assert at(DAY, 1_000, monkeypatch) == "approved"


def test_a_card_that_changes_its_group_is_known_in_the_new_one_with_the_next_reading(
    team: CardGroup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited("Everybody", 90_000)
    limited("Team", 1_500, to={"group": team, "each": CARDHOLDER})
    groups.move(CYD.card_id, team)
    groups.move(ADAS_OTHER.card_id, None)
    assert assert_alike(tmp_path, monkeypatch, seed=41) == {"approved", "limit"}
