"""Adds money to pots and takes it out: what a limit of funds lets a scope spend.

The scope is locked, as purchases lock it, so that never more is taken out than is left.
"""

from time import time

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from authorizations.models import FundEntry, Policy, PotSum
from authorizations.rules.basics.clocks import FOREVER
from authorizations.rules.basics.controls import (
    Interval,
    LimitControl,
    Scope,
    ScopeKind,
    scope_key,
    scope_of,
)
from authorizations.rules.basics.money import MAX_AMOUNT, format_money
from authorizations.rules.basics.parsing import text
from authorizations.rules.decision.controls import SpendingControls
from authorizations.rules.decision.values import Window, WindowUsage
from authorizations.services.host.versions import controls_of
from authorizations.services.policies import exception_limits, own_amounts, scopes, stops
from authorizations.services.policies.stops import StopError, line
from authorizations.services.runtime.actor import acting
from authorizations.services.store import window_sums
from authorizations.services.store.plans import drive
from authorizations.services.store.usage import remembered_around
from authorizations.services.store.window_sums import Asked

_reference = text(100)


@transaction.atomic
def enter(
    policy: Policy,
    key: str,
    scope: Scope,
    amount: int,
    *,
    by: User | None,
    reference: str,
    reason: str,
    is_import: bool = False,
) -> FundEntry:
    """Add `amount` to a scope's pot, or take it out if it is negative; never more than is left.

    `scope` is what the limit measures, where a card stands for the root of its chain; `amount` is
    in the smallest unit of the limit's currency. The limits of roles do not hold for an import.
    Raises StopError.
    """
    reason, reference = line("Reason", reason), line("Reference", reference, _reference)
    if not amount or abs(amount) > MAX_AMOUNT:
        raise StopError("Give an amount that is not 0, and not too large.")
    if scope.kind is ScopeKind.PROGRAM:
        raise StopError("For every card, give funds card by card.")
    [scope] = scopes.lock([scope], purchases_wait=True).values()
    limit, restores = _limit(policy, key)
    if scope.kind not in own_amounts.measured_kinds(policy):
        raise StopError(
            "The limit does not measure this: assign the policy first, or give the funds to what "
            "it is assigned to."
        )
    now = stops.now()
    pot = _pot(policy, limit, scope)
    if pot and pot.amount + amount > MAX_AMOUNT:
        raise StopError("The funds would be too large.")
    if not is_import:
        exception_limits.check(by, scope, limit.currency, amount)
    if amount < 0 and -amount > (left := _left(pot, limit, restores=restores)):
        raise StopError(too_little(left, limit.currency))
    try:
        with acting(user=by, reason=reason), transaction.atomic():
            return FundEntry.objects.create(
                policy=policy,
                limit_key=key,
                scope=scope_key(scope),
                currency=limit.currency,
                amount=amount,
                counts_from=int(now.timestamp()),
                entered_at=now,
                author=by,
                reference=reference,
                reason=reason,
            )
    except IntegrityError:
        raise StopError(
            f"These funds have an entry {reference!r} already: use another reference."
        ) from None


def too_little(left: int, currency: str) -> str:
    """Why not more can be taken out."""
    return f"Only {format_money(left, currency)} is left: take that or less."


def left(policy: Policy, limit: LimitControl, scope: Scope) -> int:
    """What is left of a pot at this moment; 0 without one. Raises StopError."""
    found = _controls(policy)
    restores = found.refunds_restore if found else True
    return _left(_pot(policy, limit, scope), limit, restores=restores)


def _pot(policy: Policy, limit: LimitControl, scope: Scope) -> PotSum | None:
    of_policy = PotSum.objects.filter(policy=policy, limit_key=limit.key, currency=limit.currency)
    return of_policy.filter(scope=scope_key(scope)).first()


def _limit(policy: Policy, key: str) -> tuple[LimitControl, bool]:
    """The limit, and whether refunds restore it. Raises StopError."""
    found = _controls(policy)
    for limit in found.spending_limits if found else ():
        if (limit.key, limit.interval) == (key, Interval.FUNDS):
            return limit, found.refunds_restore if found else True
    raise StopError("The policy has no such funds any more: choose others.")


def _controls(policy: Policy) -> SpendingControls | None:
    version = Policy.objects.filter(pk=policy.pk).versions_in_force().get(policy.pk)
    return controls_of([version])[version][1] if version else None


def _left(pot: PotSum | None, limit: LimitControl, *, restores: bool) -> int:
    """What purchases have left of a pot. Raises StopError while they are being counted."""
    if pot is None:
        return 0
    window = Window(scope_of(pot.scope), pot.since, FOREVER, limit.filter.key, limit.currency)
    remembered = drive(remembered_around([int(time())], [pot.scope]))
    used = {row.window: row.usage for row in remembered if not row.piece_seconds}.get(window)
    if used is None:
        pieces = {(row.filter_key, row.currency) for row in remembered if row.piece_seconds}
        asked = Asked(window, limit.filter, (window.filter_key, window.currency) in pieces)
        [found] = drive(window_sums.reckon([asked]))
        if found.used is None:
            raise StopError("What was spent is still being counted: try again in a few minutes.")
        used = WindowUsage(*found.used)
    return max(0, pot.amount - used.amount + (used.refunded if restores else 0))
