"""The page of a finding: what happened, the money at stake, what was done, what to do."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.utils.safestring import SafeString

from authorizations.admin.authorizations.standing import is_lone
from authorizations.admin.concurrent.watched import person
from authorizations.admin.findings.seeing import NoteForm
from authorizations.admin.shared.explained import readable
from authorizations.admin.shared.facts import Facts, told
from authorizations.admin.shared.links import card_words, known_or_id, link, parent
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
    """What became of it once: when, by whom or which event, and what is to be said of it."""

    at: str
    what: str
    amount: str
    by: str
    words: str


class Ended(NamedTuple):
    """When it ceased to be so, by which event or whose adjustment, and the entry of the ledger;
    there is none where what counts stayed the same.
    """

    at: str
    by: str
    entry: str


class Limit(NamedTuple):
    """A limit that was exceeded."""

    words: str
    version: str
    window: str


def finding_page(row: Finding) -> dict[str, Any]:
    known, is_gone = row.kind in set(FindingKind), row.state == Finding.State.GONE
    return {
        "amount": format_money(row.amount, row.currency),
        "advice": FINDING_TEXTS[FindingKind(row.kind)].advice if known and not is_gone else "",
        "is_open": row.state == Finding.State.OPEN,
        "concerning": _concerning(row),
        "ended": _ended(row),
        "changes": _changes(row),
        "limits": _limits(row),
        "form": NoteForm(),
    }


def _concerning(row: Finding) -> Facts:
    purchase = parent(row, "authorization")
    decision = _decision(row)
    request = WebhookRequest.objects.filter(event_id=row.event_id).order_by("pk").only("pk").first()
    what = "Transaction" if purchase and is_lone(purchase) else "Authorization"
    links = {
        what: known_or_id(row, "authorization"),
        "Merchant": purchase.merchant_name if purchase else "",
        "Card": known_or_id(row, "card", card_words),
        "Decision": link(decision, exact_time(decision.decided_at)) if decision else "",
        "Event that told it": link(request, "As it came in") if request and row.event_id else "",
        "Found": exact_time(row.found_at),
    }
    return told(links)


def _decision(row: Finding) -> Decision | None:
    """Ours of the request that it is about, or the one by which the purchase began."""
    purchase = parent(row, "authorization")
    books = readable(lambda: codec.value(AuthorizationState, purchase.books)) if purchase else None
    if books is None:
        return None
    about = _OF_REQUEST.fullmatch(row.subject)
    answer = books.answer_to(int(about[1]) if about else 0)
    found = Decision.objects.filter(pk=answer.event_id) if answer else Decision.objects.none()
    return found.only("decided_at").first()


def _changes(row: Finding) -> list[FindingLine]:
    """From when it was found on, the newest last."""
    changes = list(row.changes.select_related("author"))
    names = {change.event_id for change in changes} - {""}
    events = WebhookRequest.objects.filter(event_id__in=names).order_by("-pk").only("event_id")
    first = {event.event_id: event for event in events}
    lines = []
    for change in changes:
        who = change.author and person(change.author)
        event = first.get(change.event_id)
        lines.append(
            FindingLine(
                at=exact_time(change.at),
                what=change.get_what_display(),
                amount=format_money(change.amount, row.currency),
                by=who or (link(event, "The event") if event else change.event_id),
                # What is so now stands on top of the page.
                words=change.note or (change.told if change.told != row.told else ""),
            )
        )
    return lines


def _ended(row: Finding) -> Ended | None:
    """How it ended, where it is no longer so."""
    change = row.changes.filter(what=FindingChange.What.GONE).select_related("author").last()
    if row.state != Finding.State.GONE or change is None:
        return None
    moment = timedelta(minutes=1)  # both were written together; entries are found by time alone
    entries = LedgerEntry.objects.filter(
        entered_at__range=(change.at - moment, change.at + moment),
        event_id=change.event_id,
        author=user_words(change.author) if change.author else "",
    )
    nearest = min(entries, key=lambda it: (abs(it.entered_at - change.at), -it.pk), default=None)
    return Ended(
        at=exact_time(change.at),
        by=person(change.author) if change.author else _event(change.event_id),
        entry=link(nearest, "The entry in the ledger") if nearest else "",
    )


def _event(event_id: str) -> SafeString | str:
    found = WebhookRequest.objects.filter(event_id=event_id).order_by("pk").only("pk").first()
    return link(found, "an event") if found else f"the event {event_id}"


def _limits(row: Finding) -> list[Limit]:
    """The limits it is about, each with the version whose it was, and its window."""
    return [
        Limit(
            limit_words(figures_of(kept)),
            link(parent(kept, "version")),
            window_words(kept),
        )
        for kept in row.windows.select_related("version__policy")
    ]


def window_words(kept: FindingWindow) -> str:
    """ "18 Nov 2026, 00:00:00 UTC to 19 Nov 2026, 00:00:00 UTC"; some begin or end nowhere."""
    start, end = kept.window_start, kept.window_end
    since = exact_time(datetime.fromtimestamp(start, UTC)) if start > 0 else "The beginning"
    until = exact_time(datetime.fromtimestamp(end, UTC)) if end < FOREVER else "no end"
    return f"{since} to {until}"
