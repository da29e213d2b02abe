"""What is in force at this moment: for the banner on every page, for Home and other pages."""

from typing import Any, NamedTuple

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
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
    where_links,
)
from authorizations.models import Assignment, Card, Instruction, Policy
from authorizations.rules.basics.controls import scope_of
from authorizations.rules.wording.stop_words import (
    FROZEN,
    WHERE,
    blocked_words,
    ending_words,
    left_out_words,
)
from authorizations.services.policies import exclusions
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


class ShownExclusion(NamedTuple):
    """An exclusion on a page: who is left out, or of what; why; and where it is lifted."""

    who: SafeString | str
    words: str
    lift_url: str


def left_out_of_card(card: Card) -> list[ShownExclusion]:
    """The policies that would apply to this card, and do not because it is left out of them."""
    keys = ["program:", f"card:{card.root_id}"]
    if card.cardholder_id:
        keys.append(f"cardholder:{card.cardholder_id}")
    if group := card.root.group_id:
        keys.append(f"group:{group}")
    there = set(Assignment.objects.filter(scope__in=keys).values_list("policy", "scope"))
    rows = exclusions.in_force().filter(scope__in=keys).select_related("policy").order_by("pk")
    return [
        _left_out(row, link(row.policy))
        for row in rows
        if (row.policy_id, row.terms["assigned"]) in there
    ]


def left_out_of_policy(policy: Policy) -> list[ShownExclusion]:
    """Who is left out of a policy, the newest first; of many only some."""
    rows = exclusions.in_force().filter(policy=policy).order_by("-pk")[:MAX_LEFT_OUT]
    links = where_links(rows)
    return [
        _left_out(row, links[row.pk])._replace(words=f"is left out{ending_words(_told(row))}.")
        for row in rows
    ]


MAX_LEFT_OUT = 50
"""Maximum exclusions on the page of a policy; the list of what is in force has all of them."""


def _told(row: Instruction) -> dict[str, Any]:
    return {
        "scope": scope_of(row.scope).kind,
        "until": int(row.ends_at.timestamp()) if row.ends_at else None,
        "author": row.author_name,
        "reason": row.reason,
    }


def _left_out(row: Instruction, who: SafeString | str) -> ShownExclusion:
    lift_url = reverse("admin:authorizations_instruction_lift", args=[row.pk])
    return ShownExclusion(who, f"{left_out_words(_told(row))}.", lift_url)


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
