"""Limits as bars: what is used, what is left and when there is room again, policy by policy."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from django.urls import reverse

from authorizations.rules.basics.controls import Interval, ScopeKind
from authorizations.rules.basics.words import counting_words
from authorizations.rules.decision.values import LimitFigures
from authorizations.rules.wording.left import (
    Level,
    level,
    percent_used,
    return_words,
    room_words,
    used_words,
)
from authorizations.rules.wording.sentences import limit_words
from authorizations.services.queries.remaining import LimitLeft, PolicyLeft

_TONES = {
    Level.OPEN: "approved",
    Level.LOW: "partial",
    Level.USED_UP: "declined",
    Level.OVER: "declined",
}


When = Callable[[LimitFigures, int], str]


class LimitBar(NamedTuple):
    """One limit; `used` is empty where there is nothing to draw, and `note` says why."""

    title: str
    tone: str = ""
    level: str = ""
    percent: int = 0
    used: str = ""
    room: str = ""
    back: str = ""
    note: str = ""


class PolicyBars(NamedTuple):
    """A policy, through which scope it applies, and its limits."""

    name: str
    url: str
    version: str
    version_url: str
    through: str
    bars: list[LimitBar]


def policy_bars(
    policies: Iterable[PolicyLeft],
    at: int,
    *,
    through: Mapping[ScopeKind, str],
    currency: str = "",
    when: When = return_words,
) -> list[PolicyBars]:
    """`through` names the scopes; limits in another currency than the card's are marked.

    `when` says of a limit's figures and `at` when there is room again, or of which time they are.
    """
    return [
        PolicyBars(
            name=left.policy.controls.name,
            url=_url("policy", left.policy_id),
            version=f"Version {left.policy.number}",
            version_url=_url("policyversion", left.policy.version_id),
            through=through[left.policy.scope.kind],
            bars=[_bar(limit, at, currency, when) for limit in left.limits],
        )
        for left in policies
    ]


def _url(model: str, pk: int) -> str:
    return reverse(f"admin:authorizations_{model}_change", args=[pk])


def _bar(left: LimitLeft, at: int, currency: str, when: When) -> LimitBar:
    figures, title = left.figures, limit_words(left.figures)
    if figures.interval is Interval.PER_AUTHORIZATION:
        each = "Each purchase is measured on its own."
        return LimitBar(title, note=f"{_elsewhere(figures.currency, currency)} {each}".strip())
    if left.counting:
        note = "Until then the purchases it concerns are declined."
        return LimitBar(title, note=f"{counting_words(*left.counting)} {note}")
    if not left.is_measured:
        note = "Adding up took too long just now. Open this page again in a moment."
        return LimitBar(title, note=note)
    if elsewhere := _elsewhere(figures.currency, currency):
        note = f"{elsewhere} {used_words(figures)}, {room_words(figures)}."
        return LimitBar(title, note=note)
    found = level(figures)
    return LimitBar(
        title=title,
        tone=_TONES[found],
        level=found.value,
        percent=percent_used(figures),
        used=used_words(figures),
        room=room_words(figures),
        back=when(figures, at),
    )


def _elsewhere(limited: str, paid: str) -> str:
    """Marks a limit that purchases of the card can't reach."""
    if not limited or not paid or limited == paid:
        return ""
    return f"For purchases in {limited.upper()} only; this card pays in {paid.upper()}."
