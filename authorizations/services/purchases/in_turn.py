"""Goes through several locked purchases in memory, before any of their rows is written.

Each is worked on with what those before it have taken, as if it came after their commit.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import psycopg
from django.db import Error
from msgspec import structs

from authorizations.services.store.lookup import Existing, LockedScopes
from authorizations.services.store.plans import Plan
from authorizations.services.store.usage import Remembered, UsageKey

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PurchaseInTurn(Generic[T]):
    """A locked purchase and what is recorded of it; `work` makes a result of what is recorded.

    `work` returns None for a purchase that must be worked on by itself.
    """

    locked: LockedScopes
    existing: Existing
    work: Callable[[Existing], Plan[T | None]]


def in_turn(
    turns: Sequence[PurchaseInTurn[T]],
    changed: Callable[[T], Sequence[Remembered]],
    asked: set[int] | None = None,
) -> Plan[list[T | None]]:
    """The results of all, in order; `changed` are the rows of usage that one would write.

    None for one that must be worked on in a transaction of its own, and takes nothing from those
    after it: whose work says so, fails, or asks for sums of a scope in which one before it counts,
    whose row is not written yet. The places of these last are added to `asked`: once those before
    them are written, they may be worked on in turn again.
    """
    results: list[T | None] = []
    taken: dict[str, dict[UsageKey, Remembered]] = {}
    for place, turn in enumerate(turns):
        scopes = turn.locked.usage_scopes
        before = {key: row for scope in scopes for key, row in taken.get(scope, {}).items()}
        plan = turn.work(_after(turn.existing, before))
        result: T | None = None
        try:
            is_first = taken.keys().isdisjoint(scopes)
            if is_first:
                result = yield from plan
            else:
                result, has_asked = _without_asking(plan)
                if has_asked and asked is not None:
                    asked.add(place)
        except (Error, psycopg.Error):
            raise
        except Exception:
            logger.exception("One of a group fails, and is worked on by itself.")
        if result is not None:
            for scope in scopes:
                taken.setdefault(scope, {})
            for row in changed(result):
                taken[row.scope][row.key] = row
        results.append(result)
    return results


def _after(existing: Existing, taken: dict[UsageKey, Remembered]) -> Existing:
    """What is recorded, with these rows of usage, which are not written yet."""
    if not taken:
        return existing
    remembered = {row.key: row for row in existing.remembered} | taken
    return structs.replace(existing, remembered=list(remembered.values()))


def _without_asking(plan: Plan[T | None]) -> tuple[T | None, bool]:
    """What a plan returns, or None if it asks for something, and whether it does."""
    try:
        next(plan)
    except StopIteration as done:
        result: T | None = done.value
        return result, False
    plan.close()
    return None, True
