"""What operators have stopped or let through in words, for their list and their pages."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.utils import quote
from django.db.models import Model, QuerySet
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from authorizations.admin.shared.links import DASH, SCOPE_MODELS, card_words, link
from authorizations.admin.shared.named_limits import NamedLimits, named_limits
from authorizations.admin.shared.tables import badge
from authorizations.admin.shared.times import exact_time
from authorizations.models import Card, FundEntry, Instruction, PotSum
from authorizations.rules.basics.controls import (
    Interval,
    LimitControl,
    Scope,
    ScopeKind,
    member_of,
    scope_of,
)
from authorizations.rules.basics.purchase_exceptions import Waiver
from authorizations.rules.basics.words import SCOPE_WORDS, all_of, figure_words
from authorizations.rules.policy.summary import limit_phrase
from authorizations.rules.wording.exception_words import allowed_words, waiver_words
from authorizations.rules.wording.stop_words import blocked_words
from authorizations.services.policies.own_amounts import about

EVERY_CARD = "Every card"


def what_words(row: Instruction, limits: NamedLimits) -> str:
    """ "Freeze"; "Block: merchant network id 1234567890". `limits` are as of `limits_of`."""
    if row.kind == Instruction.Kind.FREEZE:
        return "Freeze"
    if row.kind == Instruction.Kind.OVERRIDE:
        return f"Own amount: {row.policy}, {own_figure_words(row, limits)}"
    if row.kind == Instruction.Kind.EXCEPTION:
        return f"Allowed once: {exception_words(row.terms, limits)}"
    if row.kind == Instruction.Kind.EXCLUSION:
        assigned = SCOPE_WORDS[scope_of(row.terms["assigned"]).kind]
        return f"Left out of {row.policy}, assigned to {assigned}"
    return f"Block: {blocked_words(row.terms)}"


def limits_of(rows: Iterable[Instruction]) -> NamedLimits:
    """The policies and limits that own amounts and exceptions are about."""
    policies: list[int] = []
    for row in rows:
        if row.kind == Instruction.Kind.OVERRIDE and row.policy_id:
            policies.append(row.policy_id)
        elif row.kind == Instruction.Kind.EXCEPTION:
            policies += [its["policy"] for its in row.terms["waives"] if "policy" in its]
    return named_limits(policies)


def own_figure_words(row: Instruction, limits: NamedLimits) -> str:
    """ "€800.00 instead of €500.00 a month", "3 purchases more than 5 purchases a day"."""
    terms = row.terms
    figure = terms["raise_by"] if (is_raise := "raise_by" in terms) else terms["amount"]
    noun = "attempt" if "attempts" in terms else "purchase"
    words = figure_words(figure, terms.get("currency", ""), noun)
    if (limit := _limit_of(row, limits)) is None:
        return f"{words}, asleep: the policy has no such limit now"
    return f"{words} {'more than' if is_raise else 'instead of'} {limit_phrase(limit)}"


def _limit_of(row: Instruction, limits: NamedLimits) -> LimitControl | None:
    """The limit that an own amount holds for; None where it sleeps."""
    limit = limits.limits.get((row.policy_id or 0, row.terms["limit"]))
    return limit if limit and limit.about == about(row.terms) else None


def exception_words(terms: Mapping[str, Any], limits: NamedLimits) -> str:
    """ "up to €250.00 at merchant Uber, waives the limit of €500.00 a month of Team"."""
    waived = []
    for waiver in (Waiver(**given) for given in terms["waives"]):
        policy = words = ""
        if waiver.policy is not None:
            policy = limits.policies.get(waiver.policy, "a policy that is gone")
            if limit := limits.limits.get((waiver.policy, waiver.limit)):
                is_funds = limit.interval is Interval.FUNDS
                words = "the funds" if is_funds else f"the limit of {limit_phrase(limit)}"
        waived.append(waiver_words(waiver, policy, words))
    return f"{allowed_words(terms)}, waives {all_of(list(dict.fromkeys(waived)))}"


def where_links(rows: Iterable[Instruction | FundEntry | PotSum]) -> dict[int, SafeString | str]:
    """A link to what each holds for, by its key; the id if that is missing.

    One query for each kind of scope, however many rows there are.
    """
    scopes = {row.pk: _parts(scope_of(row.scope)) for row in rows}
    each = [scope for parts in scopes.values() for scope in parts]
    there = {
        kind: {str(found.pk): found for found in _rows(model).filter(pk__in=ids)}
        for kind, model in SCOPE_MODELS.items()
        if (ids := [it.id for it in each if it.kind is kind and _is_key(it)])
    }
    return {
        pk: format_html_join(" in ", "{}", ([_link(it, there.get(it.kind, {}))] for it in parts))
        for pk, parts in scopes.items()
    }


def _rows(model: type[Model]) -> QuerySet[Any]:
    every = model._default_manager.all()
    return every.select_related("cardholder") if model is Card else every


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
    if scope.kind is not ScopeKind.CARD:
        return link(found)
    of = f" of {found.cardholder}" if found.cardholder else ""
    return link(found, f"{card_words(found)}{of}")


def state_badge(row: Instruction, limits: NamedLimits, now: datetime) -> SafeString:
    """Whether it holds at this time; `limits` are as of `limits_of`."""
    is_exception = row.kind == Instruction.Kind.EXCEPTION
    if hasattr(row, "use"):
        return badge("Used", "success")
    if hasattr(row, "lifting"):
        return badge("Withdrawn" if is_exception else "Lifted", "info")
    if row.ends_at and row.ends_at <= now:
        return badge("Ran out unused" if is_exception else "Ended", "info")
    if row.starts_at > now:
        return badge("Begins later", "info")
    if row.kind == Instruction.Kind.OVERRIDE and not _limit_of(row, limits):
        return badge("Asleep", "info")
    stops = row.kind in (Instruction.Kind.FREEZE, Instruction.Kind.BLOCK)
    return badge("In force", "danger" if stops else "warning")


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


def said(row: Instruction) -> str:
    """ " from 1 Dec 2026, 08:00:00 UTC until 5 Dec 2026, 18:00:00 UTC (ada: trip)"."""
    begins = f" from {exact_time(row.starts_at)}" if row.starts_at > timezone.now() else ""
    until = f" until {exact_time(row.ends_at)}" if row.ends_at else ""
    by = "a limit on attempts" if is_by_attempts(row) else row.author_name
    return f"{begins}{until} ({': '.join(filter(None, (by, row.reason)))})"


def is_by_attempts(row: Instruction) -> bool:
    """Whether a limit on attempts has frozen the card."""
    return row.kind == Instruction.Kind.FREEZE and "attempts" in row.terms


def undoing(row: Instruction) -> str:
    """The word for undoing it."""
    return "Withdraw" if row.kind == Instruction.Kind.EXCEPTION else "Lift"


_BACK = {
    "card": "card",
    "cardholder": "cardholder",
    "cardgroup": "group",
    "policy": "policy",
    "decision": "decision",
}


def lift_url(row: Instruction, back: Model | None = None) -> str:
    """The address of the page that undoes it and then leads back to the page of `back`.

    Without one it leads to the list of what is in force.
    """
    url = reverse("admin:authorizations_instruction_lift", args=[row.pk])
    if back is None:
        return url
    return f"{url}?{urlencode({_BACK[str(back._meta.model_name)]: back.pk})}"


def back_url(query: QueryDict) -> str:
    """Where the address of a page that stops or undoes something leads back to."""
    for model, name in _BACK.items():
        if key := query.get(name):
            return reverse(f"admin:authorizations_{model}_change", args=[quote(key)])
    return reverse("admin:authorizations_instruction_changelist")


def lift_link(row: Instruction, now: datetime) -> SafeString | str:
    """A link to the page that undoes it; a dash once it is over."""
    if is_over(row, now):
        return DASH
    return format_html('<a href="{}" class="text-link">{}</a>', lift_url(row), undoing(row))


def by_words(row: Instruction | FundEntry) -> str:
    """Who wrote it; of a freeze by a limit on attempts a link to the decision that reached it."""
    if isinstance(row, FundEntry):
        return row.author.get_username() if row.author else "A command"
    if is_by_attempts(row):
        url = reverse("admin:authorizations_decision_change", args=[quote(row.terms["decision"])])
        return format_html('<a href="{}" class="text-link">A limit on attempts</a>', url)
    return row.author_name or "A command"
