"""Pages of cards. Details come from Stripe's events; freezing and the group are set here."""

import re
import time
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.paginator import InfinitePaginator

from authorizations.admin.cards.card_page import CardPage
from authorizations.admin.cards.forms import CardForm, CardGroupingForm
from authorizations.admin.cards.freezing import freeze_page
from authorizations.admin.cards.grants import warn_of_lost_grants
from authorizations.admin.cards.lists import CardChangeList, CardColumns, GrantFilter, StateFilter
from authorizations.admin.history.of_object import WithHistory
from authorizations.admin.shared import asking
from authorizations.admin.shared.asking import AsksFirst
from authorizations.admin.shared.links import card_words, link
from authorizations.admin.shared.types import ModelAdmin, ModelForm, action, display
from authorizations.models import Card, CardGroup
from authorizations.services.cards.by_hand import add_unless_known
from authorizations.services.policies.groups import follow_metadata, move

STYLES = {"all": [f"authorizations/{name}.css" for name in ("policy", "history", "card")]}


class NeverDeleted:
    """No deleting: decisions refer to these rows, and the next event would add them again."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Card)
class CardAdmin(CardColumns, NeverDeleted, WithHistory, AsksFirst, ModelAdmin[Card]):
    list_display = ("card", "state", "cardholder_shown", "group_shown", "currency_shown", "id")
    list_filter = (StateFilter, GrantFilter, ("root__group", AutocompleteSelectFilter))
    list_filter_submit = True
    list_per_page = 50
    paginator = InfinitePaginator
    sortable_by = ()  # with millions of cards only newest-first order is quick
    change_form_template = "admin/authorizations/card.html"
    search_fields = ("cardholder__folded_name__contains_folded",)
    search_help_text = "Card id, last 4 digits, or part of the cardholder's name."
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    autocomplete_fields = ("cardholder", "group")
    actions = ("freeze_selected", "unfreeze_selected")
    actions_detail = ("freeze", "unfreeze")
    fieldsets = (
        (
            "Card group",
            {
                "fields": ("group",),
                "description": "What is assigned to the group applies to this card.",
            },
        ),
    )
    add_fieldsets = (
        (
            "Before its first purchase",
            {
                "fields": ("id", "cardholder", "last4", "currency", "status"),
                "description": "A card appears by itself with its first purchase. Add it earlier "
                "to give it policies; details from Stripe later replace yours.",
            },
        ),
    )

    class Media:
        css = STYLES

    def get_queryset(self, request: HttpRequest) -> QuerySet[Card]:
        # Not select_related, which would join the cards of all earlier pages as well.
        return super().get_queryset(request).prefetch_related("cardholder", "root__group")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return CardChangeList

    def get_form(
        self, request: HttpRequest, obj: Card | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is None:
            kwargs["form"] = CardForm
        elif self._may_follow_metadata(obj):
            kwargs["form"] = CardGroupingForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Card | None = None) -> Any:
        """Only the group can be edited, on the first card of a replacement chain."""
        if obj and (obj.root_id != obj.pk or not self.has_change_permission(request, obj)):
            return ()
        if obj is None:
            return super().get_fieldsets(request, obj)
        [(heading, options)] = self.fieldsets
        names = ("group", "by_metadata") if self._may_follow_metadata(obj) else ("group",)
        return ((heading, options | {"fields": names}), *asking.fieldset(request))

    def _may_follow_metadata(self, card: Card) -> bool:
        """Whether a rule says, or could, which group a card is in."""
        has_rules = CardGroup.objects.exclude(metadata_key="").exists()
        return has_rules or card.grouped_by == Card.GroupedBy.RULE

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **options: Any
    ) -> HttpResponse:
        if card := options.get("obj"):
            context["page"] = CardPage(card, int(time.time()))
            context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **options)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Card], search_term: str
    ) -> tuple[QuerySet[Card], bool]:
        """Searches last 4 digits, card id or name, each with its own index."""
        term = search_term.strip(" \N{BULLET}*")
        if re.fullmatch("[0-9]{4}", term):
            return queryset.filter(last4=term), False
        if term.startswith("ic_"):
            return queryset.filter(pk=term), False
        return super().get_search_results(request, queryset, term)

    def save_model(
        self, request: HttpRequest, obj: Card, form: ModelForm[Card], change: bool
    ) -> None:
        if not change:
            add_unless_known(obj)
        elif {"group", "by_metadata"}.intersection(form.changed_data):
            follows = isinstance(form, CardGroupingForm) and form.follows_metadata
            moved = follow_metadata(obj.pk) if follows else move(obj.pk, obj.group)
            asking.require(request, lost=moved.without_grant, begun=moved.begun)
            warn_of_lost_grants(request, moved.without_grant)

    @action(description="Freeze", icon="ac_unit", permissions=["change"])
    def freeze(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._freeze_one(request, object_id, frozen=True)

    @action(description="Unfreeze", icon="mode_heat", permissions=["change"])
    def unfreeze(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._freeze_one(request, object_id, frozen=False)

    @admin.action(description="Freeze selected cards", permissions=["change"])
    def freeze_selected(self, request: HttpRequest, queryset: QuerySet[Card]) -> HttpResponse:
        return self._freeze_selected(request, queryset, frozen=True, action="freeze_selected")

    @admin.action(description="Unfreeze selected cards", permissions=["change"])
    def unfreeze_selected(self, request: HttpRequest, queryset: QuerySet[Card]) -> HttpResponse:
        return self._freeze_selected(request, queryset, frozen=False, action="unfreeze_selected")

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> Any:
        """Freeze or Unfreeze: the one that would change the card."""
        is_frozen = Card.objects.filter(pk=unquote(object_id), frozen=True).exists()
        wanted = "unfreeze" if is_frozen else "freeze"
        actions = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        return [entry for entry in actions if entry.action_name.endswith(f"_card_{wanted}")]

    def _freeze_one(self, request: HttpRequest, object_id: str, *, frozen: bool) -> HttpResponse:
        card = get_object_or_404(self.get_queryset(request), pk=unquote(object_id))
        back = reverse("admin:authorizations_card_change", args=[object_id])
        return freeze_page(request, [card], frozen=frozen, action="", back=back)

    def _freeze_selected(
        self, request: HttpRequest, cards: QuerySet[Card], *, frozen: bool, action: str
    ) -> HttpResponse:
        back = reverse("admin:authorizations_card_changelist")
        return freeze_page(request, list(cards), frozen=frozen, action=action, back=back)

    @display(description="Card")
    def card(self, row: Card) -> str:
        return card_words(row)

    @display(description="Cardholder")
    def cardholder_shown(self, row: Card) -> str:
        return link(row.cardholder)
