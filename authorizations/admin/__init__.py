"""The screens of the staff, by noun; importing them registers them."""

from authorizations.admin import (
    cardholders,
    cards,
    decisions,
    exports,
    groups,
    history,
    ledger,
    login,
    people,
    policies,
    requests,
)

__all__ = [
    "cardholders",
    "cards",
    "decisions",
    "exports",
    "groups",
    "history",
    "ledger",
    "login",
    "people",
    "policies",
    "requests",
]
