"""The screens of the staff, a room for each noun; importing them registers their pages."""

from importlib import import_module

# Not by `from`: a name bound here would hide the room that is called so.
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
    "history.pages",
    "policies.defaults",
    "policies.pages",
    "proofs.pages",
    "requests.pages",
    "site.login",
    "site.people",
    "stand_in.pages",
):
    import_module(f"{__name__}.{_pages}")
