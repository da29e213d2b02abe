"""Read-only pages of decisions: the list, and the page that explains one."""

from copy import copy
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path

from authorizations.admin.decisions.decision_page import decision_page
from authorizations.admin.decisions.record_check import check_record
from authorizations.admin.exports import columns as exported
from authorizations.admin.exports.pages import ExportableAdmin
from authorizations.admin.lists.decision_filters import DecisionFilters
from authorizations.admin.lists.filters import RecordFilters
from authorizations.admin.lists.record_admin import IN_TEMPLATE
from authorizations.admin.shared import outcomes
from authorizations.admin.shared.links import UNKNOWN, card_words, link_or_id
from authorizations.admin.shared.tables import badge
from authorizations.admin.shared.types import display
from authorizations.models import DecidedBy, Decision
from authorizations.rules.decision.values import DeclineReason
from authorizations.services.digest import update
from authorizations.services.queries.decisions import decisions
from authorizations.services.queries.listing import Listing

_CATCH_UP_S = 0.05
"""Seconds a page spends on bringing the digest up to date."""

_LIMITS = {
    DeclineReason.ATTEMPT_LIMIT_EXCEEDED,
    DeclineReason.AMOUNT_LIMIT_EXCEEDED,
    DeclineReason.FUNDS_EXCEEDED,
    DeclineReason.COUNT_LIMIT_EXCEEDED,
}
_NO_RULES = {
    DeclineReason.MALFORMED_REQUEST,
    DeclineReason.WRONG_MODE,
    DeclineReason.CONFLICTING_EVENT,
    DeclineReason.INTERNAL_ERROR,
    DeclineReason.CARD_FROZEN,
    DeclineReason.CARD_NOT_ACTIVE,
    DeclineReason.FIELD_UNREADABLE,
    DeclineReason.NO_POLICY,
}
_VARIANTS = {"approved": "success", "partial": "warning", "declined": "danger"}


@admin.register(Decision)
class DecisionAdmin(ExportableAdmin[Decision]):
    exported = exported.DECISIONS
    list_display = (
        *("decided_at", "outcome", "why", "amount_shown", "merchant", "card_shown"),
        "cardholder_shown",
    )
    filters = DecisionFilters
    long_columns = ("request", "trace", "usage", "context", "policies", "answer")
    search_fields = ("id__exact",)
    search_help_text = "Cardholder, merchant, last 4 digits or an id"
    parents = ("card", "cardholder")
    change_form_template = "admin/authorizations/decision.html"
    fieldsets = IN_TEMPLATE

    def listing(self, rows: QuerySet[Decision], filters: RecordFilters, term: str) -> Listing:
        update.catch_up(_CATCH_UP_S)
        rows = rows.defer(*self.long_columns)
        return decisions(rows, cast("DecisionFilters", filters).facets(term))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.check_view)
        name = "authorizations_decision_again"
        return [path("<path:object_id>/again/", view, name=name), *super().get_urls()]

    def page(self, row: Decision) -> dict[str, Any]:
        return decision_page(row)

    def check_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The page with the result of checking the decision against its record."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if request.method != "POST" or (row and row.decided_by == DecidedBy.STRIPE):
            return redirect("admin:authorizations_decision_change", object_id)
        read_request = copy(request)
        read_request.method = "GET"  # Django takes a POST to the page for an attempt to save it
        extra = {"record_check": row and check_record(row)}
        return self.change_view(read_request, object_id, extra_context=extra)

    @display(description="Outcome")
    def outcome(self, row: Decision) -> str:
        words, tone = outcomes.outcome(row)
        shown = badge(words, _VARIANTS[tone])
        if row.exception_id:
            shown += badge("By exception", "neutral")
        if row.stand_in:
            shown += badge("Stand-in", "neutral")
        return shown

    @display(description="Reason")
    def why(self, row: Decision) -> str:
        """The reason. Limits stand out from rules, and both from declines without rules."""
        if not row.reason:
            return ""
        reason = outcomes.reason_of(row)
        variant = "neutral" if reason is None or reason in _NO_RULES else "danger"
        return badge(outcomes.reason_words(row), "warning" if reason in _LIMITS else variant)

    @display(description="Amount")
    def amount_shown(self, row: Decision) -> str:
        return outcomes.amount_words(row)

    @display(description="Merchant")
    def merchant(self, row: Decision) -> str:
        return row.merchant_name or UNKNOWN

    @display(description="Card")
    def card_shown(self, row: Decision) -> str:
        return link_or_id(row, "card", card_words)

    @display(description="Cardholder")
    def cardholder_shown(self, row: Decision) -> str:
        return link_or_id(row, "cardholder")
