"""Pages of stand-in: its state now and the history of its switch."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from authorizations.admin.health.page import health_page
from authorizations.admin.lists.filters import RecordFilters
from authorizations.admin.lists.record_admin import RecordAdmin
from authorizations.admin.shared.tables import badge
from authorizations.admin.shared.types import display
from authorizations.admin.stand_in.state import MAY_SWITCH, state, who
from authorizations.admin.stand_in.switching import switch_page
from authorizations.models import StandInSwitch
from authorizations.services.queries.by_key import ByKey
from authorizations.services.queries.listing import Listing


@admin.register(StandInSwitch)
class StandInSwitchAdmin(RecordAdmin[StandInSwitch]):
    list_display = ("switched_at", "switched", "by", "reason")
    list_before_template = "admin/authorizations/stand_in_state.html"
    ordered_by = "switched_at"
    fieldsets = ((None, {"fields": ("switched_at", "switched", "by", "reason")}),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[StandInSwitch]:
        return super().get_queryset(request).select_related("author")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.switch_view)
        return [
            path("switch/", view, name="authorizations_standinswitch_switch"),
            path(
                "health/",
                self.admin_site.admin_view(health_page),
                name="authorizations_standinswitch_health",
            ),
            *super().get_urls(),
        ]

    def listing(self, rows: QuerySet[StandInSwitch], filters: RecordFilters, term: str) -> Listing:
        edges = {"switched_at__gte": filters.since, "switched_at__lt": filters.until}
        return ByKey(rows.filter(**{name: edge for name, edge in edges.items() if edge}))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        extra = {"stand_in": state(), "may_switch": request.user.has_perm(MAY_SWITCH)}
        return super().changelist_view(request, {**(extra_context or {}), **extra})

    def switch_view(self, request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm(MAY_SWITCH):
            raise PermissionDenied
        return switch_page(request)

    @display(description="Switched")
    def switched(self, row: StandInSwitch) -> str:
        return badge("On", "warning") if row.is_on else badge("Off", "success")

    @display(description="By")
    def by(self, row: StandInSwitch) -> str:
        return who(row)
