"""What operators instructed, from rows as JSON: those of the database, or of stand-in's copy."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

import msgspec

from authorizations.rules.basics.controls import Exclusion, Override, Pot, scope_of
from authorizations.rules.basics.purchase_exceptions import PurchaseException, Waiver
from authorizations.rules.basics.stops import MAX_CACHED, Stop

Told: TypeAlias = Stop | PurchaseException | tuple[int, Override | Exclusion | Pot]
"""What a row says; what is of a policy with the policy's id."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_OVERRIDE, _EXCLUSION, _POT, _EXCEPTION = "override", "exclusion", "pot", "exception"


@lru_cache(MAX_CACHED)
def told_by(text: str) -> Told:
    """What a row says, from its JSON: always the same."""
    row = _decode(text)
    if row["kind"] == _POT:
        pot = Pot(row["limit"], row["currency"], row["amount"], row["since"])
        return row["policy"], pot
    if row["kind"] == _OVERRIDE:
        return row["policy"], _override(row)
    if row["kind"] == _EXCLUSION:
        return row["policy"], _exclusion(row)
    return _exception(row) if row["kind"] == _EXCEPTION else _stop(row)


def stops_of(told: Iterable[Told], card_id: str) -> tuple[Stop, ...]:
    """The stops that hold for a card, by their ids; one on a single card holds for it alone."""
    own = scope_of(f"card:{card_id}")
    kept = (
        stop
        for stop in told
        if isinstance(stop, Stop) and (stop.scope == own or stop.scope.kind != own.kind)
    )
    return tuple(sorted(kept, key=lambda stop: stop.id))


def exceptions_of(told: Iterable[Told]) -> tuple[PurchaseException, ...]:
    """The exceptions, by their ids."""
    found = [one for one in told if isinstance(one, PurchaseException)]
    return tuple(sorted(found, key=lambda one: one.id))


class OfPolicies(NamedTuple):
    """What is instructed of policies, by the version in force, each in the order of their ids.

    Exclusions are by the scope that the policy is assigned to as well.
    """

    overrides: Mapping[int, Sequence[Override]]
    exclusions: Mapping[tuple[str, int], Sequence[Exclusion]]


NOT_OF_POLICIES = OfPolicies({}, {})


def of_policies(told: Iterable[Told], versions: Mapping[int, int]) -> OfPolicies:
    """The own amounts and exclusions; `versions` has the version in force by policy."""
    overrides: dict[int, list[Override]] = {}
    exclusions: dict[tuple[str, int], list[Exclusion]] = {}
    for one in told:
        if not isinstance(one, tuple):
            continue
        policy_id, own = one
        version = versions.get(policy_id)
        if version is None:
            continue
        if isinstance(own, Override):
            overrides.setdefault(version, []).append(own)
        elif isinstance(own, Exclusion):
            exclusions.setdefault((own.assigned, version), []).append(own)
    for its in overrides.values():
        its.sort(key=attrgetter("id"))
    for those in exclusions.values():
        those.sort(key=attrgetter("id"))
    return OfPolicies(overrides, exclusions)


def pots_of(told: Iterable[Told], versions: Mapping[int, int]) -> dict[int, tuple[Pot, ...]]:
    """The pots, which are of one scope, by the version in force."""
    found: dict[int, list[Pot]] = {}
    for one in told:
        if isinstance(one, tuple) and isinstance(one[1], Pot) and one[0] in versions:
            found.setdefault(versions[one[0]], []).append(one[1])
    return {version: tuple(sorted(those)) for version, those in found.items()}


def _exclusion(row: dict[str, Any]) -> Exclusion:
    return Exclusion(
        id=row["id"],
        scope=scope_of(row["scope"]),
        assigned=row["terms"]["assigned"],
        until=row["until"],
        author=row["author"],
        reason=row["reason"],
    )


def _override(row: dict[str, Any]) -> Override:
    terms = row["terms"]
    return Override(
        id=row["id"],
        scope=scope_of(row["scope"]),
        limit=terms["limit"],
        interval=terms["interval"],
        amount=terms.get("amount"),
        raise_by=terms.get("raise_by"),
        currency=terms.get("currency", ""),
        until=row["until"],
        author=row["author"],
        reason=row["reason"],
        of_attempts=terms.get("attempts", False),
    )


def _exception(row: dict[str, Any]) -> PurchaseException:
    terms = row["terms"]
    return PurchaseException(
        id=row["id"],
        card_id=scope_of(row["scope"]).id,
        up_to=terms["up_to"],
        currency=terms["currency"],
        until=row["until"],
        waives=tuple(Waiver(**one) for one in terms["waives"]),
        merchant=terms.get("merchant"),
        category=terms.get("category", ""),
        author=row["author"],
        reason=row["reason"],
    )


def _stop(row: dict[str, Any]) -> Stop:
    terms = row["terms"]
    return Stop(
        id=row["id"],
        scope=scope_of(row["scope"]),
        merchant=terms.get("merchant"),
        category=terms.get("category", ""),
        country=terms.get("country", ""),
        until=row["until"],
        author=row["author"],
        reason=row["reason"],
    )
