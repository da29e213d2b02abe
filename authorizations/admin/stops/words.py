"""What operators have stopped or let through in words, for their list and their pages."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from authorizations.admin.shared.links import DASH, SCOPE_MODELS, card_words, link
from authorizations.admin.shared.tables import badge
from authorizations.admin.shared.times import exact_time
from authorizations.models import FundEntry, Instruction
from authorizations.rules.basics.controls import Scope, ScopeKind, member_of, scope_of
from authorizations.rules.basics.purchase_exceptions import Waiver
from authorizations.rules.basics.words import all_of, figure_words
from authorizations.rules.wording.exception_words import allowed_words, waiver_words
from authorizations.rules.wording.stop_words import blocked_words

EVERY_CARD = "Every card"


_ASSIGNED = {
    ScopeKind.CARDHOLDER: "a cardholder",
    ScopeKind.GROUP: "a card group",
    ScopeKind.PROGRAM: "every card",
}


def what_words(row: Instruction) -> str:
    """ "Freeze"; "Block: merchant network id 1234567890"."""
    if row.kind == Instruction.Kind.FREEZE:
        return "Freeze"
    if row.kind == Instruction.Kind.OVERRIDE:
        return f"Own amount: {row.policy}, {own_figure_words(row.terms)}"
    if row.kind == Instruction.Kind.EXCEPTION:
        return f"Allowed once: {exception_words(row.terms)}"
    if row.kind == Instruction.Kind.EXCLUSION:
        assigned = _ASSIGNED[scope_of(row.terms["assigned"]).kind]
        return f"Left out of {row.policy}, assigned to {assigned}"
    blocked = blocked_words(row.terms)
    return f"Block: {blocked[:1].lower()}{blocked[1:]}"


def own_figure_words(terms: Mapping[str, Any]) -> str:
    """ "monthly limit set to €800.00", "daily_count limit raised by 3 purchases"."""
    currency, noun = terms.get("currency", ""), "attempt" if "attempts" in terms else "purchase"
    if "raise_by" in terms:
        return f"{terms['limit']} limit raised by {figure_words(terms['raise_by'], currency, noun)}"
    return f"{terms['limit']} limit set to {figure_words(terms['amount'], currency, noun)}"


def exception_words(terms: Mapping[str, Any]) -> str:
    """ "up to €250.00 at merchant Uber, waives monthly limit of Team"."""
    waived = (waiver_words(Waiver(**waiver)) for waiver in terms["waives"])
    return f"{allowed_words(terms)}, waives {all_of(list(dict.fromkeys(waived)))}"


def where_links(rows: Iterable[Instruction | FundEntry]) -> dict[int, SafeString | str]:
    """A link to what each holds for, by its key; the id if that is missing.

    One query for each kind of scope, however many rows there are.
    """
    scopes = {row.pk: _parts(scope_of(row.scope)) for row in rows}
    each = [scope for parts in scopes.values() for scope in parts]
    there = {
        kind: {str(found.pk): found for found in model._default_manager.filter(pk__in=ids)}
        for kind, model in SCOPE_MODELS.items()
        if (ids := [it.id for it in each if it.kind is kind and _is_key(it)])
    }
    return {
        pk: format_html_join(" in ", "{}", ([_link(it, there.get(it.kind, {}))] for it in parts))
        for pk, parts in scopes.items()
    }


def _parts(scope: Scope) -> list[Scope]:
    """A scope, or of a member's the cardholder and the group."""
    if scope.kind is not ScopeKind.MEMBER:
        return [scope]
    group_id, cardholder_id = member_of(scope)
    return [Scope(ScopeKind.CARDHOLDER, cardholder_id), Scope(ScopeKind.GROUP, group_id)]


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
    is_exception = row.kind == Instruction.Kind.EXCEPTION
    if hasattr(row, "use"):
        return badge("Used", "success")
    if hasattr(row, "lifting"):
        return badge("Withdrawn" if is_exception else "Lifted", "info")
    if row.ends_at and row.ends_at <= now:
        return badge("Ran out unused" if is_exception else "Ended", "info")
    if row.starts_at > now:
        return badge("Later", "info")
    return badge("In force", "warning" if is_exception else "danger")


def is_over(row: Instruction, now: datetime) -> bool:
    """Whether it is lifted, used or ended, so that nothing of it can be undone."""
    ended = bool(row.ends_at and row.ends_at <= now)
    return ended or hasattr(row, "lifting") or hasattr(row, "use")


def used_link(row: Instruction) -> SafeString | str:
    """A link to the decision that used an exception; "" if none did."""
    if not hasattr(row, "use"):
        return ""
    url = reverse("admin:authorizations_decision_change", args=[quote(row.use.decision_id)])
    text = f"Used {exact_time(row.use.used_at)}"
    return format_html('<a href="{}" class="text-link">{}</a>', url, text)


def lift_link(row: Instruction, now: datetime) -> SafeString | str:
    """A link to the page that undoes it; a dash once it is over."""
    if is_over(row, now):
        return DASH
    url = reverse("admin:authorizations_instruction_lift", args=[row.pk])
    verb = "Withdraw" if row.kind == Instruction.Kind.EXCEPTION else "Lift"
    return format_html('<a href="{}" class="text-link">{}</a>', url, verb)


def by_words(row: Instruction | FundEntry) -> str:
    """Who wrote it; of a freeze by a limit on attempts a link to the decision that reached it."""
    if isinstance(row, FundEntry):
        return row.author.get_username() if row.author else "A command"
    if row.kind == Instruction.Kind.FREEZE and "attempts" in row.terms:
        url = reverse("admin:authorizations_decision_change", args=[quote(row.terms["decision"])])
        return format_html('<a href="{}" class="text-link">A limit on attempts</a>', url)
    return row.author_name or "A command"
