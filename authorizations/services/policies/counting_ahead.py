"""Starts counting for a limit when it comes into force, not when a purchase first needs it.

For a version that is planned it starts at once.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import time
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import Q, Value
from django.db.models.functions import Concat

from authorizations.models import Assignment, Card, PlannedVersion, Policy, UncountedWindow
from authorizations.rules.basics.controls import (
    OwnBudget,
    Scope,
    ScopeKind,
    member_scope,
    scope_key,
    scope_of,
)
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.windows import windows_at
from authorizations.services.host.applied import PolicyInForce, applied_to
from authorizations.services.runtime import budget
from authorizations.services.store import (
    counting,
    sum_statements,
    uncounted,
    window_sums,
)
from authorizations.services.store.plans import drive
from authorizations.services.store.uncounted import Progress
from authorizations.services.store.usage import asked_of, remembered_around

logger = logging.getLogger(__name__)

_MAX_SCOPES = 200
"""Maximum busy scopes to start with; counting for others starts with their first purchase."""

_OF_CARD = sum_statements.of_chain("wanted.id")
_OF_CARDHOLDER, _OF_GROUP = "cardholder_id = wanted.id", "group_id = wanted.id"
_NAMED = "SELECT id AS at, id FROM unnest(%(ids)s::{type}[]) AS named(id)"
_BUSY = {
    kinds: f"""
SELECT wanted.at::text, wanted.id::text FROM ({wanted}) AS wanted WHERE EXISTS (
    SELECT FROM authorizations_authorization WHERE {of} OFFSET %(few)s LIMIT 1
) LIMIT %(most)s"""  # noqa: S608 - names of this file
    for kinds, (wanted, of) in {
        (ScopeKind.CARD, ""): (_NAMED.format(type="text"), _OF_CARD),
        (ScopeKind.CARDHOLDER, ""): (_NAMED.format(type="text"), _OF_CARDHOLDER),
        (ScopeKind.GROUP, ""): (_NAMED.format(type="bigint"), _OF_GROUP),
        (ScopeKind.GROUP, OwnBudget.CARD): (
            """
    SELECT group_id AS at, id FROM authorizations_card
    WHERE group_id = ANY(%(ids)s::bigint[])""",
            _OF_CARD,
        ),
        (ScopeKind.GROUP, OwnBudget.CARDHOLDER): (
            """
    SELECT DISTINCT root.group_id AS at, root.group_id || ':' || card.cardholder_id AS id
    FROM authorizations_card AS root
    JOIN authorizations_card AS card ON card.root_id = root.id
    WHERE root.group_id = ANY(%(ids)s::bigint[]) AND card.cardholder_id IS NOT NULL""",
            sum_statements.of_member("wanted.id"),
        ),
        (ScopeKind.PROGRAM, ""): (
            "SELECT '' AS at, id FROM authorizations_card WHERE id = root_id",
            _OF_CARD,
        ),
        (ScopeKind.PROGRAM, OwnBudget.CARDHOLDER): (
            "SELECT '' AS at, id FROM authorizations_cardholder",
            _OF_CARDHOLDER,
        ),
    }.items()
}
"""By what a policy is assigned to and whose own its limits are: the busy scopes they measure."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What is being counted: windows, their purchases, and the estimated time in seconds."""

    windows: int = 0
    purchases: int = 0
    seconds: int = 0


NOTHING_BEGUN = Begun()


def begin(policy: Policy) -> Begun:
    """Start counting for a policy's limits at each of its scopes. Runs within a transaction."""
    return _begin(_assigned(Q(policy=policy.pk)))


def begin_at(policy: Policy, assigned: Mapping[str, str]) -> Begun:
    """Start counting for a policy at these scopes, whether assigned there or not.

    `assigned` has an assignment's `each` by the key of its scope. Runs within a transaction.
    """
    versions = _versions([policy.pk]).get(policy.pk, ())
    return _begin(
        [
            PolicyInForce(scope, version, each)
            for scope, each in assigned.items()
            for version in versions
        ]
    )


def begin_at_group(group_id: int) -> Begun:
    """Start counting for the limits of a group's policies. Runs within a transaction.

    The result includes what is being counted there already: cards that join wait for that as well.
    """
    _begin(_assigned(Q(group=group_id)))
    own = Card.objects.filter(group=group_id).annotate(key=Concat(Value("card:"), "pk"))
    return _begun(
        UncountedWindow.objects.filter(
            Q(scope=scope_key(Scope(ScopeKind.GROUP, str(group_id))))
            | Q(scope__startswith=scope_key(member_scope(group_id, "")))
            | Q(scope__in=own.values("key"))
        )
    )


