"""What remains of each limit for a purchase made now, as pages show it.

Windows, sums and arithmetic are those of a decision. Nothing is locked, so the figures may be a
moment old.
"""

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from django.db import OperationalError, connection, transaction

from authorizations.models import Authorization, Card, CardGroup, Cardholder
from authorizations.rules.basics.controls import (
    Interval,
    LimitControl,
    OwnBudget,
    Scope,
    ScopeKind,
    member_scope,
    scope_key,
    scope_of,
)
from authorizations.rules.decision.attempts import figures as attempt_figures
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.limits import unasked_figures
from authorizations.rules.decision.values import NO_USAGE, LimitFigures, Window
from authorizations.rules.decision.values import WindowUsage as UsageValue
from authorizations.rules.decision.windows import (
    limit_bounds,
    limit_concerns,
    limit_window,
    windows_at,
)
from authorizations.services.host.applied import Instructed, PolicyInForce, applied_to
from authorizations.services.host.instructions import Told, told_by
from authorizations.services.purchases.linking import event_for
from authorizations.services.store import limited_attempts, plans, statements, uncounted
from authorizations.services.store.limited_attempts import (
    AttemptsSought,
    LimitedAttempts,
    limit_name,
)
from authorizations.services.store.lookup import scopes_of
from authorizations.services.store.plans import drive
from authorizations.services.store.uncounted import Progress
from authorizations.services.store.usage import (
    Remembered,
    asked_of,
    remembered_around,
    when_available,
)
from authorizations.services.store.window_sums import reckon_all

_TIMEOUT_MS = 2000
"""Maximum time of a statement: no snapshot may be held for longer."""

_AppliedLimit: TypeAlias = tuple[AppliedControls, LimitControl]
"""A limit, with its policy and the scope that applies it."""


@dataclass(frozen=True, slots=True)
class LimitLeft:
    """A limit and what remains of it.

    For a rolling limit, `figures.available_at` says when more does. If not `is_measured`,
    the usage is unknown: adding it up took too long, or earlier purchases are still being counted
    (`counting` says how far). Where the page is about no one of those who `each` have the limit
    for themselves, `figures` are of a limit without usage.
    """

    figures: LimitFigures
    is_measured: bool = True
    counting: Progress | None = None
    each: OwnBudget | None = None


@dataclass(frozen=True, slots=True)
class PolicyLeft:
    """A policy in force, with what remains of its limits, in the policy's order."""

    policy: AppliedControls
    policy_id: int
    limits: tuple[LimitLeft, ...]


def of_card(card: Card, at: int) -> list[PolicyLeft]:
    """Every policy that applies to a purchase of the card at `at`, in Unix seconds."""
    scopes = [Scope(ScopeKind.PROGRAM, ""), Scope(ScopeKind.CARD, card.root_id)]
    if card.cardholder_id:
        scopes.append(Scope(ScopeKind.CARDHOLDER, card.cardholder_id))
    if card.root.group_id:
        scopes.append(Scope(ScopeKind.GROUP, str(card.root.group_id)))
    return _remaining(scopes, card.root_id, card.cardholder_id or "", at)


def of_cardholder(cardholder: Cardholder, at: int) -> list[PolicyLeft]:
    """The policies whose limits measure all cards of the cardholder together."""
    scopes = [Scope(ScopeKind.PROGRAM, ""), Scope(ScopeKind.CARDHOLDER, cardholder.pk)]
    found = _remaining(scopes, "", cardholder.pk, at, of=(ScopeKind.CARDHOLDER,))
    groups = Card.objects.filter(cardholder=cardholder, root__group__isnull=False)
    for group_id in groups.values_list("root__group", flat=True).order_by("root__group").distinct():
        scopes = [Scope(ScopeKind.CARDHOLDER, cardholder.pk), Scope(ScopeKind.GROUP, str(group_id))]
        found += _remaining(scopes, "", cardholder.pk, at, of=(ScopeKind.MEMBER,))
    return found


def of_group(group: CardGroup, at: int) -> list[PolicyLeft]:
    """The policies of the group; only of those whose budget its cards share there is a usage."""
    scopes = [Scope(ScopeKind.GROUP, str(group.pk))]
    shared = _remaining(scopes, "", "", at, of=(ScopeKind.GROUP,))
    own = _remaining(scopes, "", "", at, of=(ScopeKind.CARD, ScopeKind.MEMBER), measures=False)
    return [*shared, *own]


def of_purchase(row: Authorization) -> list[PolicyLeft]:
    """Today's limits that the purchase counts towards, each in its window around the purchase.

    The scopes are those of the purchase's first decision. Limits per authorization have no window
    and are omitted.
    """
    purchase = event_for(row, event_id="")
    scopes = [scope_of(key) for key in ("program:", *scopes_of(row).keys)]
    found = []
    for policy in _remaining(scopes, row.root_id, row.cardholder_id, purchase.created):
        # Attempts are of a card, not of a purchase, and come last.
        limits = zip(policy.limits, policy.policy.controls.spending_limits, strict=False)
        counted_in = tuple(
            its for its, limit in limits if limit.has_window and limit_concerns(limit, purchase)
        )
        if counted_in:
            found.append(replace(policy, limits=counted_in))
    return found


