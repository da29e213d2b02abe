"""What is stopped at this moment, in sentences: for the banner on every page."""

from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.text import capfirst

from authorizations.admin.stops.words import said
from authorizations.models import Instruction
from authorizations.rules.basics.controls import scope_of
from authorizations.rules.wording.stop_words import FROZEN, WHERE, blocked_words
from authorizations.services.policies.stops import in_force

_MAX_NAMED = 3
"""Maximum freezes and blocks named in the banner."""


def banner(request: HttpRequest) -> list[str]:
    """What is in force for the whole program or for a time, freezes first, in sentences.

    Empty for users who may not see it.
    """
    if not request.user.has_perm("authorizations.view_instruction"):
        return []
    # Each by an index of its own.
    frozen = in_force().filter(kind=Instruction.Kind.FREEZE, open__scope="program:")
    ending = in_force().filter(kind=Instruction.Kind.BLOCK, ends_at__gt=Now())
    both = frozen.order_by().union(ending.order_by(), all=True)
    found = list(both.order_by("-kind", "-pk")[: _MAX_NAMED + 1])
    sentences = [sentence(row) for row in found[:_MAX_NAMED]]
    return [*sentences, "And more."] if len(found) > _MAX_NAMED else sentences


def sentence(row: Instruction) -> str:
    """ "All cards of the program are frozen until 30 Nov 2026, 18:00:00 UTC (ada: audit)." """
    kind = scope_of(row.scope).kind
    if row.kind == Instruction.Kind.FREEZE:
        return f"{FROZEN[kind]}{said(row)}."
    return f"{capfirst(blocked_words(row.terms))} is blocked {WHERE[kind]}{said(row)}."
