"""Where a policy approves a part of a purchase, and where it can't tell which part is useful."""

from authorizations.rules.decision.controls import SpendingControls


def currencies_without_parts(controls: SpendingControls) -> list[str]:
    """The currencies of its limits in which no part is approved, though the policy allows parts.

    The smallest useful part is an amount in the policy's own currency.
    """
    if not controls.partial_approval or not controls.smallest_partial_amount:
        return []
    limits = controls.spending_limits
    currencies = {limit.currency for limit in limits if limit.amount is not None}
    return sorted(currencies - {controls.currency})
