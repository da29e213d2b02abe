"""Freezes and blocks in words, for their list and their pages."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.utils.safestring import SafeString

from authorizations.admin.shared.links import SCOPE_MODELS, card_words, link
from authorizations.admin.shared.tables import badge
from authorizations.models import FundEntry, Instruction
from authorizations.rules.basics.controls import Scope, ScopeKind, scope_of
from authorizations.rules.basics.words import figure_words
from authorizations.rules.wording.stop_words import blocked_words

EVERY_CARD = "Every card"


def what_words(row: Instruction) -> str:
    """ "Freeze"; "Block: merchant network id 1234567890"."""
    if row.kind == Instruction.Kind.FREEZE:
        return "Freeze"
    if row.kind == Instruction.Kind.OVERRIDE:
        return f"Own amount: {row.policy}, {own_figure_words(row.terms)}"
    blocked = blocked_words(row.terms)
    return f"Block: {blocked[:1].lower()}{blocked[1:]}"


def own_figure_words(terms: Mapping[str, Any]) -> str:
    """ "monthly limit set to €800.00", "daily_count limit raised by 3 purchases"."""
    currency = terms.get("currency", "")
    if "raise_by" in terms:
        return f"{terms['limit']} limit raised by {figure_words(terms['raise_by'], currency)}"
    return f"{terms['limit']} limit set to {figure_words(terms['amount'], currency)}"


def where_links(rows: Iterable[Instruction | FundEntry]) -> dict[int, SafeString | str]:
    """A link to what each holds for, by its key; the id if that is missing.

    One query for each kind of scope, however many rows there are.
    """
    scopes = {row.pk: scope_of(row.scope) for row in rows}
    there = {
        kind: {str(found.pk): found for found in model._default_manager.filter(pk__in=ids)}
        for kind, model in SCOPE_MODELS.items()
        if (ids := [it.id for it in scopes.values() if it.kind is kind and _is_key(it)])
    }
    return {pk: _link(scope, there.get(scope.kind, {})) for pk, scope in scopes.items()}


def _is_key(scope: Scope) -> bool:
    return scope.kind is not ScopeKind.GROUP or scope.id.isdecimal()


def _link(scope: Scope, there: Mapping[str, Any]) -> SafeString | str:
    if scope.kind is ScopeKind.PROGRAM:
        return EVERY_CARD
    found = there.get(scope.id)
    if found is None:
        return scope.id
    return link(found, card_words(found) if scope.kind is ScopeKind.CARD else "")


def state_badge(row: Instruction, now: datetime) -> SafeString:
    """Whether it holds at this time."""
    if hasattr(row, "lifting"):
        return badge("Lifted", "info")
    if row.ends_at and row.ends_at <= now:
        return badge("Ended", "info")
    return badge("In force", "danger")


def by_words(row: Instruction | FundEntry) -> str:
    if isinstance(row, FundEntry):
        return row.author.get_username() if row.author else "A command"
    return row.author_name or "A command"
