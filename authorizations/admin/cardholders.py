"""Cardholders: told by Stripe's events, or added by hand before the first one."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html_join

from authorizations.admin.base import (
    DASH,
    ModelAdmin,
    ModelForm,
    ReadOnly,
    TabularInline,
    display,
    link,
)
from authorizations.admin.card_forms import CardholderForm
from authorizations.admin.cards import NeverDeleted
from authorizations.admin.tables import badge
from authorizations.models import Card, Cardholder
from authorizations.services import locks


class CardInline(ReadOnly, TabularInline[Card, Cardholder]):
    model = Card
    fields = ("card", "status", "frozen_label")
    readonly_fields = fields
    hide_title = True
    per_page = 20

    @display(description="Frozen")
    def frozen_label(self, row: Card) -> str:
        return badge("Frozen", "danger") if row.frozen else DASH

    @display(description="Card")
    def card(self, row: Card) -> str:
        return link(row)


@admin.register(Cardholder)
class CardholderAdmin(NeverDeleted, ModelAdmin[Cardholder]):
    list_display = ("name_shown", "id", "first_seen")
    search_fields = ("id__exact", "name__icontains")
    search_help_text = "Cardholder id, or a part of the name."
    show_full_result_count = False
    inlines = (CardInline,)

    def get_form(
        self,
        request: HttpRequest,
        obj: Cardholder | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> Any:
        if obj is None:
            kwargs["form"] = CardholderForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Cardholder | None = None) -> Any:
        return ("id", "name", "policies") if obj else ("id", "name")

    def get_readonly_fields(self, request: HttpRequest, obj: Cardholder | None = None) -> Any:
        """The name is ours until Stripe tells one."""
        if obj is None:
            return ()
        return ("id", "name", "policies") if obj.details_at else ("id", "policies")

    def get_inlines(self, request: HttpRequest, obj: Cardholder | None) -> Any:
        return self.inlines if obj else ()

    def save_model(
        self, request: HttpRequest, obj: Cardholder, form: ModelForm[Cardholder], change: bool
    ) -> None:
        if not change:
            super().save_model(request, obj, form, change)
        else:
            locks.hold(cardholders=[obj.pk])
            Cardholder.objects.filter(pk=obj.pk, details_at=0).update(name=obj.name)

    @display(description="Name", ordering="name")
    def name_shown(self, row: Cardholder) -> str:
        return str(row)

    @display(description="Policies for all cards together")
    def policies(self, row: Cardholder) -> str:
        assigned = row.assignments.select_related("policy")
        links = [(link(assignment.policy),) for assignment in assigned]
        return format_html_join(", ", "{}", links) or "None"
