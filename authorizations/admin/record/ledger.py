"""What authorizations count for, to look at only."""

from typing import Any

from django.contrib import admin

from authorizations.admin.base import IN_TEMPLATE, card_words, display, known_or_id
from authorizations.admin.exports import columns as exported
from authorizations.admin.exports.pages import ExportableAdmin
from authorizations.admin.lists import search
from authorizations.admin.lists.record_filters import AuthorizationFilters, LedgerFilters
from authorizations.admin.lists.search import Found
from authorizations.admin.record.authorization_page import authorization_page, entry_page
from authorizations.models import Authorization, LedgerEntry
from authorizations.rules.money import format_money


@admin.register(Authorization)
class AuthorizationAdmin(ExportableAdmin[Authorization]):
    exported = exported.AUTHORIZATIONS
    list_display = ("created", "merchant", "counts_for", "card_shown", "cardholder_shown", "id")
    list_display_links = ("created", "id")
    ordered_by = "created"
    filters = AuthorizationFilters
    search_fields = ("id__exact",)
    search_help_text = "Cardholder, merchant, last 4 digits or an id"
    long_columns = ("books",)
    parents = ("card", "cardholder")
    change_form_template = "admin/authorizations/authorization.html"
    fieldsets = IN_TEMPLATE

    def find(self, term: str) -> Found:
        return search.authorizations(term)

    def page(self, row: Authorization) -> dict[str, Any]:
        return authorization_page(row)

    @display(description="Merchant")
    def merchant(self, row: Authorization) -> str:
        return row.merchant_name or "Not told"

    @display(description="Counts for")
    def counts_for(self, row: Authorization) -> str:
        return format_money(row.counted_amount, row.currency)

    @display(description="Card")
    def card_shown(self, row: Authorization) -> str:
        return known_or_id(row, "card", card_words)

    @display(description="Cardholder")
    def cardholder_shown(self, row: Authorization) -> str:
        return known_or_id(row, "cardholder")


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ExportableAdmin[LedgerEntry]):
    exported = exported.LEDGER
    list_display = ("entered_at", "cause", "amount_shown", "authorization_shown", "event_id")
    ordered_by = "entered_at"
    filters = LedgerFilters
    search_fields = ("authorization__exact",)
    search_help_text = "Whole id of an authorization or an event"
    parents = ("authorization",)
    change_form_template = "admin/authorizations/ledger_entry.html"
    fieldsets = IN_TEMPLATE

    def find(self, term: str) -> Found:
        return search.ledger(term)

    def page(self, row: LedgerEntry) -> dict[str, Any]:
        return entry_page(row)

    @display(description="Amount")
    def amount_shown(self, row: LedgerEntry) -> str:
        return format_money(row.amount, row.currency)

    @display(description="Authorization")
    def authorization_shown(self, row: LedgerEntry) -> str:
        return known_or_id(row, "authorization")
