"""Pages of findings: what Stripe did differently from what the desk decided."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from authorizations.admin.exports import lifecycle_columns as exported
from authorizations.admin.exports.pages import ExportableAdmin
from authorizations.admin.findings.finding_page import finding_page
from authorizations.admin.findings.handling import handle_page
from authorizations.admin.findings.summary import summary
from authorizations.admin.lists import search
from authorizations.admin.lists.filters import RecordFilters
from authorizations.admin.lists.lifecycle_filters import FindingFilters
from authorizations.admin.lists.record_admin import IN_TEMPLATE
from authorizations.admin.shared.links import card_words, link_or_id
from authorizations.admin.shared.tables import badge
from authorizations.admin.shared.types import display
from authorizations.models import Finding
from authorizations.rules.basics.money import format_money
from authorizations.services.queries.by_key import ByKey
from authorizations.services.queries.listing import Listing

VARIANTS = {"open": "warning", "seen": "success", "gone": "neutral"}


@admin.register(Finding)
class FindingAdmin(ExportableAdmin[Finding]):
    exported = exported.FINDINGS
    list_display = (
        *("found_at", "kind_shown", "amount_shown", "told_shown", "card_shown", "state_shown"),
    )
    list_display_links = ("found_at", "kind_shown")
    list_before_template = "admin/authorizations/finding_summary.html"
    filters = FindingFilters
    search_fields = ("authorization__exact",)
    search_help_text = "Cardholder, merchant, last 4 digits or an id"
    parents = ("card", "changes__author")
    actions = ("note_selected",)
    change_form_template = "admin/authorizations/finding.html"
    fieldsets = IN_TEMPLATE

    class Media:
        css = {"screen": ["authorizations/findings.css"]}

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.see_view)
        return [path("see/", view, name="authorizations_finding_see"), *super().get_urls()]

    def listing(self, rows: QuerySet[Finding], filters: RecordFilters, term: str) -> Listing:
        rows = rows.filter(filters.condition)
        return ByKey(rows.filter(search.findings(term)) if term else rows)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        extra = {"summary": summary(), "may_see": self.has_see_permission(request)}
        return super().changelist_view(request, {**(extra_context or {}), **extra})

    def page(self, row: Finding) -> dict[str, Any]:
        return finding_page(row)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["may_see"] = self.has_see_permission(request)
        return super().render_change_form(request, context, *args, **kwargs)

    def has_see_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("authorizations.change_finding")

    def see_view(self, request: HttpRequest) -> HttpResponse:
        """Marks findings as handled: one, several, or all of a kind."""
        if not self.has_see_permission(request):
            raise PermissionDenied
        return handle_page(request)

    @admin.action(description="Mark as handled", permissions=["see"])
    def note_selected(self, request: HttpRequest, queryset: QuerySet[Finding]) -> HttpResponse:
        return handle_page(request, [int(pk) for pk in queryset.values_list("pk", flat=True)])

    @display(description="Kind")
    def kind_shown(self, row: Finding) -> str:
        return row.get_kind_display()

    @display(description="Amount concerned")
    def amount_shown(self, row: Finding) -> str:
        return format_money(row.amount, row.currency)

    @display(description="What happened")
    def told_shown(self, row: Finding) -> str:
        return row.description

    @display(description="Card")
    def card_shown(self, row: Finding) -> str:
        return link_or_id(row, "card", card_words)

    @display(description="State")
    def state_shown(self, row: Finding) -> str:
        return badge(row.get_state_display(), VARIANTS.get(row.state, "neutral"))
