"""The screens of the staff, by noun; importing them registers them."""

from authorizations.admin import audit, cards, groups, ledger, people, policies

__all__ = ["audit", "cards", "groups", "ledger", "people", "policies"]
