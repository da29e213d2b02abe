"""Card groups, with their cards chosen on the group's own page."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelectMultiple
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from authorizations.admin.base import ModelAdmin, ModelForm, display
from authorizations.admin.cards import NeverDeleted
from authorizations.models import Assignment, Card, CardGroup
from authorizations.services import groups


class CardGroupForm(ModelForm[CardGroup]):
    cards = forms.ModelMultipleChoiceField(
        Card.objects.all(),
        required=False,
        # Any foreign key to cards will do: it names the cards to choose from.
        widget=AutocompleteSelectMultiple(Assignment._meta.get_field("card"), admin.site),
        help_text="A card that is in another group moves here. Replacements follow their card.",
    )

    class Meta:
        model = CardGroup
        fields = ("name", "description")
        error_messages = {
            "name": {
                "required": "Give the group a name.",
                "unique": "Another group has this name: choose a different one.",
            },
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["cards"] = list(self.instance.cards.values_list("pk", flat=True))


@admin.register(CardGroup)
class CardGroupAdmin(NeverDeleted, ModelAdmin[CardGroup]):
    form = CardGroupForm
    fields = ("name", "description", "cards")
    list_display = ("name", "description", "card_count")
    search_fields = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[CardGroup]:
        return super().get_queryset(request).annotate(number_of_cards=Count("cards"))

    def get_fields(self, request: HttpRequest, obj: CardGroup | None = None) -> Any:
        may_edit = self.has_change_permission(request, obj) if obj else True
        return self.fields if may_edit else ("name", "description", "card_list")

    def save_model(
        self, request: HttpRequest, obj: CardGroup, form: ModelForm[CardGroup], change: bool
    ) -> None:
        """The cards are locked before anything is written, so not in save_related."""
        chosen = form.cleaned_data["cards"]
        moved = groups.save(obj, [card.pk for card in chosen])
        if moved.from_groups:
            names = ", ".join(moved.from_groups)
            messages.info(request, f"Cards moved here from: {names}.")
        for card in chosen:
            if card.root_id != card.pk:
                text = f"{card} replaces another card: the first card of its chain was taken."
                messages.info(request, text)

    @display(description="Cards", ordering="number_of_cards")
    def card_count(self, row: Any) -> int:
        return int(row.number_of_cards)

    @display(description="Cards")
    def card_list(self, row: CardGroup) -> str:
        return ", ".join(map(str, row.cards.all()))
