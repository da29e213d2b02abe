"""Renews the local copy of usage, for the scopes whose policies have a cap for stand-in.

Rows of the usage table are read by key in pages. Windows without a row, and rolling ones, are
summed for the copy alone. If reading fails, the old copy stays, and so does its age.
"""

import logging
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import TypeAlias

from django.db import DatabaseError, connection

from authorizations.models import Assignment, Card, Policy
from authorizations.rules.basics.controls import (
    Scope,
    ScopeKind,
    measured_scope,
    scope_key,
    scope_of,
)
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.values import Window, WindowUsage
from authorizations.rules.decision.windows import windows_at
from authorizations.services.host import host_memory
from authorizations.services.host.local_copy import USAGE, USAGE_SCHEMA
from authorizations.services.host.versions import controls_of
from authorizations.services.runtime.deadline import deadline
from authorizations.services.stand_in.local_copy_refresh import PAGE_BUDGET_S, new_copy, pages
from authorizations.services.store import window_sums
from authorizations.services.store.plans import drive
from authorizations.services.store.usage import asked_of, remembered_since

logger = logging.getLogger(__name__)

SCOPES_A_PAGE = 500
SETTLING_S = 1.0
"""How long a decision may still go by older policies without a cap, and so not be noted."""

BEFORE_S = 120
"""How much earlier rolling windows begin in the copy: purchases arrive after their `created`."""

_Assigned: TypeAlias = tuple[str, int]
"""The key of a scope, and the policy that is assigned to it."""

_Scopes: TypeAlias = dict[Scope, tuple[AppliedControls, ...]]


def renew_usage() -> None:
    """Read the usage of every window that a cap may limit.

    Raises django.db.Error, OSError, sqlite3.Error and HostMemoryError; then the old copy stays.
    """
    capped = _capped_policies()
    if capped:
        time.sleep(SETTLING_S)
    with host_memory.memory() as memory:
        for question in memory.abandoned(by_stand_in=False):
            memory.settle(question)
        moment = memory.moment()
    with deadline(time.monotonic() + PAGE_BUDGET_S), connection.cursor() as cursor:
        cursor.execute("SELECT ceil(extract(epoch FROM clock_timestamp()))::bigint")
        [database_now] = cursor.fetchone()
    # The latest of all clocks, so that a window which has begun is not taken for a new one.
    at = max(int(time.time()) + 1, int(database_now), moment.latest)
    with new_copy(USAGE, USAGE_SCHEMA, at, moment.memory_id, moment.clock) as copy:
        for scopes in _scopes(capped):
            write_used(copy, _read(scopes, at))
    with host_memory.memory() as memory:
        memory.forget(moment.clock)


def write_used(copy: sqlite3.Connection, used: Mapping[Window, WindowUsage]) -> None:
    """Write the rows that local_copy.usage reads."""
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


def _capped_policies() -> dict[int, AppliedControls]:
    """The policies whose version in force has a cap, each as if assigned to the program.

    A planned one is left out: until it begins, its purchases are not noted.
    """
    program = Scope(ScopeKind.PROGRAM, "")
    with deadline(time.monotonic() + PAGE_BUDGET_S):
        in_force = Policy.objects.versions_in_force()
        versions = controls_of(in_force.values())
    return {
        policy_id: AppliedControls(program, program, version_id, *versions[version_id])
        for policy_id, version_id in in_force.items()
        if version_id in versions
        and versions[version_id][1].stand_in_amount
        and versions[version_id][1].stand_in_cap
    }


def _scopes(capped: dict[int, AppliedControls]) -> Iterator[_Scopes]:
    """The scopes whose usage a cap measures, in pages, each scope with its policies."""
    if not capped:
        return
    measuring: dict[Scope, tuple[_Assigned, ...]] = {}
    of_each: dict[str, list[tuple[_Assigned, str]]] = {}
    rows = Assignment.objects.filter(policy__in=list(capped))
    for _, key, policy_id, each in pages(rows, "scope", "policy_id", "each"):
        scope, assigned = scope_of(key), (key, policy_id)
        if each or scope.kind is ScopeKind.PROGRAM:
            of_each.setdefault(key, []).append((assigned, each))
        else:
            measuring[scope] = (*measuring.get(scope, ()), assigned)
    cards = pages(Card.objects.all(), "root_id", "cardholder_id", "root__group_id")
    for _, root_id, cardholder_id, group_id in cards if of_each else ():
        root = Scope(ScopeKind.CARD, root_id)
        for key in ("program:", f"group:{group_id}"):
            for assigned, each in of_each.get(key, ()):
                scope = measured_scope(scope_of(key), each, root, cardholder_id or "")
                its = measuring.get(scope, ())
                if assigned not in its:  # as for other cards of the chain, or of the cardholder
                    measuring[scope] = (*its, assigned)
    items = iter(measuring.items())
    while page := list(islice(items, SCOPES_A_PAGE)):
        yield {
            measured: tuple(
                replace(capped[policy_id], scope=scope_of(key), measured=measured)
                for key, policy_id in its
            )
            for measured, its in page
        }


def _read(scopes: _Scopes, at: int) -> dict[Window, WindowUsage]:
    """The usage of each window that a purchase created around `at` falls into.

    Windows with too many purchases to sum here are left out.
    """
    applied = [policy for policies in scopes.values() for policy in policies]
    with deadline(time.monotonic() + PAGE_BUDGET_S):
        usage_rows = remembered_since(at - BEFORE_S, map(scope_key, scopes))
    used = {row.window: row.usage for row in usage_rows if not row.piece_seconds}
    missing = []
    for policies in scopes.values():
        for window in windows_at(at, policies):
            start = window.start - BEFORE_S if window.rolling else window.start
            if (needed := window._replace(start=start)) not in used:
                missing.append(needed)
    asked = asked_of(missing, applied, usage_rows)
    try:
        with deadline(time.monotonic() + PAGE_BUDGET_S):
            sums = drive(window_sums.reckon(asked)) if asked else []
    except DatabaseError as error:
        logger.warning("Some windows are left out of the copy of usage: %s", error)
        return used
    for one, found in zip(asked, sums, strict=True):
        if found.used is not None:
            used[one.window] = WindowUsage(*found.used)
    return used
