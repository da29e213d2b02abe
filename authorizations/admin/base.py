"""What all screens share: unfold's look with Django's types, and pages nobody can edit."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.contrib.admin import ShowFacets, display
from django.contrib.admin.utils import flatten_fieldsets, quote
from django.contrib.auth.models import User
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.paginator import InfinitePaginator

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
    paginator = InfinitePaginator
    list_per_page = 50
    list_fullwidth = True
    sortable_by = ()  # only the order of the index is quick
    parents: Sequence[str] = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        # Not select_related: these rows have no foreign keys in the database, and a join would
        # drop a row whose parent is missing.
        return super().get_queryset(request).prefetch_related(*self.parents)

    def get_readonly_fields(self, request: HttpRequest, obj: M | None = None) -> Any:
        return flatten_fieldsets(self.get_fieldsets(request, obj))


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
