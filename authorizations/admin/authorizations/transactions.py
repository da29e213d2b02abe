"""Money that moved: captures and refunds, to look at only."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.contrib import admin

from authorizations.admin.exports import later_columns as exported
from authorizations.admin.exports.pages import ExportableAdmin
from authorizations.admin.lists import search
from authorizations.admin.lists.later_filters import TransactionFilters
from authorizations.admin.lists.record_admin import IN_TEMPLATE
from authorizations.admin.lists.search import SearchResult
from authorizations.admin.shared.facts import told
from authorizations.admin.shared.links import DASH, card_words, known_or_id, link
from authorizations.admin.shared.tables import badge
from authorizations.admin.shared.times import exact_time
from authorizations.admin.shared.types import display
from authorizations.models import Authorization, Transaction
from authorizations.rules.basics.money import format_money

_VARIANTS = {"capture": "success", "refund": "info"}


class TransactionLine(NamedTuple):
    """A transaction in a table; `abroad` is what the merchant charged, in another currency."""

    when: str
    type: str
    is_refund: bool
    amount: str
    abroad: str
    id: str


def lines_of(transaction_ids: Iterable[str]) -> list[TransactionLine]:
    """The oldest first."""
    rows = Transaction.objects.in_bulk(list(transaction_ids)).values()
    return [
        TransactionLine(
            when=exact_time(row.created),
            type=row.get_type_display(),
            is_refund=row.type == Transaction.Type.REFUND,
            amount=format_money(abs(row.amount), row.currency),
            abroad=_abroad(row),
            id=link(row, row.pk),
        )
        for row in sorted(rows, key=lambda row: (row.created, row.pk))
    ]


def _abroad(row: Transaction) -> str:
    if row.merchant_currency in {"", row.currency}:
        return ""
    return format_money(abs(row.merchant_amount), row.merchant_currency)


@admin.register(Transaction)
class TransactionAdmin(ExportableAdmin[Transaction]):
    exported = exported.TRANSACTIONS
    list_display = ("created", "type_shown", "amount_shown", "merchant", "card_shown", "purchase")
    ordered_by = "created"
    filters = TransactionFilters
    search_fields = ("id__exact",)
    search_help_text = "Merchant, last 4 digits or an id"
    parents = ("card",)
    change_form_template = "admin/authorizations/transaction.html"
    fieldsets = IN_TEMPLATE

    def find(self, term: str) -> SearchResult:
        return search.transactions(term)

    def page(self, row: Transaction) -> dict[str, Any]:
        return transaction_page(row)

    @display(description="Type")
    def type_shown(self, row: Transaction) -> str:
        return badge(row.get_type_display(), _VARIANTS.get(row.type, "neutral"))

    @display(description="Amount")
    def amount_shown(self, row: Transaction) -> str:
        return format_money(abs(row.amount), row.currency)

    @display(description="Merchant")
    def merchant(self, row: Transaction) -> str:
        return row.merchant_name or "Not told"

    @display(description="Card")
    def card_shown(self, row: Transaction) -> str:
        return known_or_id(row, "card", card_words)

    @display(description="Authorization")
    def purchase(self, row: Transaction) -> str:
        # Without looking for it: a list has no query for each row.
        return DASH if row.booked_under == row.pk else link(Authorization(pk=row.booked_under))


def transaction_page(row: Transaction) -> dict[str, Any]:
    booked = Authorization.objects.filter(pk=row.booked_under).only("pk").first()
    elsewhere = row.linked if row.linked != row.booked_under else ""
    facts = {
        "When": exact_time(row.created),
        "Merchant": row.merchant_name,
        "In the merchant's currency": _abroad(row),
        "Card": known_or_id(row, "card", card_words),
        "Transaction": row.pk,
        "Stripe names authorization": elsewhere,
    }
    return {
        "amount": format_money(abs(row.amount), row.currency),
        "facts": told(facts),
        "booked": booked,
        "is_alone": row.booked_under == row.pk,
    }
