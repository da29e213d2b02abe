"""What all screens share: unfold's look with Django's types, and pages nobody can edit."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

if TYPE_CHECKING:
    # Unfold brings no types; its classes are Django's with another look.
    from django.contrib.admin import ModelAdmin, StackedInline, TabularInline, display
    from django.forms import BaseInlineFormSet as InlineFormSet
else:
    from unfold.admin import ModelAdmin, StackedInline, TabularInline
    from unfold.decorators import display
    from unfold.forms import PaginationInlineFormSet as InlineFormSet

__all__ = [
    "InlineFormSet",
    "ModelAdmin",
    "ReadOnly",
    "StackedInline",
    "TabularInline",
    "display",
    "link",
    "parent",
]


class ReadOnly:
    """Nobody changes these rows here, superusers included: the record stays as it was written."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class RecordAdmin(ReadOnly, ModelAdmin):  # type: ignore[type-arg]
    """A table that grows with every purchase: no counting of it, no query per row."""

    show_full_result_count = False
    show_facets = None
    list_per_page = 50
    list_fullwidth = True
    parents: Sequence[str] = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # Not select_related: these rows have no foreign keys in the database, and a join would
        # drop a row whose parent is missing.
        return super().get_queryset(request).prefetch_related(*self.parents)


def parent(row: Model, name: str) -> Any:
    """The row that `name` refers to; None where there is none, or it is missing."""
    try:
        return getattr(row, name)
    except ObjectDoesNotExist:
        return None


def link(row: Model | None, text: str = "") -> SafeString | str:
    """A link to the row's own page; a dash where there is no row."""
    if row is None:
        return "–"
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    # Ids are quoted as the admin does it: they hold underscores.
    from django.contrib.admin.utils import quote
    url = reverse(name, args=[quote(row.pk)])
    return format_html('<a href="{}" class="text-link">{}</a>', url, text or str(row))
