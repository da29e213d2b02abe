"""Limits as bars, policy by policy: amount used, amount available, and when the limit resets."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeAlias
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from authorizations.admin.shared.links import leaving_out_url
from authorizations.rules.basics.controls import (
    Interval,
    ScopeKind,
    reaches,
    scope_key,
    scope_of,
)
from authorizations.rules.basics.words import counting_words, whose_words
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.values import LimitFigures
from authorizations.rules.wording.remaining import (
    Level,
    available_words,
    level,
    percent_used,
    return_words,
    used_words,
)
from authorizations.rules.wording.sentences import limit_words, own_words
from authorizations.services.queries.remaining import LimitLeft, PolicyLeft

_TONES = {
    Level.OPEN: "approved",
    Level.LOW: "partial",
    Level.USED_UP: "declined",
    Level.OVER: "declined",
}

PeriodWords = Callable[[LimitFigures, int], str]
"""Words about the time of a limit, from its figures and an instant in Unix seconds."""


class ShownInstruction(NamedTuple):
    """What an operator has instructed, in a sentence, and what undoes it.

    `verb` and `undo_url` are empty once it is over.
    """

    words: SafeString | str
    verb: str = ""
    undo_url: str = ""


OwnAmounts: TypeAlias = Mapping[tuple[int, str], Sequence[ShownInstruction]]
"""The own amounts of limits, each limit by its policy's id and its key."""


class LimitBar(NamedTuple):
    """One limit. If there is no bar to draw, `level` is empty and `note` says why.

    `own_amounts` are those of what the page is about, now or later; elsewhere `own` says whose
    amount it is, if not the policy's. `own_url` is where one is set, or where money is added to
    funds.
    """

    title: str
    tone: str = ""
    level: str = ""
    percent: int = 0
    used: str = ""
    available: str = ""
    period: str = ""
    note: str = ""
    own: str = ""
    own_amounts: Sequence[ShownInstruction] = ()
    own_url: str = ""
    is_funds: bool = False


class PolicyBars(NamedTuple):
    """A policy, the scope through which it applies, and its limits.

    `leave_out_url` is where what the page is about can be left out of it, if it can.
    """

    name: str
    url: str
    version: str
    version_url: str
    through: str
    bars: list[LimitBar]
    leave_out_url: str = ""


def policy_bars(
    policies: Iterable[PolicyLeft],
    at: int,
    *,
    through: Mapping[ScopeKind, str],
    currency: str = "",
    period_words: PeriodWords = return_words,
    scope: str = "",
    own_amounts: OwnAmounts = MappingProxyType({}),
) -> list[PolicyBars]:
    """The limits of `policies` as measured at `at`, in Unix seconds.

    `through` names what they are assigned to. `currency` is the card's; others are marked.
    `period_words` says when a limit resets, or which time its figures cover. `scope` is the key of
    what the page is about, which can have an amount of its own; `own_amounts` are those in force.
    """
    return [
        PolicyBars(
            name=left.policy.controls.name,
            url=_url("policy", left.policy_id),
            version=f"Version {left.policy.number}",
            version_url=_url("policyversion", left.policy.version_id),
            through=_through(left.policy, through[left.policy.scope.kind]),
            bars=[
                _limit_bar(limit, at, currency, period_words)._replace(
                    own="" if scope else own_words(limit.figures).strip(),
                    own_amounts=own_amounts.get((left.policy_id, key), ()),
                    own_url=own_url,
                    is_funds=limit.figures.interval is Interval.FUNDS,
                )
                for limit, (key, own_url) in zip(left.limits, _own_urls(left, scope), strict=True)
            ],
            leave_out_url=_leave_out_url(left, scope),
        )
        for left in policies
    ]


_SHARED = {
    ScopeKind.CARDHOLDER: "all cards together",
    ScopeKind.GROUP: "one budget shared by its cards",
    ScopeKind.PROGRAM: "each measured on its own",
}


def _through(policy: AppliedControls, name: str) -> str:
    """ "Field team, each card's own"."""
    words = whose_words(policy.scope.kind, policy.each) or _SHARED.get(policy.scope.kind)
    return format_html("{}, {}", name, words) if words else name


def limits_with_bars(policies: Iterable[PolicyLeft]) -> set[tuple[int, str]]:
    """The limits that have bars, each by its policy's id and its key."""
    return {
        (left.policy_id, limit.key)
        for left in policies
        for limit in left.policy.controls.limits[: len(left.limits)]
    }


def _own_urls(left: PolicyLeft, scope: str) -> list[tuple[str, str]]:
    """The key of each limit, and where it can be given an own amount or funds for a scope.

    The address is empty where the limit measures others.
    """
    measured = left.policy.measured
    own, funds = (
        reverse(f"admin:authorizations_{page}") for page in ("instruction_own", "fundentry_enter")
    )
    reached = bool(scope) and reaches(scope_of(scope).kind, measured.kind)
    urls = []
    # Those on attempts come last, and are on the page of a card alone.
    limits = left.policy.controls.limits[: len(left.limits)]
    for limit, its in zip(limits, left.limits, strict=True):
        about = {"scope": scope, "policy": left.policy_id, "limit": limit.key}
        if limit.interval is not Interval.FUNDS:
            url = f"{own}?{urlencode(about)}" if reached else ""
        elif scope and its.each is None:  # whose pot it is depends on the card otherwise
            url = f"{funds}?{urlencode(about | {'scope': scope_key(measured)})}"
        else:
            url = ""
        urls.append((limit.key, url))
    return urls


def _leave_out_url(left: PolicyLeft, scope: str) -> str:
    assigned = left.policy.scope
    if not scope or assigned.kind in (ScopeKind.CARD, scope_of(scope).kind):
        return ""
    kind, id_ = scope_of(scope)
    return leaving_out_url(left.policy_id, scope_key(assigned), **{kind.value: id_})


def _url(model: str, pk: int) -> str:
    return reverse(f"admin:authorizations_{model}_change", args=[pk])


def _limit_bar(left: LimitLeft, at: int, currency: str, period_words: PeriodWords) -> LimitBar:
    figures, title = left.figures, limit_words(left.figures)
    other_currency = ""
    if figures.currency and currency and figures.currency != currency:
        other_currency = (
            f"For purchases in {figures.currency.upper()} only; this card pays in "
            f"{currency.upper()}."
        )
    if figures.interval is Interval.PER_AUTHORIZATION:
        note = f"{other_currency} Each purchase is measured on its own.".strip()
        return LimitBar(title, note=note)
    if left.each:
        note = f"{whose_words(ScopeKind.GROUP, left.each).capitalize()}: their pages show it."
        return LimitBar(title, note=note)
    if left.counting:
        note = "Until then, purchases that this limit applies to are declined."
        return LimitBar(title, note=f"{counting_words(*left.counting)} {note}")
    if not left.is_measured:
        note = "Adding up took too long just now. Open this page again in a moment."
        return LimitBar(title, note=note)
    if other_currency:
        note = f"{other_currency} {used_words(figures)}, {available_words(figures)}."
        return LimitBar(title, note=note)
    found = level(figures)
    return LimitBar(
        title=title,
        tone=_TONES[found],
        level=found.value,
        percent=percent_used(figures),
        used=used_words(figures),
        available=available_words(figures),
        period=period_words(figures, at),
    )
