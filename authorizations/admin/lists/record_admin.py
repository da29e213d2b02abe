"""Pages of rows that nobody can edit, and their lists."""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin import ShowFacets
from django.contrib.admin.utils import flatten_fieldsets
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.forms import Media
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from authorizations.admin.lists import search
from authorizations.admin.lists.changelist import KeysetChangeList
from authorizations.admin.lists.filters import RecordFilters
from authorizations.admin.lists.search import SearchResult
from authorizations.admin.shared.types import M, ModelAdmin
from authorizations.services.queries.by_time import ByTime
from authorizations.services.queries.listing import Listing

IN_TEMPLATE: Any = ((None, {"fields": ("id",)}),)
"""The fieldsets of a page whose template shows all of the row."""


class ReadOnly:
    """Nobody changes these rows here, superusers included: the record stays as it was written."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class RecordAdmin(ReadOnly, ModelAdmin[M]):
    """A table that grows with every purchase: never counted, and no query per row."""

    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_per_page = 50
    list_fullwidth = True
    list_filter_submit = True
    list_before_template = "admin/authorizations/active_filters.html"
    sortable_by = ()  # only the order of the index is quick
    parents: Sequence[str] = ()
    ordered_by: str
    """The column of time that says what is newest."""
    filters: type[RecordFilters] = RecordFilters
    long_columns: Sequence[str] = ()
    """What no list shows, and would be slow to read."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        # Not select_related: these rows have no foreign keys in the database, and a join would
        # drop a row whose parent is missing.
        return super().get_queryset(request).prefetch_related(*self.parents)

    def get_readonly_fields(self, request: HttpRequest, obj: M | None = None) -> Any:
        return flatten_fieldsets(self.get_fieldsets(request, obj))

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[KeysetChangeList]:
        return KeysetChangeList

    def listing(self, rows: QuerySet[M], filters: RecordFilters, term: str) -> Listing:
        """The rows that meet the filters and the search, to be read page by page."""
        found = self.find(term) if term else SearchResult(Q(), is_narrow=False)
        return ByTime(
            rows.filter(filters.condition, found.condition).defer(*self.long_columns),
            self.ordered_by,
            filters.since,
            filters.until,
            is_narrow=found.is_narrow or filters.is_narrow,
        )

    def find(self, term: str) -> SearchResult:
        """What the search box finds."""
        return search.by_fields(term, self.search_fields)

    @property
    def media(self) -> Media:
        """With what the form of the filters needs."""
        look = Media(css={"screen": ["authorizations/lists.css"]})
        return super().media + self.filters().media + look

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Back to the row: it has no other history than itself."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return redirect(name, object_id)

    def page(self, row: M) -> dict[str, Any]:
        """What a template of the row's own shows beside the row."""
        return {}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context |= {"show_history": False, **self.page(kwargs["obj"])}
        return super().render_change_form(request, context, *args, **kwargs)
