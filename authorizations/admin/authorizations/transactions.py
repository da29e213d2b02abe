"""Read-only pages of transactions: captures and refunds."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.contrib import admin

from authorizations.admin.exports import lifecycle_columns as exported
from authorizations.admin.exports.pages import ExportableAdmin
from authorizations.admin.lists import search
from authorizations.admin.lists.lifecycle_filters import TransactionFilters
from authorizations.admin.lists.record_admin import IN_TEMPLATE
from authorizations.admin.lists.search import SearchResult
from authorizations.admin.shared.facts import nonempty
from authorizations.admin.shared.links import DASH, UNKNOWN, card_words, link, link_or_id
from authorizations.admin.shared.tables import badge
from authorizations.admin.shared.times import exact_time
from authorizations.admin.shared.types import display
from authorizations.models import Authorization, Transaction
from authorizations.rules.basics.money import format_money

_VARIANTS = {"capture": "success", "refund": "info"}


class TransactionLine(NamedTuple):
    """A transaction in a table; `abroad` is the merchant's amount if its currency differs."""

    when: str
    type: str
    is_refund: bool
    amount: str
    abroad: str
    id: str


def transaction_lines(transaction_ids: Iterable[str]) -> list[TransactionLine]:
    """The transactions with these ids, oldest first."""
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
        return row.merchant_name or UNKNOWN

    @display(description="Card")
    def card_shown(self, row: Transaction) -> str:
        return link_or_id(row, "card", card_words)

    @display(description="Authorization")
    def purchase(self, row: Transaction) -> str:
        # Without loading the authorization: a list makes no query per row.
        return DASH if row.booked_under == row.pk else link(Authorization(pk=row.booked_under))


def transaction_page(row: Transaction) -> dict[str, Any]:
    """The template's context; `booked` is None if the purchase is missing."""
    booked = Authorization.objects.filter(pk=row.booked_under).only("pk").first()
    elsewhere = row.linked if row.linked != row.booked_under else ""
    facts = {
        "When": exact_time(row.created),
        "Merchant": row.merchant_name,
        "In the merchant's currency": _abroad(row),
        "Card": link_or_id(row, "card", card_words),
        "Transaction": row.pk,
        "Authorization at Stripe": elsewhere,
    }
    return {
        "amount": format_money(abs(row.amount), row.currency),
        "facts": nonempty(facts),
        "booked": booked,
        "is_alone": row.booked_under == row.pk,
    }
