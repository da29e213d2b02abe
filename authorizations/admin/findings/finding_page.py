"""The page of a finding: what happened, the money at stake, what was done, what to do."""

import re
from typing import Any

from authorizations.admin.base import card_words, known_or_id, link, parent
from authorizations.admin.findings.seeing import NoteForm
from authorizations.admin.record.explained import readable
from authorizations.admin.record.facts import Facts, told
from authorizations.admin.record.standing import is_lone
from authorizations.admin.times import exact_time
from authorizations.models import Decision, Finding, WebhookRequest
from authorizations.rules.books import Books
from authorizations.rules.findings import FINDING_TEXTS, FindingKind
from authorizations.rules.money import format_money
from authorizations.services import codec

_OF_REQUEST = re.compile("request ([0-9]{1,6})")


def finding_page(row: Finding) -> dict[str, Any]:
    known = row.kind in set(FindingKind)
    return {
        "amount": format_money(row.amount, row.currency),
        "advice": FINDING_TEXTS[FindingKind(row.kind)].advice if known else "",
        "is_open": row.state == Finding.State.OPEN,
        "concerning": _concerning(row),
        "seen": _seen(row),
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
    books = readable(lambda: codec.value(Books, purchase.books)) if purchase else None
    if books is None:
        return None
    about = _OF_REQUEST.fullmatch(row.subject)
    answer = books.answer_to(int(about[1]) if about else 0)
    found = Decision.objects.filter(pk=answer.event_id) if answer else Decision.objects.none()
    return found.only("decided_at").first()


def _seen(row: Finding) -> Facts:
    if row.seen_at is None:
        return []
    by = parent(row, "seen_by")
    who = (by.get_full_name() or by.get_username()) if by else ""
    return told({"Seen by": who, "Seen": exact_time(row.seen_at), "Note": row.note})
