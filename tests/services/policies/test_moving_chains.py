"""What a card is given in the very instant in which it turns out to replace another: it stands on
the first card of the chain, whichever comes first, and nobody else waits.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from django.db import transaction

from authorizations.models import (
    Card,
    FundEntry,
    Instruction,
    OpenInstruction,
    Policy,
    PotSum,
)
from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.services.policies import exclusions, funds, own_amounts, stops
from authorizations.services.policies.assignments import unassign
from authorizations.services.policies.own_amounts_table import import_own_amounts
from authorizations.services.policies.stops import StopError
from authorizations.services.store.cards import register
from tests.services.authorize.test_races import at_once
from tests.support import builders
from tests.support.damage import damage
from tests.support.desk import Shopper
from tests.support.policy_files import load
from tests.support.threads import apart, done, until_waiting
from tests.support.verification import assert_clean, differences

pytestmark = pytest.mark.django_db(transaction=True)

AT = int(time.time()) + 86_400  # after the first entry of funds
PROGRAM = Scope(ScopeKind.PROGRAM, "")
TRIES = 5


def policy(name: str, **limit: Any) -> dict[str, Any]:
    return {"name": name, "currency": "eur", "spending_limits": [limit]}


TEAM = policy("Team", key="monthly", amount=50_000, interval="monthly")
STRICT = policy("Strict", key="daily", amount=100, interval="daily")
POT = policy("Pot", key="pot", funds=True)


def file(*policies: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A policy file in which all of these are assigned to every card."""
    everywhere = [{"policy": each["name"], "program": True} for each in policies]
    return {"policies": list(policies), "assignments": everywhere} | more


def named(name: str) -> Policy:
    return Policy.objects.get(name=name)


def gives_an_amount(card: str) -> None:
    scope = Scope(ScopeKind.CARD, card)
    own_amounts.give(scope, named("Team"), "monthly", by=None, reason="Lyon", amount=80_000)


def imports_a_table(card: str) -> None:
    import_own_amounts(f"card,policy,limit,amount,reason\n{card},Team,monthly,800.00,Lyon")


def imports_amounts(card: str) -> None:
    own = {"policy": "Team", "limit": "monthly", "card": card, "amount": 80_000, "reason": "Lyon"}
    load(file(TEAM, overrides=[own]))


def leaves_out(card: str) -> None:
    scope = Scope(ScopeKind.CARD, card)
    exclusions.leave_out(named("Strict"), PROGRAM, scope, by=None, reason="Lyon")


def imports_exclusions(card: str) -> None:
    changed = file(TEAM, STRICT)
    changed["assignments"][1]["except"] = [{"card": card, "reason": "Lyon"}]
    load(changed)


def adds_funds(card: str) -> None:
    scope = Scope(ScopeKind.CARD, card)
    funds.enter(named("Pot"), "pot", scope, 900, by=None, reference="PO-1", reason="Lyon")


def imports_funds(card: str) -> None:
    entry = {"policy": "Pot", "limit": "pot", "card": card, "amount": 900}
    load(file(POT, funds=[entry | {"reference": "PO-1", "reason": "Lyon"}]))


class Kind(NamedTuple):
    """What is given to a card, by which policies, and the most that it may spend then."""

    give: Callable[[str], None]
    policies: tuple[dict[str, Any], ...]
    most: int


AMOUNTS = [Kind(it, (TEAM,), 80_000) for it in (gives_an_amount, imports_a_table, imports_amounts)]
EXCLUSIONS = [Kind(it, (TEAM, STRICT), 50_000) for it in (leaves_out, imports_exclusions)]
FUNDS = [Kind(it, (POT,), 900) for it in (adds_funds, imports_funds)]


