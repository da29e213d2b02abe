"""The sidebar by task, with the pages that the user may see."""

from functools import lru_cache
from typing import Any

from django.db.models.options import Options
from django.http import HttpRequest
from django.urls import get_script_prefix, reverse

from authorizations.services.lifecycle.open_findings import count_open

_FINDINGS = "authorizations.finding"
MAX_COUNTED = 99
"""Open findings are counted up to this number and then shown as "99+"."""

# Title, icon, the model whose list it is (or a further page of the model), and other models whose
# pages belong to it.
_SIDEBAR: dict[str, tuple[tuple[str, ...], ...]] = {
    "Policies": (
        ("Policies", "policy", "authorizations.policy", "authorizations.policyversion"),
        ("Card groups", "groups", "authorizations.cardgroup"),
        ("Defaults", "tune", "authorizations.programdefaults"),
    ),
    "Cards": (
        ("Cards", "credit_card", "authorizations.card"),
        ("Cardholders", "person", "authorizations.cardholder"),
        ("In force now", "front_hand", "authorizations.instruction"),
        ("Funds", "savings", "authorizations.fundentry"),
    ),
    "Decisions": (
        ("Decisions", "rule", "authorizations.decision"),
        ("Stand-in", "offline_bolt", "authorizations.standinswitch"),
        ("Health", "monitor_heart", "authorizations.standinswitch.health"),
    ),
    "Purchases": (
        ("Authorizations", "receipt_long", "authorizations.authorization"),
        ("Transactions", "payments", "authorizations.transaction"),
        ("Ledger", "menu_book", "authorizations.ledgerentry"),
        ("Mismatches with Stripe", "rule_settings", _FINDINGS),
        ("Overdue holds", "timer_off", "authorizations.authorization.past"),
        ("Messages we could not process", "sync_problem", "authorizations.unappliedevent"),
    ),
    "Messages": (
        ("Messages from Stripe", "webhook", "authorizations.webhookrequest"),
        ("Refused messages", "block", "authorizations.rejectedrequest"),
        ("Refused by minute", "schedule", "authorizations.rejectedminute"),
    ),
    "People": (
        ("Users", "badge", "auth.user"),
        ("Roles", "key", "auth.group"),
        ("Change history", "history", "authorizations.historyentry"),
        ("Exports", "download", "authorizations.export"),
        ("Proofs", "verified", "authorizations.proofrun"),
    ),
}
_MODELS = [model for items in _SIDEBAR.values() for item in items for model in item[2:]]
_TITLES = {item[2]: item[0] for items in _SIDEBAR.values() for item in items}


def list_name(options: "Options[Any]") -> str:
    """The name of a list, in the sidebar and on its page."""
    plural = str(options.verbose_name_plural)
    return _TITLES.get(options.label_lower) or plural[:1].upper() + plural[1:]


def row_name(options: "Options[Any]") -> str:
    """What can be added to a list. A group is a group of cards here."""
    return "role" if options.label_lower == "auth.group" else str(options.verbose_name)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Unfold's navigation for the user of the request."""
    home = reverse("admin:index")
    first = {"title": "Home", "icon": "home", "link": home, "active": request.path == home}
    urls = _list_urls(get_script_prefix())
    # The list that the page belongs to: the longest address that the page's own begins with.
    here = max((url for url in urls.values() if request.path.startswith(url)), key=len, default="")
    groups = []
    for group_title, entries in _SIDEBAR.items():
        items = []
        for title, icon, *models in entries:
            app, name = models[0].split(".")[:2]
            if not request.user.has_perms([f"{app}.view_{name}"]):
                continue
            is_active = here in {urls[model] for model in models}
            item = {"title": title, "icon": icon, "link": urls[models[0]], "active": is_active}
            if models[0] == _FINDINGS:
                count = count_open(MAX_COUNTED + 1)
                item["count"] = f"{MAX_COUNTED}+" if count > MAX_COUNTED else str(count or "")
            items.append(item)
        if items:
            groups.append({"title": group_title, "items": items})
    return [{"title": "", "items": [first]}, *groups]


@lru_cache(maxsize=8)
def _list_urls(_prefix: str) -> dict[str, str]:
    """The address of each list by model, for a prefix of addresses that the server runs under."""
    urls = {}
    for model in _MODELS:
        app, name, *page = model.split(".")
        urls[model] = reverse(f"admin:{app}_{name}_{page[0] if page else 'changelist'}")
    return urls
