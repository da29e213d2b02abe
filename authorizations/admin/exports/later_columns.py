"""What exported transactions and findings say: the columns of each list, by name."""

from operator import attrgetter as _of

from authorizations.admin.exports.columns import Exported, money_of

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
        "what_happened": _of("told"),
        "what_was_done": _of("done"),
        "event": _of("event_id"),
        "seen_at": _of("seen_at"),
        "seen_by": lambda row: row.seen_by and row.seen_by.get_username(),
        "note": _of("note"),
    },
    {"subject": _of("subject")},
)
