"""Starts counting for a limit when it comes into force, not when a purchase first needs it.

For a version that is planned it starts at once.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from time import time

from django.db import OperationalError, connection, transaction
from django.db.models import Q

from authorizations.models import Assignment, PlannedVersion, Policy, UncountedWindow
from authorizations.rules.basics.controls import Scope, ScopeKind, scope_key, scope_of
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.windows import windows_at
from authorizations.services.host.applied import applied_controls
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

_BUSY = {
    kind: f"""
SELECT wanted.id FROM {{wanted}} WHERE EXISTS (
    SELECT FROM authorizations_authorization WHERE {of} OFFSET %s LIMIT 1
) LIMIT %s"""  # noqa: S608 - names of this file
    for kind, of in {
        ScopeKind.CARD: sum_statements.of_chain("wanted.id"),
        ScopeKind.CARDHOLDER: "cardholder_id = wanted.id",
        ScopeKind.GROUP: "group_id = wanted.id",
    }.items()
}


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


def begin_at(policy: Policy, scopes: Iterable[str]) -> Begun:
    """Start counting for a policy at the scopes with these keys, whether assigned there or not.

    Runs within a transaction.
    """
    versions = _versions([policy.pk]).get(policy.pk, ())
    return _begin([(scope, version) for scope in scopes for version in versions])


def begin_at_group(group_id: int) -> Begun:
    """Start counting for the limits on a group's budget. Runs within a transaction.

    The result includes what is being counted there already: cards that join wait for that as well.
    """
    _begin(_assigned(Q(group=group_id)))
    scope = scope_key(Scope(ScopeKind.GROUP, str(group_id)))
    return _begun(UncountedWindow.objects.filter(scope=scope))


def progress(policy: Policy) -> Progress | None:
    """The total progress of counting for a policy's limits; None if nothing is being counted."""
    notes = list(UncountedWindow.objects.order_by("pk")[:_MAX_SCOPES])
    if not notes:
        return None
    at_notes = policy.assignments.filter(scope__in=["program:", *{note.scope for note in notes}])
    scopes = set(at_notes.values_list("scope", flat=True))
    versions, at = _versions([policy.pk]).get(policy.pk, ()), int(time())
    found: list[Progress] = []
    for note in notes:
        scope = scope_of(note.scope)
        key = note.scope
        if "program:" in scopes and scope.kind is ScopeKind.CARD:
            key = "program:"
        if key in scopes:
            applied = applied_controls([(key, version) for version in versions], scope)
            if any(uncounted.is_of(note, window) for window in windows_at(at, applied)):
                found.append(uncounted.progress_of(note))
    return _together(found)


def progress_of_all() -> Progress | None:
    """The total progress of all counting; None if nothing is being counted."""
    notes = UncountedWindow.objects.order_by("pk")[:_MAX_SCOPES]
    return _together([uncounted.progress_of(note) for note in notes])


def _together(found: Sequence[Progress]) -> Progress | None:
    return Progress(*map(sum, zip(*found, strict=True))) if found else None


def _assigned(wanted: Q) -> list[tuple[str, int]]:
    """The keys of scopes with these assignments, and each version in force or planned there."""
    rows = list(Assignment.objects.filter(wanted).values_list("scope", "policy_id"))
    versions = _versions({policy for _, policy in rows})
    return [(scope, version) for scope, policy in rows for version in versions.get(policy, ())]


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


def _begin(assigned: Sequence[tuple[str, int]]) -> Begun:
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


def _applied(assigned: Sequence[tuple[str, int]]) -> list[AppliedControls]:
    """The controls that measure each busy scope; the program's measure every busy card."""
    found: list[AppliedControls] = []
    for kind in ScopeKind:
        versions = {
            scope.id: version
            for key, version in assigned
            for scope in [scope_of(key)]
            if scope.kind is kind
        }
        if kind is ScopeKind.PROGRAM:
            programs = [(key, version) for key, version in assigned if scope_of(key).kind is kind]
            for card in _busy(ScopeKind.CARD, None) if programs else ():
                found += applied_controls(programs, Scope(ScopeKind.CARD, card))
        else:
            at = _busy(kind, list(versions)) if versions else ()
            for key in at:
                mine = [each for each in assigned if each[0] == scope_key(Scope(kind, key))]
                found += applied_controls(mine, Scope(ScopeKind.CARD, ""))
    return found


def _busy(kind: ScopeKind, ids: list[str] | None) -> list[str]:
    """Ids of the scopes, of these or of all cards, with too many purchases to sum at once."""
    cast = "bigint[]" if kind is ScopeKind.GROUP else "text[]"
    wanted = f"unnest(%s::{cast}) AS wanted(id)"
    if ids is None:
        wanted = "(SELECT id FROM authorizations_card WHERE id = root_id) AS wanted"
    with connection.cursor() as cursor:
        cursor.execute(
            _BUSY[kind].format(wanted=wanted),
            [*([] if ids is None else [ids]), window_sums.AT_ONCE, _MAX_SCOPES],
        )
        return [str(key) for (key,) in cursor.fetchall()]


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
