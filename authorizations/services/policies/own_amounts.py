"""Gives a card, cardholder or group its own amount for one limit of a policy."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from time import time
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from authorizations.models import CardGroup, Instruction, Policy
from authorizations.rules.basics.card_numbers import mask_text
from authorizations.rules.basics.controls import (
    Interval,
    LimitControl,
    Scope,
    ScopeKind,
    measured_scope,
    reaches,
    scope_key,
    scope_of,
)
from authorizations.rules.basics.money import MAX_AMOUNT
from authorizations.rules.policy.document import controls
from authorizations.rules.policy.document_limits import MOST
from authorizations.rules.policy.policy_file import ListedOverride
from authorizations.rules.policy.summary import limit_phrase
from authorizations.services.policies import exception_limits, scopes, stops
from authorizations.services.policies.changes import NONE_ASLEEP, Asleep, OverrideChange
from authorizations.services.policies.names import group_ids, policy_ids
from authorizations.services.policies.stops import StopError
from authorizations.services.runtime.actor import acting

NOT_MEASURED = (
    "The limit measures no card there: assign the policy first, or give the amount to what it is "
    "assigned to."
)

_GIVING = "own amounts"
_MAX_NAMED = 3  # in a sentence


class Said(NamedTuple):
    """All that a policy file says of an own amount, by which it is known.

    `scope` is a key, `terms` are the row's as text; `begins` is None once it has begun.
    """

    policy: str
    scope: str
    terms: str
    begins: int | None
    until: int | None
    reason: str


def said_of(change: OverrideChange) -> Said:
    """What a file says of an own amount, whose scope has a key by now."""
    listed = change.listed
    scope = scope_key(Scope(listed.kind, change.target))
    return _said(listed, scope, change.terms)


def _said(listed: ListedOverride, scope: str, terms: dict[str, Any]) -> Said:
    times = (later(listed.begins), listed.until)
    return Said(listed.policy, scope, _text(terms), *times, listed.reason)


def _text(terms: dict[str, Any]) -> str:
    return json.dumps(terms, sort_keys=True)


def later(begins: int | None) -> int | None:
    """When something begins, in Unix seconds; None if it has begun."""
    return begins if begins is not None and begins > time() else None


def said_by(rows: QuerySet[Instruction]) -> dict[Said, list[int]]:
    """The keys of these own amounts, by what they say.

    Several say the same where cards turned out to be of one chain.
    """
    found: dict[Said, list[int]] = defaultdict(list)
    columns = ("policy__name", "scope", "terms", "starts_at", "ends_at", "reason", "pk")
    for policy, scope, terms, starts_at, ends_at, reason, key in rows.values_list(*columns):
        begins = later(int(starts_at.timestamp()))
        until = int(ends_at.timestamp()) if ends_at else None
        found[Said(policy, scope, _text(terms), begins, until, reason)].append(key)
    return found


def given() -> QuerySet[Instruction]:
    """The own amounts that hold now or will, by the database's clock."""
    return stops.open_ones().filter(kind=Instruction.Kind.OVERRIDE)


def limits_of(policy: Policy) -> tuple[LimitControl, ...]:
    """The limits of the version in force."""
    version = policy.version_in_force
    return controls(json.loads(version.content)).limits if version else ()


@transaction.atomic
def give(
    scope: Scope,
    policy: Policy,
    key: str,
    *,
    by: User | None,
    reason: str,
    amount: int | None = None,
    raise_by: int | None = None,
    begins: datetime | None = None,
    until: datetime | None = None,
) -> Instruction:
    """Let a scope have `amount` in place of the limit's, or `raise_by` more, from now or later on.

    A card stands for the root of its chain. Figures are in the limit's unit: the smallest of its
    currency, purchases or attempts. Raises StopError if the policy has no such limit, or nowhere
    measures this scope or one of its cards; if the same is in force already, which a policy file
    could not say; and if `by` may not give so much.
    """
    policy = Policy.objects.select_related("current_version").get(pk=policy.pk)
    limit = next((one for one in limits_of(policy) if one.key == key), None)
    if limit is None:
        raise StopError("The policy has no such limit any more: choose one of those it has.")
    if limit.interval is Interval.FUNDS:
        raise StopError("These are funds: add money to them, or take it out.")
    if scope.kind is ScopeKind.PROGRAM:
        raise StopError("For every card, change the policy itself.")
    if (amount is None) == (raise_by is None):
        raise StopError("Give an amount, or what to add to it: one of them.")
    most = MAX_AMOUNT if amount is None else MOST[limit.measure]
    if not 0 <= (amount or raise_by or 0) <= most or raise_by == 0:
        at_most = "" if most == MAX_AMOUNT else f": at most {most:,}"
        raise StopError(f"Give a figure that is not negative, and not too large{at_most}.")
    # Attempts are those of each card, whatever the policy is assigned to.
    if limit.attempts is None and not is_measured_at(policy, scope):
        raise StopError(NOT_MEASURED)
    terms = {
        "limit": key,
        "interval": limit.interval.value,
        "currency": limit.currency,
        "amount": amount,
        "raise_by": raise_by,
        "attempts": limit.attempts is not None or None,
    }
    kept = {name: value for name, value in terms.items() if value not in (None, "")}
    stops.one_at_a_time(_GIVING)
    [scope] = scopes.lock([scope]).values()
    from_, to = (int(at.timestamp()) if at else None for at in (begins, until))
    own = Said(policy.name, scope_key(scope), _text(kept), from_, to, mask_text(reason.strip()))
    if own in said_by(given().filter(policy=policy, scope=scope_key(scope))):
        raise StopError(
            "This is in force already, with the same end and reason: to add another, give a "
            "different reason."
        )
    beyond = raise_by or max(0, (amount or 0) - limit.limit_value)
    exception_limits.check(by, scope, limit.currency, beyond)
    return stops.write(
        Instruction.Kind.OVERRIDE,
        scope,
        kept,
        policy=policy,
        by=by,
        reason=reason,
        begins=begins,
        until=until,
    )


