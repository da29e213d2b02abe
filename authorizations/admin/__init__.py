"""The screens of the staff, by noun; importing them registers them."""

from authorizations.admin import audit, cardholders, cards, groups, ledger, people, policies

__all__ = ["audit", "cardholders", "cards", "groups", "ledger", "people", "policies"]
