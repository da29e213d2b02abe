"""The targets of policies in words, broadest first; of many only some."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Count, OuterRef, Prefetch, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from authorizations.admin.shared.links import card_words, link
from authorizations.models import Assignment, Policy
from authorizations.rules.basics.controls import ScopeKind, scope_of
from authorizations.rules.basics.words import budget_words, whose_words

MAX_NAMED = 8
"""Maximum targets named in a sentence."""

NOT_ASSIGNED = "Not assigned yet: it applies to no purchase."


def target_words(assignment: Assignment) -> str:
    """The target, with whose own the limits are: "the group Field team (each card's own)"."""
    whose = whose_words(_kind(assignment), assignment.each)
    return f"{_target_name(assignment)}{f' ({whose})' if whose else ''}"


def limits_words(assignment: Assignment) -> str:
    """Of a target with several cards: "The limits of the group Team are one shared budget"."""
    whose = budget_words(_kind(assignment), assignment.each)
    return f"The limits of {_target_name(assignment)} are {whose}"


def _kind(assignment: Assignment) -> ScopeKind:
    return ScopeKind.GROUP if assignment.group else ScopeKind.PROGRAM


def _target_name(assignment: Assignment) -> str:
    """ "every card", "the group Field team", "the cardholder Ada", "the card •••• 4242 of Ada"."""
    if assignment.group:
        return f"the group {assignment.group}"
    if assignment.cardholder:
        return f"the cardholder {assignment.cardholder}"
    if assignment.card:
        of = f" of {assignment.card.cardholder}" if assignment.card.cardholder else ""
        return f"the card {card_words(assignment.card)}{of}"
    return "every card"


def linked_target(assignment: Assignment) -> SafeString | str:
    """The target in words, linked to its page."""
    words = target_words(assignment)
    row = assignment.group or assignment.cardholder or assignment.card
    return link(row, words) if row else words


def with_targets(assignments: QuerySet[Assignment]) -> QuerySet[Assignment]:
    """Load what `target_words` needs in the same query."""
    return assignments.select_related("group", "cardholder", "card__cardholder")


def with_first_assigned(policies: QuerySet[Policy]) -> QuerySet[Policy]:
    """Annotate the first assignments as `first_assigned`, and their number as `assigned`."""
    own = Assignment.objects.filter(policy=OuterRef("pk")).order_by()
    number = Subquery(own.values("policy").annotate(number=Count("pk")).values("number"))
    first = with_targets(Assignment.objects.order_by("-scope"))[:MAX_NAMED]
    return policies.annotate(assigned=Coalesce(number, 0)).prefetch_related(
        Prefetch("assignments", first, to_attr="first_assigned")
    )


def assigned_sentence(policy: Any) -> SafeString | str:
    """The first targets of a policy from `with_first_assigned`, each linked to its page."""
    shown: Sequence[Assignment] = policy.first_assigned
    if not shown:
        return NOT_ASSIGNED
    number: int = policy.assigned
    more = f" and {number - len(shown):,} more" if number > len(shown) else ""
    targets = format_html_join(", ", "{}", [(linked_target(one),) for one in shown])
    return format_html("Applies to {}{}.", targets, more)


def assigned_words(policy: Any, max_named: int) -> str:
    """The first targets of a policy from `with_first_assigned`: "Every card, the group …"."""
    shown: Sequence[Assignment] = policy.first_assigned[:max_named]
    number: int = policy.assigned
    more = f" and {number - len(shown):,} more" if number > len(shown) else ""
    words = ", ".join(map(target_words, shown)) + more
    return words[0].upper() + words[1:] if words else "Not assigned"


def scopes_words(policy: Policy, scopes: Sequence[str]) -> str:
    """Few scopes by name, many by number: "2 groups and 1,998 cards"."""
    if len(scopes) <= MAX_NAMED:
        rows = with_targets(policy.assignments.filter(scope__in=scopes)).order_by("-scope")
        return ", ".join(map(target_words, rows))
    kinds = [scope_of(scope).kind for scope in scopes]
    parts = [
        *(["every card"] if ScopeKind.PROGRAM in kinds else []),
        *_numbers(kinds.count(ScopeKind.GROUP), "group"),
        *_numbers(kinds.count(ScopeKind.CARDHOLDER), "cardholder"),
        *_numbers(kinds.count(ScopeKind.CARD), "card"),
    ]
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def _numbers(number: int, what: str) -> list[str]:
    return [f"{number:,} {what}{'' if number == 1 else 's'}"] if number else []
