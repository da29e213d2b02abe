"""The screens of the staff, by noun; importing them registers them."""

from authorizations.admin.authorizations import authorizations, ledger, transactions
from authorizations.admin.cards import cardholders, groups
from authorizations.admin.cards import pages as cards
from authorizations.admin.decisions import decisions
from authorizations.admin.exports import pages as exports
from authorizations.admin.findings import pages as findings
from authorizations.admin.findings import unapplied
from authorizations.admin.history import pages as history
from authorizations.admin.policies import defaults
from authorizations.admin.policies import pages as policies
from authorizations.admin.proofs import pages as proofs
from authorizations.admin.requests import requests
from authorizations.admin.site import login, people
from authorizations.admin.stand_in import pages as stand_in

__all__ = [
    "authorizations",
    "cardholders",
    "cards",
    "decisions",
    "defaults",
    "exports",
    "findings",
    "groups",
    "history",
    "ledger",
    "login",
    "people",
    "policies",
    "proofs",
    "requests",
    "stand_in",
    "transactions",
    "unapplied",
]
