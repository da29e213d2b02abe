"""Purchases with all that was written of them, in the order of writing; many read at once."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.db import connection, transaction
from django.db.models import Q

from authorizations.models import (
    Authorization,
    DecidedBy,
    Decision,
    LedgerCause,
    LedgerEntry,
    Transaction,
    UnappliedEvent,
    WebhookRequest,
)
from authorizations.models.ledger import AFTER_DECIDING
from authorizations.services.store import answers

BY_DECISION = {*AFTER_DECIDING, LedgerCause.REASKED}
"""The causes of entries that follow from a decision."""


@dataclass(slots=True)
class Life:
    """A purchase; `decisions` are ours by the request that asked for them.

    `waiting` are the events that are not applied yet. `is_in_order`: whether all was applied in
    the order of its writing.
    """

    row: Authorization
    requests: list[WebhookRequest] = field(default_factory=list)
    decisions: dict[int, Decision] = field(default_factory=dict)
    entries: list[LedgerEntry] = field(default_factory=list)
    transactions: list[Transaction] = field(default_factory=list)
    waiting: set[str] = field(default_factory=set)
    is_in_order: bool = True

    @property
    def told_under(self) -> set[str]:
        """What events about it, and about its transactions, say that they are about."""
        found = {self.row.pk}
        for row in self.transactions:
            found |= {row.pk, row.linked}
        return found - {""}

    @property
    def asked_by(self) -> set[str]:
        """The events that asked for its decisions, after its books and its ledger."""
        kept = self.row.books.get("answers") or ()
        found = {answers.event_of(answer["event_id"]) for answer in kept}
        return found | {entry.event_id for entry in self.entries if entry.cause in BY_DECISION}


def lives_of(ids: Sequence[str]) -> list[Life]:
    """What is known of these purchases, at one moment."""
    with _one_moment():
        lives = {row.pk: Life(row) for row in Authorization.objects.filter(pk__in=ids)}
        for entry in LedgerEntry.objects.filter(authorization_id__in=lives).order_by("pk"):
            lives[entry.authorization_id].entries.append(entry)
        for row in Transaction.objects.filter(booked_under__in=lives):
            lives[row.booked_under].transactions.append(row)
        _note_moved(lives)
        _fill(lives)
    return list(lives.values())


@contextmanager
def _one_moment() -> Iterator[None]:
    """All that is read within shows one state of the database."""
    is_first = not connection.in_atomic_block
    with transaction.atomic():
        if is_first:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


def _note_moved(lives: dict[str, Life]) -> None:
    """A transaction that came before its purchase stood for itself, until that was heard of."""
    ids = [row.pk for life in lives.values() for row in life.transactions]
    alone = set(Authorization.objects.filter(pk__in=ids).values_list("pk", flat=True))
    for life in lives.values():
        was_alone = any(row.pk in alone - {life.row.pk} for row in life.transactions)
        is_left = any(entry.cause == LedgerCause.MOVED for entry in life.entries)
        life.is_in_order = not (was_alone or is_left)


def _fill(lives: dict[str, Life]) -> None:
    """With requests, and the decisions made upon them."""
    told_under: dict[str, list[Life]] = defaultdict(list)
    asked_by: set[str] = set()
    for life in lives.values():
        asked_by |= life.asked_by
        for key in life.told_under:
            told_under[key].append(life)
    rows = WebhookRequest.objects.filter(Q(about__in=told_under) | Q(event_id__in=asked_by))
    requests = {row.pk: row for row in rows.select_related("repeats").order_by("pk")}
    decisions = Decision.objects.filter(
        webhook_request_id__in=requests, decided_by=DecidedBy.DESK, authorization_id__in=lives
    )
    for decision in decisions:
        lives[decision.authorization_id or ""].decisions[decision.webhook_request_id] = decision
    named = {row.event_id for row in requests.values()}
    unapplied = UnappliedEvent.objects.filter(pk__in=named).values_list("pk", "applied_at")
    applied_at = dict(unapplied)
    asked = {pk: life for life in lives.values() for pk in life.decisions}
    for pk, request in requests.items():
        for life in [asked[pk]] if pk in asked else told_under[request.about]:
            life.requests.append(request)
            if request.event_id in applied_at:
                life.is_in_order = False
                if applied_at[request.event_id] is None:
                    life.waiting.add(request.event_id)
