"""Freezes, blocks and exclusions in sentences, for staff."""

from collections.abc import Mapping
from typing import Any

from authorizations.rules.basics.controls import ScopeKind
from authorizations.rules.basics.filters import merchant_words
from authorizations.rules.basics.words import category_label, instant_words
from authorizations.rules.decision.values import Check, DeclineReason

FROZEN = {
    ScopeKind.CARD: "The card is frozen",
    ScopeKind.CARDHOLDER: "All cards of the cardholder are frozen",
    ScopeKind.GROUP: "All cards of the group are frozen",
    ScopeKind.PROGRAM: "All cards of the program are frozen",
}
WHERE = {
    ScopeKind.CARD: "for this card",
    ScopeKind.CARDHOLDER: "for this cardholder",
    ScopeKind.GROUP: "for the card group",
    ScopeKind.PROGRAM: "for every card",
}


LEFT_OUT = {
    ScopeKind.CARD: "this card is left out",
    ScopeKind.CARDHOLDER: "this cardholder is left out",
    ScopeKind.GROUP: "this card group is left out",
}


def left_out_words(told: Mapping[str, Any]) -> str:
    """ "does not apply: this card is left out until 31 Dec 2026 00:00 UTC (operator: trip)".

    `told` has the kind of the scope, and until, author and reason of the exclusion.
    """
    return f"does not apply: {LEFT_OUT[told['scope']]}{ending_words(told)}"


def ending_words(told: Mapping[str, Any]) -> str:
    """ " until 31 Dec 2026 00:00 UTC (operator: trip)", to follow what it is about."""
    return f"{_until(told)}{_by(told)}"


def stop_sentence(check: Check) -> str:
    """ "All cards of the cardholder are frozen until 30 Nov 2026 14:00 UTC (operator: lost)." """
    scope = check.scope.kind if check.scope else ScopeKind.CARD
    stopped = FROZEN[scope]
    if check.rule is not DeclineReason.CARD_FROZEN:
        blocked = blocked_words(check.limit)
        stopped = f"{blocked[0].upper()}{blocked[1:]} is blocked {WHERE[scope]}"
    return f"{stopped}{_until(check.limit)}{_by(check.limit)}."


def blocked_words(terms: Mapping[str, Any]) -> str:
    """What a block is about: "merchant Uber", "category fast food restaurants", "country FR"."""
    if merchant := terms.get("merchant"):
        return f"merchant {merchant_words(merchant)}"
    if category := terms.get("category"):
        return f"category {category_label(category)}"
    return f"country {terms['country']}"


def _until(limit: Mapping[str, Any]) -> str:
    if not (until := limit.get("until")):
        return ""
    return f" until {instant_words(until, 'UTC')}"


def _by(limit: Mapping[str, Any]) -> str:
    author, reason = limit.get("author", ""), limit.get("reason", "")
    said = ": ".join(filter(None, (author, reason)))
    return f" ({said})" if said else ""
