"""The attempts of a card that limits on attempts count, read from its authorizations.

Under the card's lock, by one statement for all that are asked about, and none where no policy that
applies has such a limit.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple, TypeAlias

import msgspec
from msgspec.structs import replace

from authorizations.rules.basics.controls import Interval, LimitControl
from authorizations.rules.basics.filters import Merchant
from authorizations.rules.decision.attempts import Attempt, counts, has_room, measured
from authorizations.rules.decision.controls import AppliedControls, AttemptsUsed
from authorizations.rules.decision.windows import limit_bounds
from authorizations.rules.purchases.events import PurchaseEvent
from authorizations.services.runtime import codec
from authorizations.services.runtime.pipeline import Statement
from authorizations.services.store import plans, statements
from authorizations.services.store.plans import Plan
from authorizations.services.store.window_sums import AT_ONCE


class MadeAttempt(NamedTuple):
    """An attempt as limits see it; `refused_by` are the names of those that were full.

    `frozen_by` are the names of those that froze its card with it.
    """

    root_id: str
    created: int
    attempt: Attempt
    refused_by: tuple[str, ...]
    merchant: Merchant
    frozen_by: tuple[str, ...] = ()


class LimitedAttempts(msgspec.Struct, frozen=True):
    """What a limit counts in [start, end): when the latest attempts began, the latest first.

    No more of them are kept than the limit allows. `name` is that of the limit among those of all
    policies: see `limit_name`. `has_frozen` says whether it has frozen a card by one of them.
    """

    version_id: int
    limit: LimitControl
    name: str
    start: int
    end: int
    times: tuple[int, ...] = ()
    is_complete: bool = True
    has_frozen: bool = False

    @property
    def used(self) -> AttemptsUsed:
        limit, number = self.limit, len(self.times)
        is_full = number >= limit.limit_value
        at = None
        if is_full and number and limit.interval is Interval.ROLLING:
            at = self.times[-1] + limit.rolling_seconds
        return AttemptsUsed(
            limit=limit.key,
            used=number,
            start=self.start,
            end=self.end,
            available_at=at,
            is_complete=self.is_complete or is_full,
            has_frozen=None if limit.then_freeze is None else self.has_frozen,
        )

    def since(self, start: int) -> "LimitedAttempts":
        """From a later beginning on, without what it counts."""
        return replace(self, start=start, times=())

    def and_also(self, made: MadeAttempt) -> "LimitedAttempts":
        """With one more attempt, if the limit counts it, and the freeze that it caused."""
        if not self.start <= made.created < self.end:
            return self
        limited = replace(self, has_frozen=True) if self.name in made.frozen_by else self
        if not (
            counts(self.limit, made.attempt)
            and self.name not in made.refused_by
            and self.limit.filter.concerns(made.merchant)
        ):
            return limited
        times = sorted((made.created, *self.times), reverse=True)[: self.limit.limit_value]
        return replace(limited, times=tuple(times))


def limit_name(policy_id: int, key: str) -> str:
    """The name of a limit among those of all policies, the same in all versions of its policy."""
    return f"{policy_id}:{key}"


def of_purchase(
    event: PurchaseEvent, applied: Iterable[AppliedControls], in_force: Mapping[int, int]
) -> list[LimitedAttempts]:
    """The limits on attempts that concern a purchase, without what they count.

    `in_force` has the version of each policy.
    """
    concerned = [
        (policy, limit)
        for policy in applied
        for limit in policy.controls.attempt_limits
        if limit.filter.concerns(event.merchant)
    ]
    if not concerned:
        return []
    policies = {version_id: policy_id for policy_id, version_id in in_force.items()}
    found: dict[str, LimitedAttempts] = {}
    for policy, limit in concerned:
        name = limit_name(policies[policy.version_id], limit.key)
        bounds = limit_bounds(limit, policy.controls, event.created)
        found[name] = LimitedAttempts(policy.version_id, limit, name, *bounds)
    return [*found.values()]


def refusing(applied: Iterable[AppliedControls], in_force: Mapping[int, int]) -> tuple[str, ...]:
    """The names of the limits that had no room for an attempt; `in_force` as of `of_purchase`."""
    policies = {version_id: policy_id for policy_id, version_id in in_force.items()}
    names = [
        limit_name(policies[policy.version_id], limit.key)
        for policy in applied
        for limit, used in measured(policy)
        if not has_room(limit, used)
    ]
    return tuple(dict.fromkeys(names))


class AttemptsSought(NamedTuple):
    """The limits that an authorization of a card is asked about; it does not count itself."""

    authorization_id: str
    root_id: str
    limits: Sequence[LimitedAttempts]


Counted: TypeAlias = tuple[LimitedAttempts, ...]


def read(asked: Sequence[AttemptsSought]) -> Plan[list[Counted]]:
    """What the limits of each count."""
    reading = statement(asked)
    if reading is None:
        return [() for _ in asked]
    rows = yield from plans.ask(reading.text, **reading.parameters)
    return counted(asked, rows)


def statement(asked: Sequence[AttemptsSought]) -> Statement | None:
    """The statement that reads what these limits count; None if there are none."""
    pairs = [(it, one) for it in asked for one in it.limits]
    needed = [
        {
            "place": place,
            "root": it.root_id,
            "own": it.authorization_id,
            "name": one.name,
            "start": one.start,
            "end": one.end,
            "declined_only": one.limit.declined_only,
            # Whether a filter concerns an attempt is known here alone.
            "most": AT_ONCE + 1 if one.limit.filter.key else one.limit.limit_value,
        }
        for place, (it, one) in enumerate(pairs)
    ]
    if not needed:
        return None
    kinds = tuple(sorted({one.limit.declined_only for _, one in pairs}))
    parameters = {"limits": codec.to_json(needed), "at_once": AT_ONCE}
    return Statement(statements.ATTEMPTS[kinds], parameters)


def counted(asked: Sequence[AttemptsSought], rows: Iterable[tuple[Any, ...]]) -> list[Counted]:
    """What the limits of each count, by the rows of the statement for all."""
    by_place: dict[int, list[tuple[Any, ...]]] = {}
    for row in rows:
        by_place.setdefault(row[0], []).append(row)
    places = count()
    return [tuple(_counted(one, by_place[next(places)]) for one in it.limits) for it in asked]


def _counted(limited: LimitedAttempts, rows: Iterable[tuple[Any, ...]]) -> LimitedAttempts:
    """With the rows of the statement."""
    times: list[int] = []
    is_complete, has_frozen = True, False
    start, concern = limited.start, limited.limit.filter
    for _, begun, frozen, created, is_too_many, *merchant in rows:
        start, has_frozen = begun, frozen
        if is_too_many:
            is_complete = False
        # There may be many, and most limits have no filter.
        elif created is not None and (not concern.key or concern.concerns(Merchant(*merchant))):
            times.append(created)
    latest = sorted(times, reverse=True)[: limited.limit.limit_value]
    return replace(
        limited,
        start=start,
        times=tuple(latest),
        is_complete=is_complete,
        has_frozen=has_frozen,
    )