def progress(policy: Policy) -> Progress | None:
    """The total progress of counting for a policy's limits; None if nothing is being counted."""
    notes = list(UncountedWindow.objects.order_by("pk")[:_MAX_SCOPES])
    if not notes:
        return None
    measured = {note.scope: scope_of(note.scope) for note in notes}
    cards = [scope.id for scope in measured.values() if scope.kind is ScopeKind.CARD]
    groups = dict(Card.objects.filter(pk__in=cards).values_list("pk", "group_id"))
    keys = {"program:", *measured, *(f"group:{group}" for group in groups.values())}
    keys |= {f"group:{_group_of(scope)}" for scope in measured.values()}
    there = policy.assignments.filter(scope__in=keys).values_list("scope", "each")
    versions, at = _versions([policy.pk]).get(policy.pk, ()), int(time())
    found: list[Progress] = []
    for note in notes:
        scope = measured[note.scope]
        its_keys = ("program:", note.scope, f"group:{groups.get(scope.id, _group_of(scope))}")
        assigned = [
            PolicyInForce(key, version, each)
            for key, each in there
            if key in its_keys
            for version in versions
        ]
        applied = [one for one in _measuring(assigned, scope.id) if one.measured == scope]
        if any(uncounted.is_of(note, window) for window in windows_at(at, applied)):
            found.append(uncounted.progress_of(note))
    return _together(found)


def _group_of(scope: Scope) -> str:
    """The group of a member, or the id of any other scope."""
    return scope.id.partition(":")[0]


def _measuring(assigned: Sequence[PolicyInForce], measured: str) -> tuple[AppliedControls, ...]:
    """The controls that measure this id: a card's, a member's, or what they are assigned to."""
    holder = measured.rpartition(":")[2]
    return applied_to(Scope(ScopeKind.CARD, measured), holder, assigned).policies


def progress_of_all() -> Progress | None:
    """The total progress of all counting; None if nothing is being counted."""
    notes = UncountedWindow.objects.order_by("pk")[:_MAX_SCOPES]
    return _together([uncounted.progress_of(note) for note in notes])


def _together(found: Sequence[Progress]) -> Progress | None:
    return Progress(*map(sum, zip(*found, strict=True))) if found else None


def _assigned(wanted: Q) -> list[PolicyInForce]:
    """These assignments with each version in force or planned there."""
    rows = list(Assignment.objects.filter(wanted).values_list("scope", "policy_id", "each"))
    versions = _versions({policy for _, policy, _ in rows})
    return [
        PolicyInForce(scope, version, each)
        for scope, policy, each in rows
        for version in versions.get(policy, ())
    ]


def _versions(policies: Iterable[int]) -> dict[int, set[int]]:
    """The keys of the versions of these policies that are in force or planned."""
    found = defaultdict[int, set[int]](set)
    of_these = Policy.objects.filter(pk__in=policies)
    for policy, version in of_these.versions_in_force().items():
        found[policy].add(version)
    plans = PlannedVersion.objects.open().filter(policy__in=of_these.exclude(planned_until=None))
    for policy, version in plans.values_list("policy_id", "version_id"):
        found[policy].add(version)
    return found


def _begin(assigned: Sequence[PolicyInForce]) -> Begun:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {budget.COUNTING_AHEAD_MS}")
            notes = _new_notes(_applied(assigned))
            UncountedWindow.objects.bulk_create(notes, ignore_conflicts=True)
            cursor.execute("SET LOCAL statement_timeout TO DEFAULT")
    except OperationalError as error:
        logger.warning("Counting starts with the first purchases instead: %s", error)
        return NOTHING_BEGUN
    return _begun(notes)


def _begun(notes: Iterable[UncountedWindow]) -> Begun:
    left = [max(0, (note.purchases or counting.how_many(note)) - note.counted) for note in notes]
    return Begun(len(left), sum(left), uncounted.seconds_for(sum(left)) if left else 0)


def _applied(assigned: Sequence[PolicyInForce]) -> list[AppliedControls]:
    """The controls that measure each busy scope; the program's measure every busy card."""
    by_kind: dict[tuple[ScopeKind, str], dict[str, list[PolicyInForce]]] = {}
    for one in assigned:
        scope = scope_of(one.scope)
        by_kind.setdefault((scope.kind, one.each), {}).setdefault(scope.id, []).append(one)
    found: list[AppliedControls] = []
    for (kind, each), at in by_kind.items():
        with connection.cursor() as cursor:
            # Those with too many purchases to sum at once.
            known: Any = {"ids": list(at), "few": window_sums.AT_ONCE, "most": _MAX_SCOPES}
            cursor.execute(_BUSY[kind, each], known)
            busy = cursor.fetchall()
        for assigned_to, measured in busy:
            found += _measuring(at[assigned_to], measured)
    return found


def _new_notes(applied: Iterable[AppliedControls]) -> list[UncountedWindow]:
    """Notes of the current windows without stored usage that are too large to sum at once."""
    at = int(time())
    notes: dict[object, UncountedWindow] = {}
    for policy in applied:
        windows = windows_at(at, [policy])
        usage_rows = drive(remembered_around([at], {scope_key(policy.measured)}))
        existing = {row.window for row in usage_rows if not row.piece_seconds}
        missing = [window for window in windows if window not in existing]
        asked = asked_of(missing, [policy], usage_rows)
        for one, found in zip(asked, drive(window_sums.reckon(asked)), strict=True):
            if found.used is None:
                note = uncounted.note_of(one)
                notes[note.pk] = note
    noted = set(UncountedWindow.objects.values_list("pk", flat=True))
    new = [note for key, note in notes.items() if key not in noted]
    for note in new:
        note.purchases = counting.how_many(note)
    return new
