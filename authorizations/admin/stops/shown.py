"""What holds for a card, cardholder, group or policy, on its page: sentences with their undoing."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from django.db.models import F, Model, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from authorizations.admin.shared.limit_bars import OwnAmounts, ShownInstruction
from authorizations.admin.shared.links import link
from authorizations.admin.shared.named_limits import NamedLimits
from authorizations.admin.stops.state import sentence
from authorizations.admin.stops.words import (
    lift_url,
    limits_of,
    own_figure_words,
    said,
    state_badge,
    undoing,
    used_link,
    what_words,
    where_links,
)
from authorizations.models import Assignment, Card, Instruction, Policy, PotSum
from authorizations.rules.basics.controls import Interval, scope_of
from authorizations.rules.basics.money import format_money
from authorizations.rules.wording.stop_words import LEFT_OUT, WHERE
from authorizations.services.policies.own_amounts import limits_of as limits_in_force
from authorizations.services.policies.stops import IS_OVER, open_ones

_MAX_OTHERS = 20
"""Maximum instructions on a page that are not of one of its limits."""

_MAX_ENDED = 3
"""Maximum exceptions on the page of a card that have been used, withdrawn or have run out."""

MAX_OF_POLICY = 3
"""Maximum instructions of a kind, and pots, on the page of a policy."""

_OF_ONE_CARD = {Instruction.Kind.FREEZE, Instruction.Kind.EXCEPTION}
"""Kinds that hold for a card itself and not for the chain of cards that replace each other."""

_SOONEST = (F("ends_at").asc(nulls_last=True), "-pk")


class InForceHere(NamedTuple):
    """What holds for what a page is about.

    `freezes` stop every purchase; `own` stand beside the bars of their limits; `others` are the
    rest. `ended` are exceptions that let through nothing any more.
    """

    freezes: list[ShownInstruction]
    own: OwnAmounts
    others: list[ShownInstruction]
    ended: list[ShownInstruction]


class OfPolicy(NamedTuple):
    """The first of what cards, cardholders and groups have of their own in a policy.

    `number` is how many there are in all, `url` the address of a list of them.
    """

    title: str
    first: list[ShownInstruction]
    number: int
    url: str


def keys_of_card(card: Card) -> list[str]:
    """The keys of the scopes that a card is in now, the card alone and its chain included."""
    keys = ["program:", f"card:{card.pk}"]
    if card.root_id != card.pk:
        keys.append(f"card:{card.root_id}")
    if card.cardholder_id:
        keys.append(f"cardholder:{card.cardholder_id}")
    if group := card.root.group_id:
        keys.append(f"group:{group}")
    return keys


def of_chain_alone(card: Card) -> Q:
    """The condition on what is of the chain's first card alone, and not of this one."""
    is_root = card.root_id == card.pk
    key = "" if is_root else f"card:{card.root_id}"
    return Q(scope=key, kind__in=_OF_ONE_CARD)


def here(page: Model, keys: Sequence[str], bars: Iterable[tuple[int, str]] = ()) -> InForceHere:
    """What holds, or will, in the scopes with these keys, the soonest to end first.

    `bars` are the limits that the page shows, each by its policy's id and its key.
    """
    open_here = open_ones().filter(open__scope__in=keys).select_related("policy")
    rows = [row for row in open_here.order_by(*_SOONEST) if _is_about(row, page)]
    if any(row.kind == Instruction.Kind.EXCLUSION for row in rows):
        assigned = set(Assignment.objects.filter(scope__in=keys).values_list("policy", "scope"))
        rows = [
            row
            for row in rows
            if row.kind != Instruction.Kind.EXCLUSION
            or (row.policy_id, row.terms["assigned"]) in assigned
        ]
    ended = _ended_exceptions(page) if isinstance(page, Card) else []
    limits, shown_bars = limits_of([*rows, *ended]), set(bars)
    freezes, others = [], []
    own: dict[tuple[int, str], list[ShownInstruction]] = defaultdict(list)
    for row in rows:
        limit = (row.policy_id or 0, row.terms.get("limit", ""))
        if row.kind == Instruction.Kind.FREEZE:
            freezes.append(_shown(row, sentence(row), page))
        elif row.kind == Instruction.Kind.OVERRIDE and limit in shown_bars:
            own[limit].append(_shown(row, _own_words(row, limits), page))
        else:
            others.append(_shown(row, _words(row, limits), page))
    if len(others) > _MAX_OTHERS:
        more = ShownInstruction(f"And {len(others) - _MAX_OTHERS:,} more.")
        others = [*others[:_MAX_OTHERS], more]
    now = timezone.now()
    over = [
        ShownInstruction(
            format_html(
                "{} {} {}",
                state_badge(row, limits, now),
                used_link(row),
                link(row, what_words(row, limits)),
            )
        )
        for row in ended
    ]
    return InForceHere(freezes, own, others, over)