def _remaining(
    scopes: Sequence[Scope],
    root_id: str,
    cardholder_id: str,
    at: int,
    *,
    of: Container[ScopeKind] = tuple(ScopeKind),
    measures: bool = True,
) -> list[PolicyLeft]:
    """The policies at these scopes whose limits measure kinds in `of`."""
    keys = [scope_key(scope) for scope in scopes]
    groups = [scope.id for scope in scopes if scope.kind is ScopeKind.GROUP and cardholder_id]
    measured_keys = [*keys, *(scope_key(member_scope(id_, cardholder_id)) for id_ in groups)]
    rows = drive(plans.ask(statements.POLICIES, scopes=keys, measured=measured_keys))
    found = [row for row in rows if row[0] in measured_keys]
    in_force = [row for row in found if row[2] is None]
    versions = {policy_id: version_id for _, version_id, _, policy_id, _ in in_force}
    policy_ids = {version_id: policy_id for policy_id, version_id in versions.items()}
    told: dict[str, list[Told]] = defaultdict(list)
    for row in found:
        if row[2] is not None:
            told[row[0]].append(told_by(row[2]))
    assigned = [PolicyInForce(row[0], row[1], row[4]) for row in in_force]
    root = Scope(ScopeKind.CARD, root_id)
    instructed = Instructed(told, measured_keys, versions)
    all_applied = applied_to(root, cardholder_id, assigned, instructed).policies
    applied = [policy for policy in all_applied if policy.measured.kind in of]
    if measures:
        measured = _measure(applied, at)
    else:
        figures = _figures(applied, at, dict.fromkeys(windows_at(at, applied), NO_USAGE))
        measured = {
            (policy, limit): LimitLeft(its, each=policy.each)
            for (policy, limit), its in figures.items()
        }
    return [
        PolicyLeft(
            policy,
            policy_ids[policy.version_id],
            (*(measured[policy, limit] for limit in policy.controls.spending_limits), *made),
        )
        for policy, made in zip(applied, _attempts(applied, policy_ids, root_id, at), strict=True)
    ]


def _attempts(
    applied: Sequence[AppliedControls], policy_ids: Mapping[int, int], root_id: str, at: int
) -> list[list[LimitLeft]]:
    """What remains of each policy's limits on attempts for a card; nothing without its root."""
    limits = [
        [
            LimitedAttempts(
                policy.version_id,
                limit,
                limit_name(policy_ids[policy.version_id], limit.key),
                *limit_bounds(limit, policy.controls, at),
            )
            for limit in policy.controls.attempt_limits
            if root_id
        ]
        for policy in applied
    ]
    found = drive(limited_attempts.read([AttemptsSought("", root_id, its) for its in limits]))
    return [
        [
            LimitLeft(attempt_figures(one.limit, policy, one.used, asked=0), one.used.is_complete)
            for one in counted
        ]
        for policy, counted in zip(applied, found, strict=True)
    ]


def _measure(applied: Sequence[AppliedControls], at: int) -> dict[_AppliedLimit, LimitLeft]:
    windows = windows_at(at, applied)
    counting = uncounted.progress(windows)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {_TIMEOUT_MS}")
            remembered = drive(
                remembered_around([at], {scope_key(window.scope) for window in windows})
            )
            figures = _figures(applied, at, _usage(applied, windows, remembered, counting))
            # Rolling limits: when the smallest amount that does not fit now will fit.
            rolling = [
                (policy, limit)
                for (policy, limit), its in figures.items()
                if its.interval is Interval.ROLLING and its.used > 0
            ]
            too_much = [
                (
                    limit_window(limit, policy, at),
                    its._replace(asked=max(1, its.available + 1)),
                    policy,
                )
                for policy, limit in rolling
                for its in [figures[policy, limit]]
            ]
            for key, available_at in zip(
                rolling, drive(when_available(too_much, remembered)), strict=True
            ):
                figures[key] = figures[key]._replace(available_at=available_at)
    except OperationalError:  # the database is busy, or there is too much to add up
        figures = _figures(applied, at, dict.fromkeys(windows, NO_USAGE))
        return {key: LimitLeft(its, is_measured=False) for key, its in figures.items()}
    measured = {}
    for (policy, limit), its in figures.items():
        progress = counting.get(limit_window(limit, policy, at)) if limit.has_window else None
        measured[policy, limit] = LimitLeft(its, progress is None, progress)
    return measured


def _figures(
    applied: Sequence[AppliedControls], at: int, usage: Mapping[Window, UsageValue]
) -> dict[_AppliedLimit, LimitFigures]:
    return {
        (policy, limit): unasked_figures(limit, policy, at, usage)
        for policy in applied
        for limit in policy.controls.spending_limits
    }


def _usage(
    applied: Sequence[AppliedControls],
    windows: Sequence[Window],
    remembered: Sequence[Remembered],
    counting: Container[Window],
) -> dict[Window, UsageValue]:
    usage = {row.window: row.usage for row in remembered if not row.piece_seconds}
    usage |= {window: NO_USAGE for window in windows if window in counting}
    missing = [window for window in windows if window not in usage]
    asked = asked_of(missing, applied, remembered)
    # Nothing is locked, so any number of purchases may be summed up, within the timeout.
    for window, found in zip(missing, drive(reckon_all(asked)), strict=True):
        usage[window] = UsageValue(*found.used) if found.used else NO_USAGE
    return {window: usage[window] for window in windows}
