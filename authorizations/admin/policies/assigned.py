"""Where policies are assigned, in words."""

from collections.abc import Iterable

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from authorizations.admin.base import card_words, link
from authorizations.models import Assignment

NAMED = 8
"""So many are named where a sentence tells them all."""

NOBODY = "Assigned to nobody yet: it decides no purchase."


def target_words(assignment: Assignment) -> str:
    """ "every card", "the group Field team", "the cardholder Ada", "the card •••• 4242 of Ada"."""
    if assignment.group:
        return f"the group {assignment.group}"
    if assignment.cardholder:
        return f"the cardholder {assignment.cardholder}"
    if assignment.card:
        of = f" of {assignment.card.cardholder}" if assignment.card.cardholder else ""
        return f"the card {card_words(assignment.card)}{of}"
    return "every card"


def assigned_sentence(assignments: Iterable[Assignment]) -> SafeString | str:
    """All of them in one sentence, each leading to its page."""
    targets = [_linked(assignment) for assignment in assignments]
    if not targets:
        return NOBODY
    shown = [(target,) for target in targets[:NAMED]]
    more = f" and {len(targets) - NAMED:,} more" if len(targets) > NAMED else ""
    return format_html("Applies to {}{}.", format_html_join(", ", "{}", shown), more)


def _linked(assignment: Assignment) -> SafeString | str:
    words = target_words(assignment)
    row = assignment.group or assignment.cardholder or assignment.card
    return link(row, words) if row else words
