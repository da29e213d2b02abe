"""The cause that the ledger gives for a step from one state of an authorization to the next."""

from authorizations.models import LedgerCause
from authorizations.rules.purchases.books import AuthorizationState
from authorizations.rules.purchases.snapshots import OVER

_ENDS = {
    "expired": LedgerCause.EXPIRED,
    "reversed": LedgerCause.REVERSED,
    "closed": LedgerCause.CLOSED,
}


def cause_of(before: AuthorizationState, after: AuthorizationState) -> LedgerCause:
    """The cause of a change that a snapshot of Stripe's made."""
    settled = after.history[len(before.history) :]
    if after.amount > before.amount:
        new = any(entry.approved and entry.amount for entry in settled)
        return LedgerCause.APPROVED_BY_STRIPE if new else LedgerCause.RAISED
    if settled and not any(entry.approved for entry in settled):
        return LedgerCause.NOT_APPROVED
    if after.status in OVER and before.status != after.status:
        return _ENDS[after.status]
    return LedgerCause.LOWERED
