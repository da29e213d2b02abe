"""What is left of each limit: what a purchase made now would find, for people to look at.

Windows, sums and arithmetic are those of the decision. Nothing is locked and nothing is kept, so
the figures are those of a moment ago.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from django.db import OperationalError, connection, transaction

from authorizations.models import Assignment, Authorization, Card, CardGroup, Cardholder
from authorizations.rules.controls import AppliedControls, Interval, Scope, ScopeKind, SpendingLimit
from authorizations.rules.limits import unasked_figures
from authorizations.rules.values import NO_USAGE, LimitFigures, Window
from authorizations.rules.values import Usage as UsageValue
from authorizations.rules.windows import limit_concerns, limit_window, windows_at
from authorizations.services.applied import applied_controls, scope_of
from authorizations.services.known import scope_keys
from authorizations.services.moving import told_of
from authorizations.services.usage import (
    remember,
    remembered_around,
    room_at,
    scope_key,
    spent_by_time,
)

_PATIENCE_MS = 2000
"""So long a sum may take: no snapshot may be held for longer."""

_Place: TypeAlias = tuple[AppliedControls, SpendingLimit]
"""Which limit of which policy, and through which scope."""


@dataclass(frozen=True, slots=True)
class LimitLeft:
    """A limit with nothing asked of it.

    Of a rolling limit `figures.room_at` tells when the next part of what is used comes back.
    Where not `is_measured` adding up took too long, and what is used is not known.
    """

    figures: LimitFigures
    is_measured: bool = True


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
    for left in _left(scopes, row.root_card_id, told.created):
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
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {_PATIENCE_MS}")
            figures = _figures(applied, at, _usage(applied, at))
            return {place: LimitLeft(found) for place, found in _with_rooms(figures, at).items()}
    except OperationalError:  # the database is busy, or there is too much to add up
        figures = _figures(applied, at, dict.fromkeys(windows_at(at, applied), NO_USAGE))
        return {place: LimitLeft(found, is_measured=False) for place, found in figures.items()}


def _figures(
    applied: Sequence[AppliedControls], at: int, usage: Mapping[Window, UsageValue]
) -> dict[_Place, LimitFigures]:
    return {
        (policy, limit): unasked_figures(limit, policy, at, usage)
        for policy in applied
        for limit in policy.controls.spending_limits
    }


def _with_rooms(found: dict[_Place, LimitFigures], at: int) -> dict[_Place, LimitFigures]:
    """Rolling limits also tell when the least that does not fit now will fit."""
    rolling = [
        (policy, limit)
        for (policy, limit), figures in found.items()
        if figures.interval is Interval.ROLLING and figures.used > 0
    ]
    windows = [limit_window(limit, policy, at) for policy, limit in rolling]
    told = dict(found)
    for place, spent in zip(rolling, spent_by_time(windows), strict=True):
        least = found[place]._replace(asked=max(1, found[place].room + 1))
        told[place] = found[place]._replace(room_at=room_at(least, place[0], spent))
    return told


def _usage(applied: Sequence[AppliedControls], at: int) -> dict[Window, UsageValue]:
    windows = windows_at(at, applied)
    remembered = remembered_around(at, {scope_key(window.scope) for window in windows})
    known = {row.window: row for row in remembered}
    known |= remember([window for window in windows if window not in known], applied)
    return {window: known[window].usage for window in windows}
