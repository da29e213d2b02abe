"""Keeps the copy of usage warm that stand-in rests on: of scopes whose policies have a cap.

What the usage table remembers is read by its key, page by page; a window that nobody has asked
about yet, and a rolling one, is added up for the copy alone. What fails leaves the old copy, and
its age, as they are.
"""

import logging
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeAlias

from django.db import DatabaseError, connection
from django.db.models import F

from authorizations.models import Assignment, Card, Policy
from authorizations.rules.basics.controls import Scope, ScopeKind, scope_key, scope_of
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.values import Window, WindowUsage
from authorizations.rules.decision.windows import windows_at
from authorizations.services.host import host_memory
from authorizations.services.host.local_copy import USAGE, USAGE_SCHEMA
from authorizations.services.host.versions import controls_of
from authorizations.services.runtime.deadline import deadline
from authorizations.services.stand_in.local_copy_refresh import PAGE_BUDGET_S, new_copy, pages
from authorizations.services.store import window_sums
from authorizations.services.store.statements import drive
from authorizations.services.store.usage import asked_of, remembered_since
from authorizations.services.store.window_sums import Asked

logger = logging.getLogger(__name__)

SCOPES_A_PAGE = 500
SETTLING_S = 1.0
"""So long a decision may still go by policies without a cap: it is then not noted in the memory."""

BEFORE_S = 120
"""Rolling windows are added up from so much earlier on: purchases arrive after their `created`."""

_Scopes: TypeAlias = dict[Scope, tuple[AppliedControls, ...]]


def renew_usage() -> None:
    """Read what is used up where a cap may have a say.

    Raises django.db.Error, OSError, sqlite3.Error and HostMemoryError; then the old copy stays.
    """
    capped = _capped_versions()
    if capped:
        time.sleep(SETTLING_S)
    with host_memory.memory() as held:
        for question in held.abandoned(by_stand_in=False):
            held.settle(question)
        moment = held.moment()
    at = max(_now(), moment.latest)
    with new_copy(USAGE, USAGE_SCHEMA, at, moment.memory_id, moment.clock) as copy:
        for scopes in _scopes(capped):
            write_used(copy, _read(scopes, at))
    with host_memory.memory() as held:
        held.forget(moment.clock)


def write_used(copy: sqlite3.Connection, used: Mapping[Window, WindowUsage]) -> None:
    """What local_copy.usage reads."""
    copy.executemany(
        "INSERT OR IGNORE INTO used VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                *(scope_key(window.scope), window.filter_key, window.currency),
                *(window.rolling, window.start, window.end),
                *(usage.amount, usage.refunded, usage.count),
            )
            for window, usage in used.items()
        ),
    )


def _now() -> int:
    """The later of this host's clock and the database's: a window that began is not a new one."""
    with deadline(time.monotonic() + PAGE_BUDGET_S), connection.cursor() as cursor:
        cursor.execute("SELECT ceil(extract(epoch FROM clock_timestamp()))::bigint")
        [theirs] = cursor.fetchone()
    return max(int(time.time()) + 1, int(theirs))


def _capped_versions() -> dict[int, AppliedControls]:
    """The versions in force that have a cap; as if each were the program's."""
    program = Scope(ScopeKind.PROGRAM, "")
    with deadline(time.monotonic() + PAGE_BUDGET_S):
        in_force = Policy.objects.exclude(current_version=None)
        versions = controls_of(in_force.values_list("current_version_id", flat=True))
    return {
        version_id: AppliedControls(program, program, version_id, number, controls)
        for version_id, (number, controls) in versions.items()
        if controls.stand_in_amount and controls.stand_in_cap
    }


def _scopes(capped: dict[int, AppliedControls]) -> Iterator[_Scopes]:
    """The scopes that a cap is measured in, page by page, with the policies that measure them."""
    if not capped:
        return
    of_scope: dict[Scope, list[AppliedControls]] = {}
    assigned = Assignment.objects.filter(policy__current_version_id__in=list(capped))
    for _, key, version_id in pages(assigned, "scope", "policy__current_version_id"):
        scope = scope_of(key)
        policy = capped[version_id]
        measuring = AppliedControls(scope, scope, version_id, policy.number, policy.controls)
        of_scope.setdefault(scope, []).append(measuring)
    of_program = of_scope.pop(Scope(ScopeKind.PROGRAM, ""), [])
    if of_program:
        for (root_id,) in pages(Card.objects.filter(root_id=F("pk"))):
            of_scope.setdefault(Scope(ScopeKind.CARD, root_id), [])
    items = iter(of_scope.items())
    while page := list(islice(items, SCOPES_A_PAGE)):
        yield {
            scope: tuple(
                AppliedControls(it.scope, scope, it.version_id, it.number, it.controls)
                for it in (*own, *(of_program if scope.kind is ScopeKind.CARD else ()))
            )
            for scope, own in page
        }


def _read(scopes: _Scopes, at: int) -> dict[Window, WindowUsage]:
    """What is used in the windows around now, and in those that purchases on their way are in."""
    applied = [policy for policies in scopes.values() for policy in policies]
    with deadline(time.monotonic() + PAGE_BUDGET_S):
        remembered = remembered_since(at - BEFORE_S, map(scope_key, scopes))
    found = {row.window: row.usage for row in remembered if not row.piece_seconds}
    missing = [window for window in _windows(scopes, at) if window not in found]
    return found | _added_up(asked_of(missing, applied, remembered))


def _windows(scopes: _Scopes, at: int) -> Iterator[Window]:
    for applied in scopes.values():
        for window in windows_at(at, applied):
            yield window._replace(start=window.start - BEFORE_S) if window.rolling else window


def _added_up(asked: Sequence[Asked]) -> dict[Window, WindowUsage]:
    """What counts in these windows, but for those of which that is too much to add up here."""
    try:
        with deadline(time.monotonic() + PAGE_BUDGET_S):
            reckoned = drive(window_sums.reckon(asked)) if asked else []
    except DatabaseError as error:
        logger.warning("Some windows are left out of the copy of usage: %s", error)
        return {}
    return {
        one.window: WindowUsage(*found.used)
        for one, found in zip(asked, reckoned, strict=True)
        if found.used is not None
    }