def each_of(kinds: list[Kind]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("kind", kinds, ids=lambda kind: kind.give.__name__)


def known(card: str = "ic_ada") -> Shopper:
    """Whoever pays with a card that replaces none, as far as is known."""
    return Shopper(card_id=card, cardholder_id="ich_ada", at=AT)


def replacing(card: str = "ic_ada", first: str = "ic_first") -> Shopper:
    """The same, once it is known which card theirs replaces."""
    return Shopper(card_id=card, cardholder_id="ich_ada", at=AT, card={"replacement_for": first})


def prepare(kind: Kind) -> None:
    load(file(*kind.policies))
    assert known().reason(0) == "approved"


def move() -> None:
    """The chain moves, as an event says which card this one replaces."""
    card = builders.card(id="ic_ada", cardholder_id="ich_ada", replacement_for="ic_first")
    register(card, "evt_moves", AT)


def open_at(*cards: str) -> list[tuple[str, str]]:
    """What is in force of cards, without what is of no card."""
    rows = stops.open_ones().filter(scope__in=[f"card:{card}" for card in cards])
    return list(rows.values_list("scope", "kind"))


def assert_on_root(kind: Kind, card: str = "ic_ada", first: str = "ic_first") -> None:
    assert Card.objects.get(pk=card).root_id == first
    if kind in FUNDS:
        assert PotSum.objects.get(scope=f"card:{first}").amount == 900
    else:
        [(scope, _)] = open_at(card, first)
        assert scope == f"card:{first}"
    assert replacing(card, first).reason(kind.most + 1) != "approved"
    assert replacing(card, first).reason(kind.most) == "approved"


@each_of([*AMOUNTS, *EXCLUSIONS, *FUNDS])
def test_a_chain_that_moves_waits_for_what_is_being_given_and_takes_it_along(kind: Kind) -> None:
    prepare(kind)
    with transaction.atomic():
        kind.give("ic_ada")
        moving = apart(lambda: replacing().reason(0))
        until_waiting(1)
    assert moving.result() == "approved"
    assert_on_root(kind)
    assert_clean()


@each_of([*AMOUNTS, *EXCLUSIONS, *FUNDS])
def test_what_is_given_while_a_chain_moves_is_given_to_its_new_root(kind: Kind) -> None:
    prepare(kind)
    with transaction.atomic():
        move()
        giving = apart(lambda: kind.give("ic_ada"))
        until_waiting(1)
    giving.result()
    assert FundEntry.objects.exclude(scope="card:ic_first").count() == 0
    assert_on_root(kind)
    assert_clean()


@each_of([*AMOUNTS, *EXCLUSIONS, *FUNDS])
def test_at_the_same_moment_it_ends_on_the_root_and_nobody_runs_into_a_deadlock(
    kind: Kind,
) -> None:
    prepare(kind)
    for number in range(TRIES):
        card, first = f"ic_{number}", f"ic_first{number}"
        assert known(card).reason(0) == "approved"
        give = lambda card=card: kind.give(card)  # noqa: E731
        moves = lambda card=card, first=first: replacing(card, first).reason(0)  # noqa: E731
        assert at_once(give, moves) == [None, "approved"]
        assert_on_root(kind, card, first)
    assert_clean()


@each_of([*AMOUNTS, *EXCLUSIONS])
def test_purchases_do_not_wait_for_what_their_card_is_given(kind: Kind) -> None:
    prepare(kind)
    with transaction.atomic():
        kind.give("ic_ada")
        assert done(lambda: known().reason(100)) == "approved"
        assert done(lambda: known().reason(50_001)) == "amount_limit_exceeded"
    assert known().reason(kind.most - 100) == "approved"
    assert_clean()


@each_of(FUNDS)
def test_a_purchase_waits_for_the_funds_of_its_card(kind: Kind) -> None:
    prepare(kind)
    with transaction.atomic():
        kind.give("ic_ada")
        asked = apart(lambda: known().reason(900))
        until_waiting(1)
    assert asked.result() == "approved"
    assert_clean()


def without(kind: Kind) -> Callable[[], object]:
    """What ends what was given: a file without it, or whoever removes the assignment."""

    def remove() -> None:
        strict = named("Strict")
        unassign(strict, strict.assignments.all())

    if kind.give is leaves_out:
        return remove
    return lambda: load(file(*kind.policies, overrides=[]))


@each_of([*AMOUNTS, *EXCLUSIONS])
@pytest.mark.parametrize("moves_first", [True, False])
def test_what_ends_while_its_chain_moves_has_ended(kind: Kind, *, moves_first: bool) -> None:
    prepare(kind)
    kind.give("ic_ada")
    end = without(kind)
    first, second = (move, end)[:: 1 if moves_first else -1]
    with transaction.atomic():
        first()
        waiting = apart(second)
        until_waiting(1)
    waiting.result()
    assert Card.objects.get(pk="ic_ada").root_id == "ic_first"
    assert open_at("ic_ada", "ic_first") == []
    assert_clean()


def test_several_of_a_card_that_end_at_the_moment_of_its_move_cause_no_deadlock() -> None:
    load(file(TEAM))
    for number in range(TRIES):
        card, first = f"ic_{number}", f"ic_first{number}"
        assert known(card).reason(0) == "approved"
        own = [
            {"policy": "Team", "limit": "monthly", "card": card, "raise_by": 100 + turn}
            | {"reason": f"Lyon {turn}"}
            for turn in range(8)
        ]
        load(file(TEAM, overrides=own))
        end = lambda: load(file(TEAM, overrides=[])) and None  # noqa: E731
        moves = lambda card=card, first=first: replacing(card, first).reason(0)  # noqa: E731
        assert at_once(end, moves) == [None, "approved"]
        assert open_at(card, first) == []
    assert_clean()


@pytest.mark.parametrize("give", [gives_an_amount, leaves_out, adds_funds])
def test_a_card_that_is_not_there_is_refused(give: Callable[[str], None]) -> None:
    load(file(TEAM, STRICT, POT))
    with pytest.raises(StopError, match="There is no card ic_nobody here"):
        give("ic_nobody")
    assert not Instruction.objects.exists()
    assert not FundEntry.objects.exists()


@pytest.mark.parametrize("kind", [ScopeKind.CARDHOLDER, ScopeKind.GROUP])
def test_nor_is_anything_given_to_a_cardholder_or_group_that_is_not_there(kind: ScopeKind) -> None:
    team = file(TEAM)
    team["assignments"][0] = {"policy": "Team", "program": True, "each": "cardholder"}
    load(team | {"groups": []})
    scope = Scope(kind, "7")
    with pytest.raises(StopError, match=r"There is no (cardholder|card group) 7 here"):
        funds.enter(named("Team"), "monthly", scope, 1, by=None, reference="1", reason="Lyon")
    with pytest.raises(StopError, match=r"There is no (cardholder|card group) 7 here"):
        exclusions.leave_out(named("Team"), PROGRAM, scope, by=None, reason="Lyon")


@pytest.mark.parametrize("kind", [AMOUNTS[0], EXCLUSIONS[0]], ids=["amount", "exclusion"])
def test_verify_books_names_what_stands_on_a_card_that_is_no_root(kind: Kind) -> None:
    prepare(kind)
    kind.give("ic_ada")
    assert replacing().reason(0) == "approved"
    [row] = Instruction.objects.filter(scope="card:ic_first")
    damage(row, scope="card:ic_ada")
    OpenInstruction.objects.update(scope="card:ic_ada")
    assert differences() == [
        "card ic_ada: own amount or exclusion is of this card; expected of its root ic_first"
    ]


def test_verify_books_names_funds_of_a_card_that_is_no_root() -> None:
    prepare(FUNDS[0])
    adds_funds("ic_ada")
    assert replacing().reason(0) == "approved"
    assert differences() == []
    entry = FundEntry.objects.get(scope="card:ic_ada")
    entry.pk, entry.reference, entry.amount = None, "PO-2", 1
    entry.save(force_insert=True)
    assert differences() == [
        f"entry of funds {entry.pk}: its like at the root is none; expected an existing row"
    ]
