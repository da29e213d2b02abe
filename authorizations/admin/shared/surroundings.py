"""What stands around a decision: others of its card and authorization, and repeated deliveries."""

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
SEARCHED = 500
"""No index leads from an authorization to its decisions: so many of its card are looked at, on
each side. They are near each other, and a card with a long history stays quick."""

REPEATS = 20

_SHOWN = (
    *("id", "decided_at", "approved", "is_partial", "reason", "amount", "approved_amount"),
    *("currency", "merchant_name", "card_id", "authorization_id", "webhook_request_id"),
    "decided_by",
)


class Near(NamedTuple):
    """Another decision in one line; `is_this` is the page's own."""

    when: str
    outcome: OutcomeWords
    reason: str
    amount: str
    merchant: str
    is_this: bool


class Repeat(NamedTuple):
    """Another delivery of the same event."""

    when: str
    answer: str


def of_card(row: Decision) -> list[Near]:
    """Newest first, this one in the middle; empty where it is the only one."""
    if row.card_id is None:
        return []
    near = [*_after(row)[:NEAREST][::-1], row, *_before(row)[:NEAREST]]
    return lines(near, row) if len(near) > 1 else []


def of_authorization(row: Decision) -> list[Near]:
    """The same for the decisions of its authorization."""
    if row.authorization_id is None or row.card_id is None:
        return []
    found = _of_purchase(row.authorization_id, row)
    return lines(found, row) if len(found) > 1 else []


def decisions_of(purchase: Authorization) -> list[Decision]:
    """All decisions of an authorization, newest first, looked for around one that it counts."""
    of_card = Decision.objects.only(*_SHOWN).filter(card_id=purchase.card_id)
    counted = purchase.ledger.values_list("event_id", flat=True)[:SEARCHED]
    somewhere = of_card.filter(pk__in=list(counted)).first() or of_card.first()
    return _of_purchase(purchase.pk, somewhere) if somewhere else []


def _of_purchase(authorization_id: str, somewhere: Decision) -> list[Decision]:
    near = [*_after(somewhere)[:SEARCHED][::-1], somewhere, *_before(somewhere)[:SEARCHED]]
    return [row for row in near if row.authorization_id == authorization_id]


def other_deliveries(event_id: str, delivery_id: int, answer: str) -> dict[str, Any]:
    """Other deliveries of an event than this one, oldest first, for a page; and where all are."""
    rows = WebhookRequest.objects.filter(event_id=event_id).exclude(pk=delivery_id)
    known = rows.only("received_at", "answer_body", "event_id", "event_type").order_by("pk")
    found = [
        Repeat(
            link(row, exact_time(row.received_at)),
            "The same answer"
            if row.answer_body == answer
            else "Another answer: it was not the same question",
        )
        for row in (known[: REPEATS + 1] if event_id else ())
    ]
    all_of_them = f"?q={quote(event_id)}" if len(found) > REPEATS else ""
    return {"repeats": found[:REPEATS], "all_deliveries": all_of_them}


def only_counted(row: WebhookRequest) -> int:
    """How many deliveries of this very body are no rows, as too many came within a minute."""
    minutes = RepeatedMinute.objects.filter(request=row.repeats_id or row.pk)
    return minutes.aggregate(sum=Sum("count"))["sum"] or 0


def _of_card(row: Decision) -> QuerySet[Decision]:
    return Decision.objects.only(*_SHOWN).filter(card_id=row.card_id)


def _before(row: Decision) -> QuerySet[Decision]:
    rows = _of_card(row).filter(webhook_request_id__lt=row.webhook_request_id)
    return rows.order_by("-webhook_request_id")


def _after(row: Decision) -> QuerySet[Decision]:
    rows = _of_card(row).filter(webhook_request_id__gt=row.webhook_request_id)
    return rows.order_by("webhook_request_id")


def lines(rows: Iterable[Decision], this: Decision | None = None) -> list[Near]:
    """Each as a line of a table; `this` is the one whose page it is."""
    return [_line(row, is_this=this is not None and row.pk == this.pk) for row in rows]


def _line(row: Decision, *, is_this: bool) -> Near:
    when = exact_time(row.decided_at)
    return Near(
        when=when if is_this else link(row, when),
        outcome=outcome(row),
        reason=reason_words(row),
        amount=amount_words(row),
        merchant=row.merchant_name,
        is_this=is_this,
    )


def purchase_of(about: str) -> Authorization | None:
    """The purchase an event tells of, by its own id or by that of one of its transactions."""
    if not about:
        return None
    booked = Transaction.objects.filter(pk=about).values("booked_under")
    return Authorization.objects.filter(Q(pk=about) | Q(pk__in=booked)).only("pk").first()
