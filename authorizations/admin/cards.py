"""Cards and cardholders: told by Stripe's events, frozen and put under policies here."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from authorizations.admin.base import (
    DASH,
    ModelAdmin,
    ModelForm,
    action,
    card_words,
    display,
    link,
)
from authorizations.admin.card_forms import CardForm
from authorizations.admin.freezing import freezing_page
from authorizations.admin.tables import badge, scope_words, table
from authorizations.models import Assignment, Card
from authorizations.services.groups import move


class NeverDeleted:
    """The record names these rows; and the next event would bring them back."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Card)
class CardAdmin(NeverDeleted, ModelAdmin[Card]):
    list_display = ("card", "cardholder_shown", "status", "frozen_label", "group", "currency_shown")
    list_filter = ("frozen", "status")
    list_select_related = ("cardholder", "group", "root__group")
    search_fields = ("id__exact", "last4__exact", "cardholder__name__icontains")
    search_help_text = "Card id, last four digits, or a part of the cardholder's name."
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    autocomplete_fields = ("cardholder", "group")
    actions = ("freeze_selected", "unfreeze_selected")
    actions_detail = ("freeze", "unfreeze")
    fieldsets = (
        (
            None,
            {"fields": ("id", "cardholder_shown", ("last4", "brand"), ("type", "currency_shown"))},
        ),
        ("State", {"fields": ("status", "frozen_shown", "replaces")}),
        ("Shared budget", {"fields": ("group",)}),
        ("Policies that apply", {"fields": ("policies",)}),
    )
    add_fieldsets = ((None, {"fields": ("id", "cardholder", "last4", "currency", "status")}),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Card]:
        return super().get_queryset(request).select_related("cardholder", "group", "root__group")

    def get_form(
        self, request: HttpRequest, obj: Card | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is None:
            kwargs["form"] = CardForm
        return super().get_form(request, obj, change, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Card | None = None) -> Any:
        """What Stripe told is Stripe's; a replacement's group is its chain's."""
        if obj is None:
            return ()
        shown = (
            *("id", "cardholder_shown", "last4", "brand", "type", "currency_shown", "status"),
            *("frozen_shown", "replaces", "policies"),
        )
        return shown if obj.root_id == obj.pk else (*shown, "group")

    def save_model(
        self, request: HttpRequest, obj: Card, form: ModelForm[Card], change: bool
    ) -> None:
        if not change:
            super().save_model(request, obj, form, change)
        elif "group" in form.changed_data:
            move(obj.pk, obj.group)

    @action(description="Freeze", icon="ac_unit", permissions=["change"])
    def freeze(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._freezing_one(request, object_id, frozen=True)

    @action(description="Unfreeze", icon="mode_heat", permissions=["change"])
    def unfreeze(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._freezing_one(request, object_id, frozen=False)

    @admin.action(description="Freeze selected cards", permissions=["change"])
    def freeze_selected(self, request: HttpRequest, queryset: QuerySet[Card]) -> HttpResponse:
        return self._freezing(request, queryset, frozen=True, action="freeze_selected")

    @admin.action(description="Unfreeze selected cards", permissions=["change"])
    def unfreeze_selected(self, request: HttpRequest, queryset: QuerySet[Card]) -> HttpResponse:
        return self._freezing(request, queryset, frozen=False, action="unfreeze_selected")

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> Any:
        """The one of the two that would change something."""
        is_frozen = Card.objects.filter(pk=unquote(object_id), frozen=True).exists()
        wanted = "unfreeze" if is_frozen else "freeze"
        actions = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        return [entry for entry in actions if entry.action_name.endswith(f"_card_{wanted}")]

    def _freezing_one(self, request: HttpRequest, object_id: str, *, frozen: bool) -> HttpResponse:
        card = get_object_or_404(self.get_queryset(request), pk=unquote(object_id))
        back = reverse("admin:authorizations_card_change", args=[object_id])
        return freezing_page(request, [card], frozen=frozen, action="", back=back)

    def _freezing(
        self, request: HttpRequest, cards: QuerySet[Card], *, frozen: bool, action: str
    ) -> HttpResponse:
        back = reverse("admin:authorizations_card_changelist")
        return freezing_page(request, list(cards), frozen=frozen, action=action, back=back)

    @display(description="Card", ordering="last4")
    def card(self, row: Card) -> str:
        return card_words(row)

    @display(description="Cardholder", ordering="cardholder__name")
    def cardholder_shown(self, row: Card) -> str:
        return link(row.cardholder)

    @display(description="Frozen", ordering="frozen")
    def frozen_label(self, row: Card) -> str | None:
        return badge("Frozen", "danger") if row.frozen else None

    @display(description="Frozen")
    def frozen_shown(self, row: Card) -> str:
        return f"Frozen: {row.frozen_reason}" if row.frozen else "No"

    @display(description="Currency", ordering="currency")
    def currency_shown(self, row: Card) -> str:
        return row.currency.upper()

    @display(description="Replaces")
    def replaces(self, row: Card) -> str:
        if row.root_id == row.pk:
            return DASH
        return format_html(
            "{} (limits, group and policies are those of {})", row.replacement_for, link(row.root)
        )

    @display(description="Policies")
    def policies(self, row: Card) -> SafeString:
        return table(
            ("Policy", "Applies through", "Version in force"),
            [
                (
                    link(assignment.policy),
                    scope_words(assignment),
                    str(assignment.policy.current_version or "Nothing yet"),
                )
                for assignment in assignments_of(row)
            ],
        )


def assignments_of(card: Card) -> QuerySet[Assignment]:
    """What is assigned to the card, its cardholder, its group and the whole program."""
    scopes = Q(program=True) | Q(card=card.root_id)
    if card.cardholder_id:
        scopes |= Q(cardholder=card.cardholder_id)
    if card.root.group_id:
        scopes |= Q(group=card.root.group_id)
    related = ("policy__current_version__policy", "group", "cardholder", "card")
    return Assignment.objects.filter(scopes).select_related(*related).order_by("policy__name")
