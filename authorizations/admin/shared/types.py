"""Unfold's admin classes with the types of Django's."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib.admin import display
from django.db.models import Model
from django.forms import BaseFormSet, ModelForm

if TYPE_CHECKING:
    # Unfold has no types; its classes are Django's, styled differently.
    from django.contrib.admin import ModelAdmin, StackedInline, TabularInline

    F = TypeVar("F", bound=Callable[..., Any])

    def action(*, description: str, icon: str, permissions: Sequence[str]) -> Callable[[F], F]:
        """A button at the top of a row's page."""
else:
    from unfold.admin import ModelAdmin, StackedInline, TabularInline
    from unfold.decorators import action

    # Generic for the type checker only: at run time ModelAdmin[Policy] is ModelAdmin.
    for kind in (ModelAdmin, StackedInline, TabularInline, BaseFormSet, ModelForm):
        kind.__class_getitem__ = classmethod(lambda cls, _: cls)

__all__ = [
    "BaseFormSet",
    "M",
    "ModelAdmin",
    "ModelForm",
    "StackedInline",
    "TabularInline",
    "action",
    "display",
]

M = TypeVar("M", bound=Model)