def of_policy(policy: Policy) -> list[OfPolicy]:
    """Who has own amounts or funds in a policy, and who is left out of it.

    Of each the first few, the soonest to end first; nothing where there are none.
    """
    found = []
    url = reverse("admin:authorizations_instruction_changelist")
    for kind, title in _OF_POLICY.items():
        rows = open_ones().filter(policy=policy, kind=kind).select_related("policy")
        first = list(rows.order_by(*_SOONEST)[:MAX_OF_POLICY])
        if first:
            links, limits = where_links(first), limits_of(first)
            shown = [
                _shown(row, format_html("{} {}", links[row.pk], _who_words(row, limits)), policy)
                for row in first
            ]
            query = urlencode({"kind": kind.value, "policy": policy.pk})
            found.append(OfPolicy(title, shown, rows.count(), f"{url}?{query}"))
    if any(limit.interval is Interval.FUNDS for limit in limits_in_force(policy)):
        pots = PotSum.objects.filter(policy=policy)
        if some := list(pots.order_by("-pk")[:MAX_OF_POLICY]):
            links = where_links(some)
            shown = [
                ShownInstruction(
                    format_html(
                        "{} has got {}.", links[pot.pk], format_money(pot.amount, pot.currency)
                    )
                )
                for pot in some
            ]
            url = f"{reverse('admin:authorizations_fundentry_changelist')}?policy={policy.pk}"
            found.append(OfPolicy("Funds", shown, pots.count(), url))
    return found


_OF_POLICY = {
    Instruction.Kind.OVERRIDE: "Own amounts",
    Instruction.Kind.EXCLUSION: "Left out",
}


def _is_about(row: Instruction, page: Model) -> bool:
    """Whether it holds on this page: a freeze and an exception are of a card, not of its chain."""
    is_card = isinstance(page, Card) and row.scope.startswith("card:")
    return not (row.kind in _OF_ONE_CARD and is_card) or row.scope == f"card:{page.pk}"


def _ended_exceptions(card: Card) -> list[Instruction]:
    """The latest that let through nothing any more."""
    exceptions = Instruction.objects.filter(
        kind=Instruction.Kind.EXCEPTION, scope=f"card:{card.pk}"
    )
    over = exceptions.filter(IS_OVER).select_related("lifting", "use")
    return list(over.order_by("-pk")[:_MAX_ENDED])


def _shown(row: Instruction, words: SafeString | str, page: Model) -> ShownInstruction:
    return ShownInstruction(words, undoing(row), lift_url(row, page))


def _words(row: Instruction, limits: NamedLimits) -> SafeString | str:
    """What is not of a limit of the page, in a sentence."""
    if row.kind == Instruction.Kind.BLOCK:
        return sentence(row)
    if row.kind == Instruction.Kind.EXCLUSION:
        who = LEFT_OUT[scope_of(row.scope).kind]
        return format_html("{} does not apply: {}{}.", link(row.policy), who, said(row))
    if row.kind == Instruction.Kind.OVERRIDE:
        return format_html("{}: {}", link(row.policy), _own_words(row, limits))
    return format_html("{}{}.", link(row, what_words(row, limits)), said(row))


def _own_words(row: Instruction, limits: NamedLimits) -> str:
    """ "€800.00 instead of €500.00 a month for this card until 30 Nov 2026 (ada: trip)." """
    whom = WHERE[scope_of(row.scope).kind]
    return f"{own_figure_words(row, limits)}, {whom}{said(row)}."


def _who_words(row: Instruction, limits: NamedLimits) -> str:
    """The rest of a sentence that begins with whom it is about."""
    if row.kind == Instruction.Kind.EXCLUSION:
        return f"is left out{said(row)}."
    return f"has {own_figure_words(row, limits)}{said(row)}."
