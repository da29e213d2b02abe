"""Exports of lists as files, and the list of exports."""

from typing import cast

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from authorizations.admin.exports.columns import Exported
from authorizations.admin.lists.changelist import KeysetChangeList
from authorizations.admin.lists.record_admin import RecordAdmin
from authorizations.admin.lists.record_filters import ExportFilters
from authorizations.admin.shared.links import DASH, parent, staff
from authorizations.admin.shared.tables import badge
from authorizations.admin.shared.times import exact_time
from authorizations.admin.shared.types import M, display
from authorizations.models import Export
from authorizations.services.queries import exports


class ExportableAdmin(RecordAdmin[M]):
    """A list with buttons that export all its filtered rows.

    The buttons send a form (POST), as each export is recorded and a link could be opened by
    accident. Their template is change_list_object_tools.html.
    """

    exported: Exported

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        view = require_http_methods(["GET", "HEAD", "POST"])(self.export_view)
        return [path("export/", self.admin_site.admin_view(view), name=name), *super().get_urls()]

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """The filtered list as a file. Without a format, as by GET, redirects to the list."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"
        list_url = f"{reverse(name)}?{request.GET.urlencode()}"
        chosen = request.POST.get("format", "")
        if chosen not in exports.FORMATS:
            return HttpResponseRedirect(list_url)
        rows = cast("KeysetChangeList", self.get_changelist_instance(request))
        if rows.problems:  # the list says what is wrong with its filters
            return HttpResponseRedirect(list_url)

        exported, whole = self.exported, chosen == Export.Format.JSON_LINES
        stream = exports.start(
            exported.columns_of(whole=whole),
            (exported.rows(chunk, whole=whole) for chunk in rows.chunks(exported.size)),
            by=staff(request),
            what=exported.name,
            format=chosen,
            query=request.GET.urlencode(),
            filter=rows.describe(),
        )
        name = f"{exported.name}-{timezone.now():%Y-%m-%dT%H%MZ}.{chosen}"
        headers = {
            "Content-Type": exports.FORMATS[chosen].content_type,
            "Content-Disposition": f'attachment; filename="{name}"',
        }
        return StreamingHttpResponse(stream, headers=headers)


@admin.register(Export)
class ExportAdmin(RecordAdmin[Export]):
    list_display = ("started_at", "by", "list_shown", "filter_shown", "format", "rows", "state")
    ordered_by = "started_at"
    filters = ExportFilters
    search_fields = ("author__username__iexact",)
    search_help_text = "Complete user name"
    fieldsets = (
        (None, {"fields": ("by", "list_shown", "filter_shown", "format", "rows", "state")}),
        ("Record", {"fields": ("started_at", "ended", "query")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Export]:
        return super().get_queryset(request).select_related("author", "end")

    @display(description="Exported by")
    def by(self, row: Export) -> str:
        return row.author.get_full_name() or row.author.get_username()

    @display(description="List")
    def list_shown(self, row: Export) -> str:
        return row.what.capitalize()

    @display(description="Filter")
    def filter_shown(self, row: Export) -> str:
        return row.filter or "None: all rows"

    @display(description="Rows")
    def rows(self, row: Export) -> str:
        end = parent(row, "end")
        return f"{end.rows:,}" if end else DASH

    @display(description="Ended")
    def ended(self, row: Export) -> str:
        end = parent(row, "end")
        return exact_time(end.ended_at) if end else DASH

    @display(description="State")
    def state(self, row: Export) -> str:
        """An export without an end is still running, or the server stopped during it."""
        end = parent(row, "end")
        if end is None:
            return badge("Not ended", "warning")
        return badge("Complete", "success") if end.complete else badge("Interrupted", "danger")
