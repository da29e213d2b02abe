"""The admin pages, one package per subject. Importing this package registers them."""

from importlib import import_module

# Not `from ... import`: a name bound here would hide the package of the same name.
for _pages in (
    "authorizations.ledger",
    "authorizations.pages",
    "authorizations.transactions",
    "cards.cardholders",
    "cards.groups",
    "cards.pages",
    "decisions.pages",
    "exports.pages",
    "findings.pages",
    "findings.unapplied",
    "funds.pages",
    "history.pages",
    "policies.defaults",
    "policies.pages",
    "proofs.pages",
    "requests.pages",
    "site.login",
    "site.people",
    "stand_in.pages",
    "stops.pages",
):
    import_module(f"{__name__}.{_pages}")
