"""The timeline of a purchase: each step, and what the purchase counts for after it."""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import accumulate, islice
from typing import NamedTuple

from django.contrib.admin.utils import quote
from django.urls import reverse

from authorizations.admin.authorizations.life_events import LifeEvent
from authorizations.admin.authorizations.step_words import StepWords, step_words
from authorizations.admin.shared.times import exact_time
from authorizations.models import Authorization, LedgerEntry
from authorizations.rules.basics.money import format_money

CLOCK_GAP_S = 60
"""Stripe's time is shown beside the time of arrival if they differ by more seconds than this."""


class LifeLink(NamedTuple):
    text: str
    url: str


class StateChange(NamedTuple):
    """The change by one ledger entry, such as "+€5.00"; `url` is the entry's page."""

    why: str
    amount: str
    url: str


class LifeStep(NamedTuple):
    """One step of the timeline.

    `counts_for` is what the purchase counts for after it. `at_stripe` is the event's time at
    Stripe, if that differs much from `when`.
    """

    words: StepWords
    when: str
    at_stripe: str
    changes: list[StateChange]
    counts_for: str
    links: list[LifeLink]


def life(row: Authorization, events: Iterable[LifeEvent]) -> list[LifeStep]:
    """The steps of the timeline, in the order of `events`.

    What the purchase counted for is calculated backwards from today's figure, in the order of the
    ledger, because of two events that arrive together the later can be entered first.
    """
    events = list(events)
    entries = sorted((e for event in events for e in event.entries), key=lambda entry: entry.pk)
    counted = row.counted_amount - sum(entry.amount for entry in entries)
    sums = accumulate((entry.amount for entry in entries), initial=counted)
    after = dict(zip((entry.pk for entry in entries), islice(sums, 1, None), strict=True))

    words: StepWords | None = None
    steps = []
    for event in events:
        if event.entries:
            counted = after[event.entries[-1].pk]
        words = step_words(event, words, row.currency)
        at_stripe = ""
        if event.created is not None and abs(event.at.timestamp() - event.created) > CLOCK_GAP_S:
            at_stripe = exact_time(datetime.fromtimestamp(event.created, UTC))
        first = "Read from Stripe's API" if event.is_read else "Stripe's message"
        names = [first, *("Repeated delivery" for _ in event.deliveries[1:])]
        links = [
            LifeLink(name, _url("webhookrequest", delivery.pk))
            for name, delivery in zip(names, event.deliveries, strict=False)
        ]
        if decision := event.decision or event.stripes_decision:
            links.insert(0, LifeLink("Decision", _url("decision", decision.pk)))
        step = LifeStep(
            words=words,
            when=exact_time(event.at),
            at_stripe=at_stripe,
            changes=[_change(entry) for entry in event.entries],
            counts_for=format_money(counted, row.currency),
            links=links,
        )
        steps.append(step)
    return steps


def _change(entry: LedgerEntry) -> StateChange:
    amount, refunded = signed(entry.amount, entry.currency), entry.refunded_amount
    amounts = [amount] if entry.amount or not refunded else []
    if refunded:
        amounts.append(f"{signed(refunded, entry.currency)} refunded")
    return StateChange(
        why=entry.get_cause_display(),
        amount=", ".join(amounts),
        url=_url("ledgerentry", entry.pk),
    )


def _url(model: str, key: str | int) -> str:
    return reverse(f"admin:authorizations_{model}_change", args=[quote(key)])


def signed(amount: int, currency: str) -> str:
    """A change as money with its sign: "+€5.00"."""
    return f"{'+' if amount > 0 else ''}{format_money(amount, currency)}"
