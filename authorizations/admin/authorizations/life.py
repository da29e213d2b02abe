"""The life of a purchase as a timeline: each step, and what the purchase counts for after it."""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import accumulate, islice
from typing import NamedTuple

from django.contrib.admin.utils import quote
from django.urls import reverse

from authorizations.admin.authorizations.happenings import Happening
from authorizations.admin.authorizations.step_words import StepWords, step_told
from authorizations.admin.shared.times import exact_time
from authorizations.models import Authorization, LedgerEntry
from authorizations.rules.basics.money import format_money

MUCH_S = 60
"""Where Stripe's time differs by more from ours, both are told."""


class LifeLink(NamedTuple):
    text: str
    url: str


class StateChange(NamedTuple):
    """What one entry of the ledger changed: "+€5.00"; `url` leads to it."""

    why: str
    amount: str
    url: str


class LifeStep(NamedTuple):
    """`counts_for` is what the purchase counts for after it; `at_stripe` is set where it differs
    much from `when`.
    """

    told: StepWords
    when: str
    at_stripe: str
    changes: list[StateChange]
    counts_for: str
    links: list[LifeLink]


def life(row: Authorization, happened: Iterable[Happening]) -> list[LifeStep]:
    """The steps of what happened, in its order.

    What it counted for is reckoned back from today's figure in the order of the ledger: of two
    events that came at once, the later can have been booked first.
    """
    found = list(happened)
    entries = sorted((e for one in found for e in one.entries), key=lambda entry: entry.pk)
    counted = row.counted_amount - sum(entry.amount for entry in entries)
    sums = accumulate((entry.amount for entry in entries), initial=counted)
    after = dict(zip((entry.pk for entry in entries), islice(sums, 1, None), strict=True))
    told: StepWords | None = None
    steps = []
    for one in found:
        counted = after[one.entries[-1].pk] if one.entries else counted
        told = step_told(one, told, row.currency)
        steps.append(_step(one, told, counted, row.currency))
    return steps


def _step(one: Happening, told: StepWords, counted: int, currency: str) -> LifeStep:
    return LifeStep(
        told=told,
        when=exact_time(one.at),
        at_stripe=_at_stripe(one),
        changes=[_change(entry) for entry in one.entries],
        counts_for=format_money(counted, currency),
        links=_links(one),
    )


def _at_stripe(one: Happening) -> str:
    if one.told_at is None or abs(one.at.timestamp() - one.told_at) <= MUCH_S:
        return ""
    return exact_time(datetime.fromtimestamp(one.told_at, UTC))


def _change(entry: LedgerEntry) -> StateChange:
    return StateChange(
        why=entry.get_cause_display(),
        amount=_changed_by(entry),
        url=_url("ledgerentry", entry.pk),
    )


def _changed_by(entry: LedgerEntry) -> str:
    """ "+€5.00", "+€5.00 refunded", or both."""
    amount, refunded = signed(entry.amount, entry.currency), entry.refunded_amount
    words = [amount] if entry.amount or not refunded else []
    if refunded:
        words.append(f"{signed(refunded, entry.currency)} refunded")
    return ", ".join(words)


def _links(one: Happening) -> list[LifeLink]:
    links = []
    if decision := one.decision or one.stripes_decision:
        links.append(LifeLink("Decision", _url("decision", decision.pk)))
    came = "As it was read" if one.is_read else "Event as it came"
    names = [came, *("Came again" for _ in one.deliveries[1:])]
    links += [
        LifeLink(name, _url("webhookrequest", delivery.pk))
        for name, delivery in zip(names, one.deliveries, strict=False)
    ]
    return links


def _url(model: str, key: str | int) -> str:
    return reverse(f"admin:authorizations_{model}_change", args=[quote(key)])


def signed(amount: int, currency: str) -> str:
    """ "+€5.00", for what is a change."""
    return f"{'+' if amount > 0 else ''}{format_money(amount, currency)}"
