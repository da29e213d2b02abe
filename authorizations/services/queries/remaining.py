"""What is left of each limit: what a purchase made now would find, for people to look at.

Windows, sums and arithmetic are those of the decision. Nothing is locked and nothing is kept, so
the figures are those of a moment ago.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from django.db import OperationalError, connection, transaction

from authorizations.models import Assignment, Authorization, Card, CardGroup, Cardholder
from authorizations.rules.basics.controls import (
    Interval,
    LimitControl,
    Scope,
    ScopeKind,
    scope_key,
    scope_of,
)
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.limits import unasked_figures
from authorizations.rules.decision.values import NO_USAGE, LimitFigures, Window
from authorizations.rules.decision.values import WindowUsage as UsageValue
from authorizations.rules.decision.windows import limit_concerns, limit_window, windows_at
from authorizations.services.host.applied import applied_controls
from authorizations.services.purchases.linking import told_of
from authorizations.services.store import uncounted
from authorizations.services.store.lookup import root_id_of, scope_keys
from authorizations.services.store.uncounted import Progress
from authorizations.services.store.usage import Remembered, asked_of, remembered_around, rooms_at
from authorizations.services.store.window_sums import reckon_all

_PATIENCE_MS = 2000
"""So long a sum may take: no snapshot may be held for longer."""

_Place: TypeAlias = tuple[AppliedControls, LimitControl]
"""Which limit of which policy, and through which scope."""


@dataclass(frozen=True, slots=True)
class LimitLeft:
    """A limit with nothing asked of it.

    Of a rolling limit `figures.room_at` tells when the next part of what is used comes back.
    Where not `is_measured` what is used is not known: adding up took too long, or it is still
    `counting`.
    """

    figures: LimitFigures
    is_measured: bool = True
    counting: Progress | None = None


@dataclass(frozen=True, slots=True)
class PolicyLeft:
    """A policy in force where it applies, with its limits in their own order."""

    policy: AppliedControls
    policy_id: int
    limits: tuple[LimitLeft, ...]


def of_card(card: Card, at: int) -> list[PolicyLeft]:
    """Every policy that would judge a purchase of the card at the instant `at`."""
    scopes = [Scope(ScopeKind.PROGRAM, ""), Scope(ScopeKind.CARD, card.root_id)]
    if card.cardholder_id:
        scopes.append(Scope(ScopeKind.CARDHOLDER, card.cardholder_id))
    if card.root.group_id:
        scopes.append(Scope(ScopeKind.GROUP, str(card.root.group_id)))
    return _left(scopes, card.root_id, at)


def of_cardholder(cardholder: Cardholder, at: int) -> list[PolicyLeft]:
    """The policies for all cards of the cardholder together."""
    return _left([Scope(ScopeKind.CARDHOLDER, cardholder.pk)], "", at)


def of_group(group: CardGroup, at: int) -> list[PolicyLeft]:
    """The policies whose budget the cards of the group share."""
    return _left([Scope(ScopeKind.GROUP, str(group.pk))], "", at)


def of_purchase(row: Authorization) -> list[PolicyLeft]:
    """The limits in force today that the purchase counts in, each around the purchase's time.

    Its scopes are those it began with; limits on each purchase have no window, and are left out.
    """
    told = told_of(row, event_id="")
    scopes = [scope_of(key) for key in ("program:", *scope_keys(row))]
    found = []
    for left in _left(scopes, root_id_of(row), told.created):
        limits = zip(left.limits, left.policy.controls.spending_limits, strict=True)
        counted_in = tuple(
            its
            for its, limit in limits
            if limit.interval is not Interval.PER_AUTHORIZATION and limit_concerns(limit, told)
        )
        if counted_in:
            found.append(replace(left, limits=counted_in))
    return found


def _left(scopes: Sequence[Scope], root_id: str, at: int) -> list[PolicyLeft]:
    rows = Assignment.objects.filter(
        scope__in=[scope_key(scope) for scope in scopes], policy__current_version__isnull=False
    ).values_list("scope", "policy__current_version_id", "policy_id")
    policy_ids = {version_id: policy_id for _, version_id, policy_id in rows}
    in_force = [(scope, version_id) for scope, version_id, _ in rows]
    applied = applied_controls(in_force, Scope(ScopeKind.CARD, root_id))
    measured = _measured(applied, at)
    return [
        PolicyLeft(
            policy,
            policy_ids[policy.version_id],
            tuple(measured[policy, limit] for limit in policy.controls.spending_limits),
        )
        for policy in applied
    ]


def _measured(applied: Sequence[AppliedControls], at: int) -> dict[_Place, LimitLeft]:
    windows = windows_at(at, applied)
    counting = uncounted.progress(windows)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {_PATIENCE_MS}")
            remembered = remembered_around([at], {scope_key(window.scope) for window in windows})
            figures = _figures(applied, at, _usage(applied, windows, remembered, counting))
            figures = _with_rooms(figures, at, remembered)
    except OperationalError:  # the database is busy, or there is too much to add up
        figures = _figures(applied, at, dict.fromkeys(windows, NO_USAGE))
        return {place: LimitLeft(found, is_measured=False) for place, found in figures.items()}
    measured = {}
    for (policy, limit), found in figures.items():
        is_each = limit.interval is Interval.PER_AUTHORIZATION
        progress = None if is_each else counting.get(limit_window(limit, policy, at))
        measured[policy, limit] = LimitLeft(found, progress is None, progress)
    return measured


def _figures(
    applied: Sequence[AppliedControls], at: int, usage: Mapping[Window, UsageValue]
) -> dict[_Place, LimitFigures]:
    return {
        (policy, limit): unasked_figures(limit, policy, at, usage)
        for policy in applied
        for limit in policy.controls.spending_limits
    }


def _with_rooms(
    found: dict[_Place, LimitFigures], at: int, remembered: Sequence[Remembered]
) -> dict[_Place, LimitFigures]:
    """Rolling limits also tell when the least that does not fit now will fit."""
    rolling = [
        (policy, limit)
        for (policy, limit), figures in found.items()
        if figures.interval is Interval.ROLLING and figures.used > 0
    ]
    least = [
        (limit_window(limit, policy, at), figures._replace(asked=max(1, figures.room + 1)), policy)
        for policy, limit in rolling
        for figures in [found[policy, limit]]
    ]
    rooms = zip(rolling, rooms_at(least, remembered), strict=True)
    return found | {place: found[place]._replace(room_at=at) for place, at in rooms}


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
    # A page locks nothing: so it may go through all there is, as long as it takes.
    for window, found in zip(missing, reckon_all(asked), strict=True):
        usage[window] = UsageValue(*found.used) if found.used else NO_USAGE
    return {window: usage[window] for window in windows}
