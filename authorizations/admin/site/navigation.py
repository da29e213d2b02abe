"""The sidebar, by task; each sees the pages they may see."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from django.db.models.options import Options
from django.http import HttpRequest
from django.urls import get_script_prefix, reverse

from authorizations.services.lifecycle.open_findings import count_open

_FINDINGS = "authorizations.finding"
MOST_OPEN = 99
"""So many open findings are counted."""

# The title, the icon, the model whose list it is (or another page of its), and models whose pages
# belong to it as well.
_SIDEBAR: dict[str, tuple[tuple[str, ...], ...]] = {
    "Policies": (
        ("Policies", "policy", "authorizations.policy", "authorizations.policyversion"),
        ("Card groups", "groups", "authorizations.cardgroup"),
        ("Defaults", "tune", "authorizations.programdefaults"),
    ),
    "Cards": (
        ("Cards", "credit_card", "authorizations.card"),
        ("Cardholders", "person", "authorizations.cardholder"),
    ),
    "Decisions": (
        ("Decisions", "rule", "authorizations.decision"),
        ("Stand-in", "offline_bolt", "authorizations.standinswitch"),
        ("Health", "monitor_heart", "authorizations.standinswitch.health"),
    ),
    "Authorizations": (
        ("Authorizations", "receipt_long", "authorizations.authorization"),
        ("Transactions", "payments", "authorizations.transaction"),
        ("Ledger", "menu_book", "authorizations.ledgerentry"),
        ("Findings", "rule_settings", _FINDINGS),
        ("Overdue holds", "timer_off", "authorizations.authorization.past"),
        ("Messages we could not process", "sync_problem", "authorizations.unappliedevent"),
    ),
    "Requests": (
        ("Webhook requests", "webhook", "authorizations.webhookrequest"),
        ("Rejected requests", "block", "authorizations.rejectedrequest"),
        ("Rejected by minute", "schedule", "authorizations.rejectedminute"),
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
    """What a list is called, there and on its own page."""
    plural = str(options.verbose_name_plural)
    return _TITLES.get(options.label_lower) or plural[:1].upper() + plural[1:]


def row_name(options: "Options[Any]") -> str:
    """What one of its rows is called. Django's groups are our roles: a group is of cards here."""
    return "role" if options.label_lower == "auth.group" else str(options.verbose_name)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Unfold's navigation for whoever is asking."""
    home = reverse("admin:index")
    first = {"title": "Home", "icon": "home", "link": home, "active": request.path == home}
    lists = _lists(get_script_prefix())
    here = _nearest(request, lists.values())
    groups = [
        {
            "title": title,
            "items": [_item(lists, here, *item) for item in items if _may_see(request, item)],
        }
        for title, items in _SIDEBAR.items()
    ]
    return [{"title": "", "items": [first]}, *(group for group in groups if group["items"])]


def _item(
    lists: Mapping[str, str], here: str, title: str, icon: str, *models: str
) -> dict[str, Any]:
    is_active = here in {lists[model] for model in models}
    found = {"title": title, "icon": icon, "link": lists[models[0]], "active": is_active}
    return found | ({"count": _open_findings()} if models[0] == _FINDINGS else {})


def _nearest(request: HttpRequest, lists: Iterable[str]) -> str:
    """The list that the page belongs to: of those its address begins with the longest."""
    return max((url for url in lists if request.path.startswith(url)), key=len, default="")


@lru_cache(maxsize=8)
def _lists(_prefix: str) -> dict[str, str]:
    """The addresses of all of them, which are the same on every page of a server."""
    return {model: _list(model) for model in _MODELS}


def _list(model: str) -> str:
    app, name, *page = model.split(".")
    return reverse(f"admin:{app}_{name}_{page[0] if page else 'changelist'}")


def _open_findings() -> str:
    """ "3", "99+"; empty where all were seen."""
    count = count_open(MOST_OPEN + 1)
    return f"{MOST_OPEN}+" if count > MOST_OPEN else str(count or "")


def _may_see(request: HttpRequest, item: tuple[str, ...]) -> bool:
    app, name = item[2].split(".")[:2]
    return request.user.has_perms([f"{app}.view_{name}"])
