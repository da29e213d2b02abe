"""Which failed rules an exception waives, and which exception lets a purchase through."""

from collections.abc import Iterable, Sequence

from authorizations.rules.basics.purchase_exceptions import PurchaseException, Waiver, block_terms
from authorizations.rules.decision.attempts import attempt_limit_key
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.limits import limit_key
from authorizations.rules.decision.values import Check, DeclineReason
from authorizations.rules.purchases.events import AuthorizationRequest

NEVER_WAIVED = frozenset(
    {
        DeclineReason.MALFORMED_REQUEST,
        DeclineReason.WRONG_MODE,
        DeclineReason.CONFLICTING_EVENT,
        DeclineReason.INTERNAL_ERROR,
        DeclineReason.STAND_IN,
        DeclineReason.CARD_FROZEN,
        DeclineReason.CARD_NOT_ACTIVE,
    }
)
"""The reasons that no exception waives."""


def waiver_of(check: Check, applied: Iterable[AppliedControls]) -> Waiver | None:
    """What would waive a failed check and no other; None if nothing can.

    It names a policy by the version that decided. `applied` are the policies of the decision, which
    have the keys of their limits.
    """
    if check.rule in NEVER_WAIVED:
        return None
    if check.policy is None:
        return Waiver(check.rule, block=block_terms(check.limit or {}))
    key = ""
    if check.figures:
        named = (check.version_id, check.scope)
        [policy] = (one for one in applied if (one.version_id, one.scope) == named)
        key_of = attempt_limit_key if check.figures.of_attempts else limit_key
        key = key_of(check.figures, policy)
    return Waiver(check.rule, limit=key, version=check.version_id)


def is_waived(
    check: Check, exception: PurchaseException, applied: Iterable[AppliedControls]
) -> bool:
    """Whether a failed check is one of those that the exception waives."""
    needed = waiver_of(check, applied)
    return needed is not None and any(one.covers(needed) for one in exception.waives)


def exception_for(
    request: AuthorizationRequest,
    exceptions: Iterable[PurchaseException],
    failed: Sequence[Check],
    applied: Sequence[AppliedControls],
) -> PurchaseException | None:
    """The exception that waives all that failed; of several the one that ends first.

    The amount of `request` is what would be reserved.
    """
    fitting = (
        one
        for one in exceptions
        if one.concerns(request.card.id, request.asked_at, request.amount, request.currency)
        and all(is_waived(check, one, applied) for check in failed)
    )
    return min(fitting, key=lambda one: (one.until, one.id), default=None)
