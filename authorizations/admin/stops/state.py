"""What is in force at this moment: for the banner on every page, and for Home."""

from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from authorizations.admin.shared.links import DASH, link
from authorizations.admin.shared.tables import table
from authorizations.admin.shared.times import exact_time
from authorizations.admin.stops.words import (
    by_words,
    lift_link,
    state_badge,
    used_link,
    what_words,
)
from authorizations.models import Card, Instruction
from authorizations.rules.basics.controls import scope_of
from authorizations.rules.wording.stop_words import FROZEN, WHERE, blocked_words
from authorizations.services.policies.stops import in_force

_MAX_NAMED = 3
"""Maximum freezes and blocks named in the banner."""

_MAX_SHOWN = 5
"""Maximum exceptions on the page of a card."""


def stopped_at(*keys: str) -> list[Instruction]:
    """What holds in one of these scopes; freezes first, then the newest."""
    return list(in_force().filter(open__scope__in=keys).order_by("-kind", "-pk"))


def of_card(card: Card) -> list[Instruction]:
    """What holds for this card: in its own scopes as they are now, and for every card."""
    keys = ["program:", f"card:{card.pk}"]
    if card.cardholder_id:
        keys.append(f"cardholder:{card.cardholder_id}")
    if group := card.root.group_id:
        keys.append(f"group:{group}")
    return stopped_at(*keys)


def exceptions_of_card(card: Card, *, may_lift: bool) -> SafeString | str:
    """A table of the latest exceptions of this card; "" without any.

    `may_lift`: with links to withdraw them.
    """
    found = Instruction.objects.filter(scope=f"card:{card.pk}", kind=Instruction.Kind.EXCEPTION)
    rows = list(found.select_related("lifting", "use").order_by("-pk")[:_MAX_SHOWN])
    if not rows:
        return ""
    now = timezone.now()
    headers = ("State", "What", "Until", "By", "Reason", "Used by", "Undo")
    shown = [
        (
            state_badge(row, now),
            link(row, what_words(row)),
            row.ends_at,
            by_words(row),
            row.reason,
            used_link(row) or DASH,
            lift_link(row, now),
        )
        for row in rows
    ]
    return table(headers, shown) if may_lift else table(headers[:-1], [row[:-1] for row in shown])


def banner(request: HttpRequest) -> list[str]:
    """What is in force for the whole program or for a time, freezes first, in sentences.

    Empty for users who may not see it.
    """
    if not request.user.has_perm("authorizations.view_instruction"):
        return []
    frozen = Q(kind=Instruction.Kind.FREEZE, scope="program:")
    ending = Q(kind=Instruction.Kind.BLOCK, ends_at__gt=timezone.now())
    found = list(in_force().filter(frozen | ending).order_by("-kind", "-pk")[: _MAX_NAMED + 1])
    sentences = [sentence(row) for row in found[:_MAX_NAMED]]
    return [*sentences, "And more."] if len(found) > _MAX_NAMED else sentences


def sentence(row: Instruction) -> str:
    """ "All cards of the program are frozen until 30 Nov 2026, 18:00:00 UTC (ada: audit)." """
    until = f" until {exact_time(row.ends_at)}" if row.ends_at else ""
    author = f"{row.author_name}: " if row.author_name else ""
    said = f"{until} ({author}{row.reason})."
    kind = scope_of(row.scope).kind
    if row.kind == Instruction.Kind.FREEZE:
        return f"{FROZEN[kind]}{said}"
    return f"{blocked_words(row.terms)} is blocked {WHERE[kind]}{said}"
