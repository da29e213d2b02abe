"""Base classes of read-only pages and their lists."""

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
"""The fieldsets of a page whose template shows the whole row."""


class ReadOnly:
    """An admin without adding, changing or deleting, even for superusers."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class RecordAdmin(ReadOnly, ModelAdmin[M]):
    """A read-only admin of a table that grows with every purchase: no count, no query per row."""

    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_per_page = 50
    list_fullwidth = True
    list_filter_submit = True
    list_before_template = "admin/authorizations/active_filters.html"
    sortable_by = ()  # only the order of the index is quick
    parents: Sequence[str] = ()
    ordered_by: str
    """The time column that the list is ordered by."""
    filters: type[RecordFilters] = RecordFilters
    long_columns: Sequence[str] = ()
    """Columns that no list shows and that would be slow to load."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        # Not select_related: these rows have no foreign keys in the database, and a join would
        # drop a row whose parent is missing.
        return super().get_queryset(request).prefetch_related(*self.parents)

    def get_readonly_fields(self, request: HttpRequest, obj: M | None = None) -> Any:
        return flatten_fieldsets(self.get_fieldsets(request, obj))

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[KeysetChangeList]:
        return KeysetChangeList

    def listing(self, rows: QuerySet[M], filters: RecordFilters, term: str) -> Listing:
        """The rows that match the filters and the search, to be loaded page by page."""
        found = self.find(term) if term else SearchResult(Q(), is_narrow=False)
        return ByTime(
            rows.filter(filters.condition, found.condition).defer(*self.long_columns),
            self.ordered_by,
            filters.since,
            filters.until,
            is_narrow=found.is_narrow or filters.is_narrow,
        )

    def find(self, term: str) -> SearchResult:
        """The condition for a term in the search box."""
        return search.by_fields(term, self.search_fields)

    @property
    def media(self) -> Media:
        """The media of the page and of the filters."""
        styles = Media(css={"screen": ["authorizations/lists.css"]})
        return super().media + self.filters().media + styles

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Redirects to the row, which never changes and has no history."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return redirect(name, object_id)

    def page(self, row: M) -> dict[str, Any]:
        """Context for the template of a row's page."""
        return {}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context |= {"show_history": False, **self.page(kwargs["obj"])}
        return super().render_change_form(request, context, *args, **kwargs)
