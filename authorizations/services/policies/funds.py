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
from authorizations.services.policies import (
    exception_limits,
    own_amounts,
    planned,
    scopes,
    stops,
)
from authorizations.services.policies.stops import StopError, line
from authorizations.services.runtime.actor import acting
from authorizations.services.store import window_sums
from authorizations.services.store.plans import drive
from authorizations.services.store.usage import remembered_around
from authorizations.services.store.window_sums import Asked

NOT_MEASURED = (
    "The limit does not measure this: assign the policy first, or give the funds to what it is "
    "assigned to."
)
_reference = text(100)


class EnteredBeforeError(StopError):
    """A pot has an entry of this reference already."""


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
    currency: str = "",
    is_import: bool = False,
) -> FundEntry:
    """Add `amount` to a scope's pot, or take it out if it is negative; never more than is left.

    `scope` is what the limit measures, where a card stands for the root of its chain; `amount` is
    in the smallest unit of the limit's currency, which may differ between versions: `currency` says
    which. The limits of roles do not hold for an import. Raises StopError.
    """
    reason, reference = line("Reason", reason), line("Reference", reference, _reference)
    if not amount or abs(amount) > MAX_AMOUNT:
        raise StopError("Give an amount that is not 0, and not too large.")
    if scope.kind is ScopeKind.PROGRAM:
        raise StopError("For every card, give funds card by card.")
    [scope] = scopes.lock([scope], purchases_wait=True).values()
    limit, restores = _limit(policy, key, currency)
    if scope.kind not in own_amounts.measured_kinds(policy):
        raise StopError(NOT_MEASURED)
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
        raise EnteredBeforeError(
            f"These funds have an entry {reference!r} already: use another reference."
        ) from None


def too_little(left: int, currency: str) -> str:
    """Why not more can be taken out."""
    return f"Only {format_money(max(0, left), currency)} is left: take that or less."


def left(policy: Policy, limit: LimitControl, scope: Scope) -> int:
    """What is left of a pot at this moment: 0 without one, less where more was captured.

    Raises StopError.
    """
    found = _controls(policy)
    restores = found[0].refunds_restore if found else True
    return _left(_pot(policy, limit, scope), limit, restores=restores)


def _pot(policy: Policy, limit: LimitControl, scope: Scope) -> PotSum | None:
    of_policy = PotSum.objects.filter(policy=policy, limit_key=limit.key, currency=limit.currency)
    return of_policy.filter(scope=scope_key(scope)).first()


def _limit(policy: Policy, key: str, currency: str) -> tuple[LimitControl, bool]:
    """The limit, and whether refunds restore it. Raises StopError.

    It may be that of a planned version, or of the one that is in force again after a planned one.
    """
    for controls in _controls(policy):
        for limit in controls.spending_limits:
            is_its = (limit.key, limit.interval) == (key, Interval.FUNDS)
            if is_its and currency in ("", limit.currency):
                return limit, controls.refunds_restore
    raise StopError("The policy has no such funds any more: choose others.")


def _controls(policy: Policy) -> list[SpendingControls]:
    """Of the version in force, then of the others that may be."""
    policy = Policy.objects.select_related("current_version").get(pk=policy.pk)
    in_force = policy.version_in_force
    versions = sorted(planned.versions_to_come(policy), key=lambda version: version != in_force)
    controls = controls_of(version.pk for version in versions)
    return [controls[version.pk][1] for version in versions]


def _left(pot: PotSum | None, limit: LimitControl, *, restores: bool) -> int:
    """What purchases have left of a pot: less than 0 where Stripe captured more than it had.

    Raises StopError while they are being counted.
    """
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
    return pot.amount - used.amount + (used.refunded if restores else 0)
