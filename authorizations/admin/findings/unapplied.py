"""Pages of events that could not be applied to the books, with a button to try again."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path

from authorizations.admin.lists import search
from authorizations.admin.lists.lifecycle_filters import UnappliedFilters
from authorizations.admin.lists.record_admin import RecordAdmin
from authorizations.admin.lists.search import SearchResult
from authorizations.admin.shared.facts import nonempty
from authorizations.admin.shared.links import link, parent
from authorizations.admin.shared.surroundings import purchase_of
from authorizations.admin.shared.tables import badge
from authorizations.admin.shared.times import exact_time
from authorizations.admin.shared.types import display
from authorizations.models import UnappliedEvent
from authorizations.services.lifecycle.intake import ask_again


@admin.register(UnappliedEvent)
class UnappliedEventAdmin(RecordAdmin[UnappliedEvent]):
    list_display = ("failed_at", "event_type", "error_shown", "attempts", "state", "event_id")
    list_display_links = ("failed_at", "event_id")
    ordered_by = "failed_at"
    filters = UnappliedFilters
    search_fields = ("event_id__exact",)
    search_help_text = "Complete id of an event or an authorization"
    parents = ("webhook_request",)
    actions = ("apply_selected",)
    change_form_template = "admin/authorizations/unapplied_event.html"
    fieldsets = ((None, {"fields": ("event_id",)}),)

    class Media:
        css = {"screen": ["authorizations/findings.css"]}

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.apply_view)
        name = "authorizations_unappliedevent_apply"
        return [path("<path:object_id>/apply/", view, name=name), *super().get_urls()]

    def find(self, term: str) -> SearchResult:
        return search.unapplied(term)

    def page(self, row: UnappliedEvent) -> dict[str, Any]:
        request = parent(row, "webhook_request")
        about = request.about if request else ""
        purchase = purchase_of(about)
        facts = {
            "Event": row.pk,
            "Type": row.event_type,
            "Since": exact_time(row.failed_at),
            "Attempts": str(row.attempts),
            "Applied": exact_time(row.applied_at) if row.applied_at else "",
            "Stripe's message": link(request, "As it was received") if request else "",
            "About": link(purchase) if purchase else about,
        }
        return {"facts": nonempty(facts), "is_waiting": row.applied_at is None}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["may_apply"] = self.has_apply_permission(request)
        return super().render_change_form(request, context, *args, **kwargs)

    def has_apply_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("authorizations.change_unappliedevent")

    def apply_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Queues the event to be tried again, then returns to its page."""
        if not self.has_apply_permission(request):
            raise PermissionDenied
        row = UnappliedEvent.objects.filter(pk=unquote(object_id))
        if not row.exists():
            raise Http404
        if request.method == "POST":
            _try_again(request, row)
        return redirect("admin:authorizations_unappliedevent_change", object_id)

    @admin.action(description="Try again", permissions=["apply"])
    def apply_selected(self, request: HttpRequest, queryset: QuerySet[UnappliedEvent]) -> None:
        _try_again(request, queryset)

    @display(description="Problem")
    def error_shown(self, row: UnappliedEvent) -> str:
        return row.error

    @display(description="State")
    def state(self, row: UnappliedEvent) -> str:
        if row.applied_at is None and row.retry_at is not None:
            return badge("Being tried again", "warning")
        if row.applied_at is None:
            return badge("Not processed", "danger")
        return badge("Processed later", "success")


def _try_again(request: HttpRequest, rows: QuerySet[UnappliedEvent]) -> None:
    """Queues the events. The page of each shows the result."""
    queued = ask_again(rows)
    if queued:
        events = "1 message" if queued == 1 else f"{queued} messages"
        messages.success(
            request, f"Trying {events} again within seconds. Reload this page to see the result."
        )
    else:
        messages.info(request, "Nothing to do: it was processed already.")
