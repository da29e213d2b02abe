"""Records related to a decision: others of its card and authorization, and repeated deliveries."""

from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import quote

from django.db.models import Q, QuerySet, Sum

from authorizations.admin.shared.links import link
from authorizations.admin.shared.outcomes import OutcomeWords, amount_words, outcome, reason_words
from authorizations.admin.shared.times import exact_time
from authorizations.models import (
    Authorization,
    Decision,
    RepeatedMinute,
    Transaction,
    WebhookRequest,
)

NEAREST = 5
"""Decisions of the card shown before and after this one."""

SEARCHED = 500
"""Decisions of the card searched before and after this one for those of its authorization.

No index leads from an authorization to its decisions. They are close together, and the bound keeps
the page of a card with a long history quick.
"""

REPEATS = 20
"""Maximum repeated deliveries shown."""

_COLUMNS = (
    *("id", "decided_at", "approved", "is_partial", "reason", "amount", "approved_amount"),
    *("currency", "merchant_name", "card_id", "authorization_id", "webhook_request_id"),
    "decided_by",
)


class DecisionLine(NamedTuple):
    """A decision as one line of a table; `is_this` marks the one whose page it is."""

    when: str
    outcome: OutcomeWords
    reason: str
    amount: str
    merchant: str
    is_this: bool


class Repeat(NamedTuple):
    """A repeated delivery of an event."""

    when: str
    answer: str


def of_card(row: Decision) -> list[DecisionLine]:
    """Decisions of the same card around this one, newest first; empty if there are no others."""
    if row.card_id is None:
        return []
    near = [*_after(row)[:NEAREST][::-1], row, *_before(row)[:NEAREST]]
    return decision_lines(near, row) if len(near) > 1 else []


def of_authorization(row: Decision) -> list[DecisionLine]:
    """Decisions of the same authorization, newest first; empty if there are no others."""
    if row.authorization_id is None or row.card_id is None:
        return []
    found = _of_purchase(row.authorization_id, row)
    return decision_lines(found, row) if len(found) > 1 else []


def decisions_of(purchase: Authorization) -> list[Decision]:
    """The decisions of an authorization, newest first."""
    of_card = Decision.objects.only(*_COLUMNS).filter(card_id=purchase.card_id)
    # The search starts at a decision that the ledger of the authorization names.
    in_ledger = purchase.ledger.values_list("event_id", flat=True)[:SEARCHED]
    start = of_card.filter(pk__in=list(in_ledger)).first() or of_card.first()
    return _of_purchase(purchase.pk, start) if start else []


def _of_purchase(authorization_id: str, start: Decision) -> list[Decision]:
    near = [*_after(start)[:SEARCHED][::-1], start, *_before(start)[:SEARCHED]]
    return [row for row in near if row.authorization_id == authorization_id]


def _before(row: Decision) -> QuerySet[Decision]:
    rows = Decision.objects.only(*_COLUMNS).filter(card_id=row.card_id)
    earlier = rows.filter(webhook_request_id__lt=row.webhook_request_id)
    return earlier.order_by("-webhook_request_id")


def _after(row: Decision) -> QuerySet[Decision]:
    rows = Decision.objects.only(*_COLUMNS).filter(card_id=row.card_id)
    later = rows.filter(webhook_request_id__gt=row.webhook_request_id)
    return later.order_by("webhook_request_id")


def decision_lines(rows: Iterable[Decision], this: Decision | None = None) -> list[DecisionLine]:
    """The decisions as lines of a table; all but `this` link to their pages."""
    lines = []
    for row in rows:
        is_this = this is not None and row.pk == this.pk
        when = exact_time(row.decided_at)
        line = DecisionLine(
            when=when if is_this else link(row, when),
            outcome=outcome(row),
            reason=reason_words(row),
            amount=amount_words(row),
            merchant=row.merchant_name,
            is_this=is_this,
        )
        lines.append(line)
    return lines


def other_deliveries(event_id: str, delivery_id: int, answer: str) -> dict[str, Any]:
    """Template context: the other deliveries of an event, oldest first.

    If there are more than REPEATS, `all_deliveries` is the query string of the list of all.
    """
    rows = WebhookRequest.objects.filter(event_id=event_id).exclude(pk=delivery_id)
    rows = rows.only("received_at", "answer_body", "event_id", "event_type").order_by("pk")
    found = [
        Repeat(
            link(row, exact_time(row.received_at)),
            "Same answer" if row.answer_body == answer else "Different answer to different content",
        )
        for row in (rows[: REPEATS + 1] if event_id else ())
    ]
    all_deliveries = f"?q={quote(event_id)}" if len(found) > REPEATS else ""
    return {"repeats": found[:REPEATS], "all_deliveries": all_deliveries}


def only_counted(row: WebhookRequest) -> int:
    """Number of deliveries of the same body that have no row, as too many came in one minute."""
    minutes = RepeatedMinute.objects.filter(request=row.repeats_id or row.pk)
    return minutes.aggregate(sum=Sum("count"))["sum"] or 0


def purchase_of(about: str) -> Authorization | None:
    """The authorization with this id, or the one that the transaction with this id belongs to."""
    if not about:
        return None
    booked = Transaction.objects.filter(pk=about).values("booked_under")
    return Authorization.objects.filter(Q(pk=about) | Q(pk__in=booked)).only("pk").first()
