"""Read-only pages of the ledger: every change of what a purchase counts for."""

from typing import Any

from django.contrib import admin

from authorizations.admin.authorizations.authorization_page import entry_page
from authorizations.admin.exports import columns as exported
from authorizations.admin.exports.pages import ExportableAdmin
from authorizations.admin.lists import search
from authorizations.admin.lists.record_admin import IN_TEMPLATE
from authorizations.admin.lists.record_filters import LedgerFilters
from authorizations.admin.lists.search import SearchResult
from authorizations.admin.shared.links import link_or_id
from authorizations.admin.shared.types import display
from authorizations.models import LedgerEntry
from authorizations.rules.basics.money import format_money


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ExportableAdmin[LedgerEntry]):
    exported = exported.LEDGER
    list_display = ("entered_at", "cause", "amount_shown", "authorization_shown", "event_id")
    ordered_by = "entered_at"
    filters = LedgerFilters
    search_fields = ("authorization__exact",)
    search_help_text = "Complete id of an authorization or an event"
    parents = ("authorization",)
    change_form_template = "admin/authorizations/ledger_entry.html"
    fieldsets = IN_TEMPLATE

    def find(self, term: str) -> SearchResult:
        return search.ledger(term)

    def page(self, row: LedgerEntry) -> dict[str, Any]:
        return entry_page(row)

    @display(description="Amount")
    def amount_shown(self, row: LedgerEntry) -> str:
        return format_money(row.amount, row.currency)

    @display(description="Authorization")
    def authorization_shown(self, row: LedgerEntry) -> str:
        return link_or_id(row, "authorization")
