"""Loads purchases with all rows about them, in the order of writing, many at once."""

from collections import defaultdict
from collections.abc import Sequence
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
    """A purchase with its rows.

    `decisions` are the desk's, by the id of their webhook request. `waiting` are the ids of events
    not applied yet. `is_in_order` says whether everything was applied in the order of writing.
    """

    row: Authorization
    requests: list[WebhookRequest] = field(default_factory=list)
    decisions: dict[int, Decision] = field(default_factory=dict)
    entries: list[LedgerEntry] = field(default_factory=list)
    transactions: list[Transaction] = field(default_factory=list)
    waiting: set[str] = field(default_factory=set)
    is_in_order: bool = True

    @property
    def subjects(self) -> set[str]:
        """The ids that events about the purchase, and about its transactions, are filed under."""
        found = {self.row.pk}
        for row in self.transactions:
            found |= {row.pk, row.linked}
        return found - {""}

    @property
    def decided_events(self) -> set[str]:
        """The ids of the events that its decisions answer, from its books and its ledger."""
        recorded = self.row.books.get("answers") or ()
        found = {answers.event_of(answer["event_id"]) for answer in recorded}
        return found | {entry.event_id for entry in self.entries if entry.cause in BY_DECISION}


def lives_of(ids: Sequence[str]) -> list[Life]:
    """Load these purchases with their rows, as of one moment."""
    is_first = not connection.in_atomic_block
    connection.ensure_connection()
    with transaction.atomic():
        if is_first:
            # By the session itself, as nothing may come before it: with a cursor of Django's the
            # setting that attributes changes would. Nothing is changed here.
            with connection.wrap_database_errors:
                connection.connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        lives = {row.pk: Life(row) for row in Authorization.objects.filter(pk__in=ids)}
        for entry in LedgerEntry.objects.filter(authorization_id__in=lives).order_by("pk"):
            lives[entry.authorization_id].entries.append(entry)
        for row in Transaction.objects.filter(booked_under__in=lives):
            lives[row.booked_under].transactions.append(row)
        _note_moved_transactions(lives)
        _add_requests(lives)
    return list(lives.values())


def _note_moved_transactions(lives: dict[str, Life]) -> None:
    """Set `is_in_order`: a transaction that comes before its purchase is moved there later."""
    ids = [row.pk for life in lives.values() for row in life.transactions]
    alone = set(Authorization.objects.filter(pk__in=ids).values_list("pk", flat=True))
    for life in lives.values():
        moved_in = any(row.pk in alone - {life.row.pk} for row in life.transactions)
        moved_out = any(entry.cause == LedgerCause.MOVED for entry in life.entries)
        life.is_in_order = not (moved_in or moved_out)


def _add_requests(lives: dict[str, Life]) -> None:
    """Add the webhook requests about these purchases, and the desk's decisions on them."""
    by_subject: dict[str, list[Life]] = defaultdict(list)
    decided_events: set[str] = set()
    for life in lives.values():
        decided_events |= life.decided_events
        for key in life.subjects:
            by_subject[key].append(life)
    rows = WebhookRequest.objects.filter(Q(about__in=by_subject) | Q(event_id__in=decided_events))
    requests = {row.pk: row for row in rows.select_related("repeats").order_by("pk")}
    decisions = Decision.objects.filter(
        webhook_request_id__in=requests, decided_by=DecidedBy.DESK, authorization_id__in=lives
    )
    for decision in decisions:
        lives[decision.authorization_id or ""].decisions[decision.webhook_request_id] = decision
    event_ids = {row.event_id for row in requests.values()}
    unapplied = UnappliedEvent.objects.filter(pk__in=event_ids).values_list("pk", "applied_at")
    applied_at = dict(unapplied)
    decided = {pk: life for life in lives.values() for pk in life.decisions}
    for pk, request in requests.items():
        for life in [decided[pk]] if pk in decided else by_subject[request.about]:
            life.requests.append(request)
            if request.event_id in applied_at:
                life.is_in_order = False
                if applied_at[request.event_id] is None:
                    life.waiting.add(request.event_id)
