"""The columns of exported transactions and findings."""

from operator import attrgetter as _of
from typing import Any

from authorizations.admin.exports.columns import Exported, money_of
from authorizations.models import Finding, FindingChange

What = FindingChange.What


def _newest(row: Finding, what: str, name: str) -> Any:
    """A value of the newest change of the kind `what`; None without one."""
    found = [change for change in row.changes.all() if change.what == what]
    return _plain(found[-1])[name] if found else None


def _plain(change: FindingChange) -> dict[str, Any]:
    return {
        "at": change.at,
        "what": change.what,
        "state": change.state,
        "amount": change.amount,
        "what_happened": change.description,
        "event_id": change.event_id,
        "author": change.author and change.author.get_username(),
        "note": change.note,
    }


TRANSACTIONS = Exported(
    "transactions",
    {
        "created": _of("created"),
        "transaction": _of("pk"),
        "type": _of("type"),
        "card": _of("card_id"),
        "authorization": _of("linked"),
        "booked_under": _of("booked_under"),
        "currency": _of("currency"),
        "amount": money_of("amount"),
        "amount_in_smallest_unit": _of("amount"),
        "merchant_currency": _of("merchant_currency"),
        "merchant_amount_in_smallest_unit": _of("merchant_amount"),
        "merchant": _of("merchant_name"),
    },
    {},
)

FINDINGS = Exported(
    "findings",
    {
        "found_at": _of("found_at"),
        "finding": _of("pk"),
        "kind": _of("kind"),
        "kind_label": lambda row: row.get_kind_display(),
        "state": _of("state"),
        "authorization": _of("authorization_id"),
        "card": _of("card_id"),
        "currency": _of("currency"),
        "amount": money_of("amount"),
        "amount_in_smallest_unit": _of("amount"),
        "what_happened": _of("description"),
        "what_was_done": _of("done"),
        "event": _of("event_id"),
        "seen_at": lambda row: _newest(row, What.SEEN, "at"),
        "seen_by": lambda row: _newest(row, What.SEEN, "author"),
        "note": lambda row: _newest(row, What.SEEN, "note"),
        "gone_at": lambda row: _newest(row, What.GONE, "at"),
        "gone_by_event": lambda row: _newest(row, What.GONE, "event_id"),
    },
    {
        "subject": _of("subject"),
        "changes": lambda row: [_plain(change) for change in row.changes.all()],
    },
)
