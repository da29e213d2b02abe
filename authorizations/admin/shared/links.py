"""Links to rows, and the text of such links."""

from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib.admin.utils import quote
from django.contrib.auth.models import User
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from authorizations.models import Card, CardGroup, Cardholder
from authorizations.rules.basics.controls import ScopeKind

SCOPE_MODELS: Mapping[ScopeKind, type[Model]] = {
    ScopeKind.CARD: Card,
    ScopeKind.CARDHOLDER: Cardholder,
    ScopeKind.GROUP: CardGroup,
}
"""What the id of a scope is the key of; the program has no row."""

DASH = "\N{EN DASH}"
UNKNOWN = "Unknown"
"""Stands for a value that Stripe did not send."""


def staff(request: HttpRequest) -> User:
    """The user of an admin page, which requires a log-in."""
    return cast("User", request.user)


def parent(row: Model, name: str) -> Any:
    """The row that the foreign key `name` refers to; None if it is null or the row is missing."""
    try:
        return getattr(row, name)
    except ObjectDoesNotExist:
        return None


def link(row: Model | None, text: str = "") -> SafeString | str:
    """A link to the row's admin page, or a dash for None."""
    if row is None:
        return DASH
    return format_html('<a href="{}" class="text-link">{}</a>', page_of(row), text or str(row))


def page_of(row: Model) -> str:
    """The address of the row's admin page."""
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return reverse(name, args=[quote(row.pk)])


def leaving_out_url(policy_id: int, assigned: str, **who: str) -> str:
    """The address of the page that leaves somebody out of an assignment to the scope of this key.

    `who` may name a card, cardholder or group.
    """
    query = {"policy": policy_id, "assigned": assigned, **who}
    return f"{reverse('admin:authorizations_instruction_exclude')}?{urlencode(query)}"


def card_words(card: Any) -> str:
    """ "•••• 4242"; the card's id if its last four digits are unknown."""
    return f"\N{BULLET}\N{BULLET}\N{BULLET}\N{BULLET} {card.last4}" if card.last4 else str(card.pk)


def link_or_id(row: Model, name: str, text: Callable[[Any], str] = str) -> str:
    """A link to the row that the foreign key `name` refers to; its id if that row is missing."""
    found = parent(row, name)
    return link(found, text(found)) if found else str(getattr(row, f"{name}_id") or UNKNOWN)
