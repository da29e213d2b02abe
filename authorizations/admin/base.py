"""What all screens share: unfold's look with Django's types, and pages nobody can edit."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.contrib.admin import ShowFacets, display
from django.contrib.admin.utils import flatten_fieldsets, quote
from django.contrib.auth.models import User
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.forms import Media, ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from authorizations.admin.lists import search
from authorizations.admin.lists.changelist import KeysetChangeList
from authorizations.admin.lists.filters import RecordFilters
from authorizations.admin.lists.search import Found
from authorizations.services.queries.listing import Listing
from authorizations.services.queries.listing_times import ByTime

if TYPE_CHECKING:
    # Unfold brings no types; its classes are Django's with another look.
    from django.contrib.admin import ModelAdmin, StackedInline, TabularInline
    from django.forms import BaseInlineFormSet as InlineFormSet

    F = TypeVar("F", bound=Callable[..., Any])

    def action(*, description: str, icon: str, permissions: Sequence[str]) -> Callable[[F], F]:
        """A button on top of a row's page."""
else:
    from unfold.admin import ModelAdmin, StackedInline, TabularInline
    from unfold.decorators import action
    from unfold.forms import PaginationInlineFormSet as InlineFormSet

    # The types are generic, the classes are not: ModelAdmin[Policy] is ModelAdmin.
    for kind in (ModelAdmin, StackedInline, TabularInline, InlineFormSet, ModelForm):
        kind.__class_getitem__ = classmethod(lambda cls, _: cls)

__all__ = [
    "IN_TEMPLATE",
    "InlineFormSet",
    "ModelAdmin",
    "ModelForm",
    "ReadOnly",
    "RecordAdmin",
    "StackedInline",
    "TabularInline",
    "action",
    "card_words",
    "display",
    "known_or_id",
    "link",
    "parent",
    "staff",
]

M = TypeVar("M", bound=Model)
DASH = "\N{EN DASH}"
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
        found = self.find(term) if term else Found(Q(), is_narrow=False)
        return ByTime(
            rows.filter(filters.condition, found.condition).defer(*self.long_columns),
            self.ordered_by,
            filters.since,
            filters.until,
            is_narrow=found.is_narrow or filters.is_narrow,
        )

    def find(self, term: str) -> Found:
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


def staff(request: HttpRequest) -> User:
    """Who is asking: nobody sees these pages without having logged in."""
    return cast("User", request.user)


def parent(row: Model, name: str) -> Any:
    """The row that `name` refers to; None where there is none, or it is missing."""
    try:
        return getattr(row, name)
    except ObjectDoesNotExist:
        return None


def link(row: Model | None, text: str = "") -> SafeString | str:
    """A link to the row's own page; a dash where there is no row."""
    if row is None:
        return DASH
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    url = reverse(name, args=[quote(row.pk)])
    return format_html('<a href="{}" class="text-link">{}</a>', url, text or str(row))


def card_words(card: Any) -> str:
    """The card as people know it; lists have no room for its id."""
    return f"\N{BULLET}\N{BULLET}\N{BULLET}\N{BULLET} {card.last4}" if card.last4 else str(card.pk)


def known_or_id(row: Model, name: str, text: Callable[[Any], str] = str) -> str:
    """A link to the row that `name` refers to; its id where that row is missing."""
    found = parent(row, name)
    return link(found, text(found)) if found else str(getattr(row, f"{name}_id") or "Not told")