def follow(new: Sequence[OverrideChange], ended: Sequence[int], *, by: User | None) -> None:
    """Make these own amounts and lift those with these keys, all at once.

    What is in force by now, as somebody else gave it meanwhile, is not made again. Purchases don't
    wait, however many there are. Raises GoneError.
    """
    if not new and not ended:
        return
    groups, policies = group_ids(), policy_ids()
    # A group of the file may have been new when the changes were planned.
    given_to = [
        Scope(it.kind, str(groups[it.target]) if it.kind is ScopeKind.GROUP else change.target)
        for change in new
        for it in [change.listed]
    ]
    with transaction.atomic(), acting(user=by):
        stops.one_at_a_time(_GIVING)
        locked = scopes.lock([*given_to, *scopes.cards_of(ended)])
        there = said_by(given())
        now = stops.now()
        rows = []
        for change, to in zip(new, given_to, strict=True):
            listed, scope = change.listed, scope_key(locked[to])
            if _said(listed, scope, change.terms) in there:
                continue
            begins = later(listed.begins)
            row = Instruction(
                kind=Instruction.Kind.OVERRIDE,
                scope=scope,
                policy_id=policies[listed.policy],
                terms=change.terms,
                starts_at=datetime.fromtimestamp(begins, UTC) if begins else now,
                ends_at=datetime.fromtimestamp(listed.until, UTC) if listed.until else None,
                author=by,
                author_name=by.get_username() if by else "",
                reason=listed.reason,
            )
            rows.append(row)
        Instruction.objects.bulk_create(rows, batch_size=stops.BATCH)
        stops.lift_all(ended, by=by, reason="Not in the file")


def asleep(
    policy: Policy,
    before: Iterable[LimitControl],
    after: Iterable[LimitControl],
    *,
    but: Iterable[int] = (),
) -> Asleep:
    """The own amounts in force for limits of `before` that `after` does not have, except `but`."""
    still = {limit.about for limit in after}
    lost = {limit.about: limit for limit in before if limit.about not in still}
    if not lost:
        return NONE_ASLEEP
    rows = given().filter(policy=policy).exclude(pk__in=[*but]).order_by("pk")
    found = [
        (scope_of(scope), limit_phrase(limit))
        for scope, terms in rows.values_list("scope", "terms")
        if (limit := lost.get(about(terms)))
    ]
    first = found[:_MAX_NAMED]
    groups = [scope.id for scope, _ in first if scope.kind is ScopeKind.GROUP]
    names = {str(group.pk): group.name for group in CardGroup.objects.filter(pk__in=groups)}
    named = tuple(
        f"{scope.kind} {names.get(scope.id, scope.id)} ({limit})" for scope, limit in first
    )
    return Asleep(len(found), named)


def about(terms: Mapping[str, Any]) -> tuple[str, str, str, bool]:
    """What an own amount has to share with a limit to hold for it: see LimitControl.about."""
    unit = terms.get("currency", "")
    return terms["limit"], unit, terms["interval"], terms.get("attempts", False)


def is_measured_at(policy: Policy, scope: Scope) -> bool:
    """Whether some limit of the policy measures this kind of scope, or a narrower one."""
    return any(reaches(scope.kind, kind) for kind in measured_kinds(policy))


def measured_kinds(policy: Policy) -> set[ScopeKind]:
    """What kinds of scopes the limits of a policy measure where it is assigned."""
    assigned = policy.assignments.values_list("scope", "each").distinct()
    return kinds_measured((scope_of(key).kind, each) for key, each in assigned)


def kinds_measured(assigned: Iterable[tuple[ScopeKind, str]]) -> set[ScopeKind]:
    """The kinds that limits measure, of assignments to these kinds, each with whose own it is."""
    card = Scope(ScopeKind.CARD, "")
    return {measured_scope(Scope(kind, ""), each, card, "").kind for kind, each in assigned}
