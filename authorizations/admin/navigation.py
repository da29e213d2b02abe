"""The sidebar, by task; each sees the pages they may see."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

_SIDEBAR = {
    "Policies": (
        ("Policies", "policy", "authorizations.policy"),
        ("Card groups", "groups", "authorizations.cardgroup"),
    ),
    "Cards": (
        ("Cards", "credit_card", "authorizations.card"),
        ("Cardholders", "person", "authorizations.cardholder"),
    ),
    "Record": (
        ("Decisions", "rule", "authorizations.decision"),
        ("Authorizations", "receipt_long", "authorizations.authorization"),
        ("Ledger", "menu_book", "authorizations.ledgerentry"),
        ("Webhook requests", "webhook", "authorizations.webhookrequest"),
        ("Rejected requests", "block", "authorizations.rejectedrequest"),
        ("Rejected by minute", "schedule", "authorizations.rejectedminute"),
    ),
    "Staff": (
        ("Users", "badge", "auth.user"),
        ("Roles", "key", "auth.group"),
    ),
}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Unfold's navigation for whoever is asking."""
    groups = [
        {"title": title, "items": [_item(*item) for item in items if _may_see(request, item[2])]}
        for title, items in _SIDEBAR.items()
    ]
    return [group for group in groups if group["items"]]


def _item(title: str, icon: str, model: str) -> dict[str, Any]:
    name = f"admin:{model.replace('.', '_')}_changelist"
    return {"title": title, "icon": icon, "link": reverse(name)}


def _may_see(request: HttpRequest, model: str) -> bool:
    app, name = model.split(".")
    return request.user.has_perms([f"{app}.view_{name}"])
