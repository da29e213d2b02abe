"""What operators instructed, from rows as JSON: those of the database, or of stand-in's copy."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from authorizations.rules.basics.controls import Exclusion, Override, Pot, scope_of
from authorizations.rules.basics.purchase_exceptions import PurchaseException, Waiver
from authorizations.rules.basics.stops import MAX_CACHED, Stop

T = TypeVar("T", Override, Exclusion, Pot)

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_OVERRIDE, _EXCLUSION, _POT, _EXCEPTION = "override", "exclusion", "pot", "exception"


def stops_of(rows: Iterable[str], card_id: str) -> tuple[Stop, ...]:
    """The stops in these rows for a card, by their ids; one on a single card holds for it alone."""
    found = [told for told in map(_read, rows) if isinstance(told, Stop)]
    own = scope_of(f"card:{card_id}")
    kept = (stop for stop in found if stop.scope == own or stop.scope.kind != own.kind)
    return tuple(sorted(kept, key=lambda stop: stop.id))


def overrides_of(rows: Iterable[str], versions: Mapping[int, int]) -> dict[int, Sequence[Override]]:
    """The overrides in these rows by the version in force; `versions` has it by policy."""
    found: dict[int, list[Override]] = defaultdict(list)
    for policy, override in _of(Override, rows):
        if policy in versions:
            found[versions[policy]].append(override)
    return {version: sorted(those, key=lambda one: one.id) for version, those in found.items()}


def pots_of(rows: Iterable[str], versions: Mapping[int, int]) -> dict[int, Sequence[Pot]]:
    """The pots in these rows, which are of one scope, by the version in force."""
    found: dict[int, list[Pot]] = defaultdict(list)
    for policy, pot in _of(Pot, rows):
        if policy in versions:
            found[versions[policy]].append(pot)
    return {version: sorted(those) for version, those in found.items()}


def exceptions_of(rows: Iterable[str]) -> tuple[PurchaseException, ...]:
    """The exceptions in these rows, by their ids."""
    found = [told for told in map(_read, rows) if isinstance(told, PurchaseException)]
    return tuple(sorted(found, key=lambda one: one.id))


def exclusions_of(
    rows: Iterable[str], versions: Mapping[int, int]
) -> dict[tuple[str, int], Sequence[Exclusion]]:
    """The exclusions in these rows by the scope that their policy is assigned to, and its version.

    `versions` has the version in force by policy.
    """
    found: dict[tuple[str, int], list[Exclusion]] = defaultdict(list)
    for policy, exclusion in _of(Exclusion, rows):
        if policy in versions:
            found[exclusion.assigned, versions[policy]].append(exclusion)
    return {key: sorted(those, key=lambda one: one.id) for key, those in found.items()}


def _of(kind: type[T], rows: Iterable[str]) -> Iterator[tuple[int, T]]:
    """Those of one kind in these rows, with their policies' ids."""
    for told in map(_read, rows):
        if isinstance(told, tuple) and isinstance(told[1], kind):
            yield told[0], told[1]


@lru_cache(MAX_CACHED)
def _read(text: str) -> Stop | PurchaseException | tuple[int, Override | Exclusion | Pot]:
    """What a text says, always the same; what is of a policy with the policy's id."""
    row = _decode(text)
    if row["kind"] == _POT:
        pot = Pot(row["limit"], row["currency"], row["amount"], row["since"])
        return row["policy"], pot
    if row["kind"] == _OVERRIDE:
        return row["policy"], _override(row)
    if row["kind"] == _EXCLUSION:
        return row["policy"], _exclusion(row)
    return _exception(row) if row["kind"] == _EXCEPTION else _stop(row)


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
