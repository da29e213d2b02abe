"""Freezes and blocks in words, for their list and their pages."""

from datetime import datetime

from django.core.exceptions import ObjectDoesNotExist
from django.utils.safestring import SafeString

from authorizations.admin.shared.links import card_words, link
from authorizations.admin.shared.tables import badge
from authorizations.models import Card, CardGroup, Cardholder, Instruction
from authorizations.rules.basics.controls import ScopeKind, scope_of
from authorizations.rules.wording.stop_words import blocked_words

EVERY_CARD = "Every card"
_MODELS = {
    ScopeKind.CARD: Card,
    ScopeKind.CARDHOLDER: Cardholder,
    ScopeKind.GROUP: CardGroup,
}


def what_words(row: Instruction) -> str:
    """ "Freeze"; "Block: merchant network id 1234567890"."""
    if row.kind == Instruction.Kind.FREEZE:
        return "Freeze"
    blocked = blocked_words(row.terms)
    return f"Block: {blocked[:1].lower()}{blocked[1:]}"


def where_link(row: Instruction) -> SafeString | str:
    """A link to what it holds for; the id if that is missing, "Every card" for the program."""
    scope = scope_of(row.scope)
    if scope.kind is ScopeKind.PROGRAM:
        return EVERY_CARD
    try:
        found = _MODELS[scope.kind]._default_manager.get(pk=scope.id)
    except (ObjectDoesNotExist, ValueError):
        return scope.id
    return link(found, card_words(found) if scope.kind is ScopeKind.CARD else "")


def state_badge(row: Instruction, now: datetime) -> SafeString:
    """Whether it holds at this time."""
    if hasattr(row, "lifting"):
        return badge("Lifted", "info")
    if row.ends_at and row.ends_at <= now:
        return badge("Ended", "info")
    return badge("In force", "danger")


def by_words(row: Instruction) -> str:
    return row.author_name or "A command"
