"""The page of a finding: what happened, the amount concerned, what was done and what to do."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from authorizations.admin.authorizations.purchase_state import is_lone
from authorizations.admin.concurrent.watched import person
from authorizations.admin.findings.handling import NoteForm
from authorizations.admin.shared.explained import readable
from authorizations.admin.shared.facts import Facts, nonempty
from authorizations.admin.shared.links import card_words, link, link_or_id, parent
from authorizations.admin.shared.times import exact_time
from authorizations.models import (
    Decision,
    Finding,
    FindingChange,
    FindingWindow,
    LedgerEntry,
    WebhookRequest,
)
from authorizations.rules.basics.clocks import FOREVER
from authorizations.rules.basics.money import format_money
from authorizations.rules.purchases.books import AuthorizationState
from authorizations.rules.wording.findings import FINDING_TEXTS, FindingKind
from authorizations.rules.wording.sentences import limit_words
from authorizations.services.purchases.limit_findings import figures_of
from authorizations.services.runtime import codec
from authorizations.services.runtime.actor import user_words

_OF_REQUEST = re.compile("request ([0-9]{1,6})")


class FindingLine(NamedTuple):
    """One change of a finding: when, what, by whom or which event, with a note or sentence."""

    at: str
    what: str
    amount: str
    by: str
    words: str


class Resolution(NamedTuple):
    """When a finding was resolved, and by which event or whose adjustment.

    `entry` links to the ledger entry; it is empty if the amount counted did not change.
    """

    at: str
    by: str
    entry: str


class ExceededLimit(NamedTuple):
    words: str
    version: str
    window: str


def finding_page(row: Finding) -> dict[str, Any]:
    """The template's context."""
    advice = ""
    if row.kind in set(FindingKind) and row.state != Finding.State.GONE:
        advice = FINDING_TEXTS[FindingKind(row.kind)].advice
    windows = row.windows.select_related("version__policy")
    return {
        "amount": format_money(row.amount, row.currency),
        "advice": advice,
        "is_open": row.state == Finding.State.OPEN,
        "purchase": _purchase_facts(row),
        "resolution": _resolution(row),
        "changes": _change_lines(row),
        "limits": [
            ExceededLimit(
                limit_words(figures_of(window)),
                link(parent(window, "version")),
                window_words(window),
            )
            for window in windows
        ],
        "form": NoteForm(),
    }


def _purchase_facts(row: Finding) -> Facts:
    purchase = parent(row, "authorization")
    # The decision on the request the finding is about, or else on the first request.
    decision: Decision | None = None
    state = readable(lambda: codec.value(AuthorizationState, purchase.books)) if purchase else None
    if state is not None:
        about = _OF_REQUEST.fullmatch(row.subject)
        response = state.answer_to(int(about[1]) if about else 0)
        if response:
            decision = Decision.objects.filter(pk=response.event_id).only("decided_at").first()
    event = _first_delivery(row.event_id)
    what = "Transaction" if purchase and is_lone(purchase) else "Authorization"
    return nonempty(
        {
            what: link_or_id(row, "authorization"),
            "Merchant": purchase.merchant_name if purchase else "",
            "Card": link_or_id(row, "card", card_words),
            "Decision": link(decision, exact_time(decision.decided_at)) if decision else "",
            "Stripe's message": link(event, "As it was received") if event else "",
            "Found": exact_time(row.found_at),
        }
    )


def _first_delivery(event_id: str) -> WebhookRequest | None:
    if not event_id:
        return None
    return WebhookRequest.objects.filter(event_id=event_id).order_by("pk").only("pk").first()


def _change_lines(row: Finding) -> list[FindingLine]:
    """The changes of the finding, oldest first."""
    changes = list(row.changes.select_related("author"))
    event_ids = {change.event_id for change in changes} - {""}
    deliveries = WebhookRequest.objects.filter(event_id__in=event_ids).order_by("-pk")
    first = {delivery.event_id: delivery for delivery in deliveries.only("event_id")}
    lines = []
    for change in changes:
        author = change.author and person(change.author)
        event = first.get(change.event_id)
        line = FindingLine(
            at=exact_time(change.at),
            what=change.get_what_display(),
            amount=format_money(change.amount, row.currency),
            by=author or (link(event, "Stripe's message") if event else change.event_id),
            # The current sentence is at the top of the page.
            words=change.note
            or (change.description if change.description != row.description else ""),
        )
        lines.append(line)
    return lines


def _resolution(row: Finding) -> Resolution | None:
    """How the finding was resolved; None if it was not."""
    change = row.changes.filter(what=FindingChange.What.GONE).select_related("author").last()
    if row.state != Finding.State.GONE or change is None:
        return None
    # The entry was written together with the change; no column links the two.
    moment = timedelta(minutes=1)
    entries = LedgerEntry.objects.filter(
        entered_at__range=(change.at - moment, change.at + moment),
        event_id=change.event_id,
        author=user_words(change.author) if change.author else "",
    )
    nearest = min(
        entries, key=lambda entry: (abs(entry.entered_at - change.at), -entry.pk), default=None
    )
    event = _first_delivery(change.event_id)
    by_event = link(event, "a message from Stripe") if event else f"the event {change.event_id}"
    return Resolution(
        at=exact_time(change.at),
        by=person(change.author) if change.author else by_event,
        entry=link(nearest, "See the ledger entry") if nearest else "",
    )


def window_words(window: FindingWindow) -> str:
    """ "18 Nov 2026, 00:00:00 UTC to 19 Nov 2026, 00:00:00 UTC"; either end can be open."""
    start, end = window.window_start, window.window_end
    since = exact_time(datetime.fromtimestamp(start, UTC)) if start > 0 else "The beginning"
    until = exact_time(datetime.fromtimestamp(end, UTC)) if end < FOREVER else "no end"
    return f"{since} to {until}"
