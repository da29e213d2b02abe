"""Currencies in which a policy cannot approve a part of a purchase."""

from authorizations.rules.decision.controls import SpendingControls


def currencies_without_parts(controls: SpendingControls) -> list[str]:
    """The currencies of its limits in which no part is approved, although the policy allows parts.

    The smallest partial amount is in the policy's own currency only.
    """
    if not controls.partial_approval or not controls.smallest_partial_amount:
        return []
    limits = controls.spending_limits
    currencies = {limit.currency for limit in limits if limit.amount is not None}
    return sorted(currencies - {controls.currency})
