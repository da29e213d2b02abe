"""Pages of authorizations: list, state and timeline, and forms for operators' adjustments."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path

from authorizations.admin.authorizations.adjustment_pages import adjust_page, release_page
from authorizations.admin.authorizations.authorization_page import authorization_page
from authorizations.admin.authorizations.holds import holds_page
from authorizations.admin.authorizations.purchase_state import state_of
from authorizations.admin.exports import columns as exported
from authorizations.admin.exports.pages import ExportableAdmin
from authorizations.admin.lists import search
from authorizations.admin.lists.record_admin import IN_TEMPLATE
from authorizations.admin.lists.record_filters import AuthorizationFilters
from authorizations.admin.lists.search import SearchResult
from authorizations.admin.shared.links import UNKNOWN, card_words, link_or_id
from authorizations.admin.shared.tables import badge
from authorizations.admin.shared.types import action, display
from authorizations.models import Authorization
from authorizations.rules.basics.money import format_money

_VARIANTS = {"approved": "success", "partial": "warning", "info": "info", "neutral": "neutral"}


@admin.register(Authorization)
class AuthorizationAdmin(ExportableAdmin[Authorization]):
    exported = exported.AUTHORIZATIONS
    list_display = (
        *("created", "merchant", "state", "counts_for", "card_shown", "cardholder_shown", "id"),
    )
    list_display_links = ("created", "id")
    ordered_by = "created"
    filters = AuthorizationFilters
    search_fields = ("id__exact",)
    search_help_text = "Cardholder, merchant, last 4 digits or an id"
    long_columns = ("books",)
    parents = ("card", "cardholder")
    change_form_template = "admin/authorizations/authorization.html"
    fieldsets = IN_TEMPLATE
    actions_detail = ("release", "adjust")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.past_view)
        return [path("past/", view, name="authorizations_authorization_past"), *super().get_urls()]

    def find(self, term: str) -> SearchResult:
        return search.authorizations(term)

    def page(self, row: Authorization) -> dict[str, Any]:
        return authorization_page(row)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["may_book"] = self.has_book_permission(request)
        return super().render_change_form(request, context, *args, **kwargs)

    def past_view(self, request: HttpRequest) -> HttpResponse:
        """The page of overdue holds."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return holds_page(request)

    # A method, because unfold looks a permission's name up before its table exists.
    def has_book_permission(self, request: HttpRequest, object_id: str = "") -> bool:
        """Whether the user may release holds and adjust purchases."""
        return request.user.has_perm("authorizations.change_authorization")

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> Any:
        """The buttons of the page; Release only if something is held."""
        actions = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        if Authorization.objects.filter(pk=unquote(object_id), is_held=True).exists():
            return actions
        return [entry for entry in actions if not entry.action_name.endswith("_release")]

    @action(description="Release hold", icon="lock_open", permissions=["book"])
    def release(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return release_page(request, self._row(object_id))

    @action(description="Adjust", icon="tune", permissions=["book"])
    def adjust(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return adjust_page(request, self._row(object_id))

    def _row(self, object_id: str) -> Authorization:
        return get_object_or_404(Authorization, pk=unquote(object_id))

    @display(description="Merchant")
    def merchant(self, row: Authorization) -> str:
        return row.merchant_name or UNKNOWN

    @display(description="State")
    def state(self, row: Authorization) -> str:
        state = state_of(row)
        return badge(state.words, _VARIANTS[state.tone])

    @display(description="Counts against limits")
    def counts_for(self, row: Authorization) -> str:
        return format_money(row.counted_amount, row.currency)

    @display(description="Card")
    def card_shown(self, row: Authorization) -> str:
        return link_or_id(row, "card", card_words)

    @display(description="Cardholder")
    def cardholder_shown(self, row: Authorization) -> str:
        return link_or_id(row, "cardholder")
