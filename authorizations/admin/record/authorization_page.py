"""The page of an authorization: what it counts for, entry by entry, and what was decided."""

from typing import Any, NamedTuple

from authorizations.admin.base import card_words, known_or_id, link, parent
from authorizations.admin.record.bodies import pretty
from authorizations.admin.record.explained import readable
from authorizations.admin.record.facts import Facts, category_and_code, money_if_any, told
from authorizations.admin.record.surroundings import of_purchase
from authorizations.admin.times import exact_time
from authorizations.models import Authorization, Decision, LedgerEntry
from authorizations.rules.books import Books
from authorizations.rules.money import format_money
from authorizations.rules.words import code_words, country_words
from authorizations.services import codec

ENTRIES = 200


class Entry(NamedTuple):
    """A change of what the purchase counts for, and what that was afterwards."""

    when: str
    cause: str
    change: str
    counted: str
    refunded: str
    event: str


def authorization_page(row: Authorization) -> dict[str, Any]:
    entries, is_cut = _entries(row)
    return {
        "counts_for": format_money(row.counted_amount, row.currency),
        "sums": _sums(row),
        "who_and_where": told(_who(row) | _where(row)),
        "decisions": of_purchase(row),
        "entries": entries,
        "is_cut": is_cut,
        "has_refunds": any(entry.refunded for entry in entries),
        "stripe": readable(lambda: _stripe(codec.value(Books, row.books), row.currency)),
        "books": pretty(row.books),
    }


def entry_page(row: LedgerEntry) -> dict[str, Any]:
    decision = Decision.objects.only("pk").filter(pk=row.event_id).first()
    facts = {
        "Entered": exact_time(row.entered_at),
        "Authorization": known_or_id(row, "authorization"),
        "Decision": link(decision) if decision else "",
        "Event": "" if decision else row.event_id,
        "Of it cash": signed(row.cash_amount, row.currency) if row.cash_amount else "",
        "Refunded": signed(row.refunded_amount, row.currency) if row.refunded_amount else "",
        "As a number of purchases": _counts(row.count),
    }
    return {"changed_by": signed(row.amount, row.currency), "facts": told(facts)}


def _counts(change: int) -> str:
    if not change:
        return "Changes nothing"
    return "One purchase more" if change > 0 else "One purchase less"


def _sums(row: Authorization) -> Facts:
    sums = {
        "Of it cash": money_if_any(row.counted_cash, row.currency),
        "Refunded": money_if_any(row.refunded_amount, row.currency),
        "As a number of purchases": "Counts as one" if row.count else "Does not count",
        "Began": exact_time(row.created),
        "Authorization": row.pk,
    }
    return told(sums)


def _who(row: Authorization) -> dict[str, str]:
    group = parent(row, "group")
    return {
        "Card": known_or_id(row, "card", card_words),
        "Cardholder": known_or_id(row, "cardholder"),
        "Card group": link(group) if group else "",
    }


def _where(row: Authorization) -> dict[str, str]:
    return {
        "Merchant": row.merchant_name,
        "Category": category_and_code(row.category, row.category_code),
        "Country": country_words(row.merchant_country),
        "Network id": row.network_id,
    }


def _entries(row: Authorization) -> tuple[list[Entry], bool]:
    """Oldest first, and whether older ones are left out.

    Reckoned back from what the purchase counts for now, so that the newest are enough.
    """
    newest = list(row.ledger.all()[: ENTRIES + 1])
    after, entries = row.counted_amount, []
    for entry in newest[:ENTRIES]:
        entries.append(_entry(entry, after))
        after -= entry.amount
    return entries[::-1], len(newest) > ENTRIES


def _entry(entry: LedgerEntry, after: int) -> Entry:
    refunded = entry.refunded_amount
    return Entry(
        when=exact_time(entry.entered_at),
        cause=link(entry, entry.get_cause_display()),
        change=signed(entry.amount, entry.currency),
        counted=format_money(after, entry.currency),
        refunded=signed(refunded, entry.currency) if refunded else "",
        event=entry.event_id,
    )


def signed(amount: int, currency: str) -> str:
    """ "+€5.00", for what is a change."""
    return f"{'+' if amount > 0 else ''}{format_money(amount, currency)}"


def _stripe(books: Books, currency: str) -> Facts:
    """What Stripe reported last, and what we approved since."""
    ours = {
        "Captured": money_if_any(books.captured, currency),
        "Approved by us, not yet reported": money_if_any(books.uncovered, currency),
    }
    if books.furthest is None:
        return [("Status", "Nothing reported yet"), *told(ours)]
    status = code_words(books.furthest.status).capitalize()
    reported = {
        "Status": status,
        "Held": format_money(books.furthest.amount, currency),
        "Requests so far": str(len(books.furthest.history)),
        "Transactions": str(books.furthest.transactions),
    }
    return told(reported | ours)
