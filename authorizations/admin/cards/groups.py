"""Pages of card groups; the cards of a group are chosen on its page."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from authorizations.admin.cards import group_state
from authorizations.admin.cards.budget_pages import budget_of_group
from authorizations.admin.cards.grants import warn_of_lost_grants
from authorizations.admin.cards.lists import with_freezes
from authorizations.admin.cards.pages import STYLES, NeverDeleted
from authorizations.admin.cards.state import state_badges
from authorizations.admin.concurrent.watched import State, Watched
from authorizations.admin.history.of_object import WithHistory
from authorizations.admin.lists.filters import ChooseRows
from authorizations.admin.shared import asking
from authorizations.admin.shared.asking import AsksFirst
from authorizations.admin.shared.links import card_words, link
from authorizations.admin.shared.tables import table
from authorizations.admin.shared.types import ModelAdmin, ModelForm, display
from authorizations.models import Assignment, Card, CardGroup
from authorizations.services.policies import groups

MAX_LISTED = 20
"""Maximum cards listed on the page of a group."""

MAX_CHOSEN = 1_000
"""Maximum cards of a group that can be chosen on its page."""

_TOO_MANY = (
    f"This group has more than {MAX_CHOSEN:,} cards. To add or remove a card, choose its group on "
    "the page of the card."
)


def has_many_cards(group: CardGroup | None) -> bool:
    return bool(group and group.pk and group.cards.all()[MAX_CHOSEN:].exists())


def how_grouped(card: Card) -> str:
    """Whether a root is in its group by hand or by metadata."""
    return str(Card.GroupedBy(card.grouped_by or Card.GroupedBy.HAND).label)


class CardGroupForm(ModelForm[CardGroup]):
    cards = forms.ModelMultipleChoiceField(
        Card.objects.all(),
        required=False,
        # Any foreign key to cards will do: the widget takes the model from it.
        widget=ChooseRows(Assignment._meta.get_field("card"), admin.site),
        help_text="Cards of other groups move here. A replacement follows the card it replaces.",
    )

    class Meta:
        model = CardGroup
        fields = ("name", "description", "metadata_key", "metadata_value")
        help_texts = {
            "metadata_key": "Cards join by themselves that have this key and value in their "
            "metadata at Stripe, or else their cardholder: with the next event about them, and new "
            "ones with their first purchase. Empty for none.",
        }
        error_messages = {
            "name": {
                "required": "Give the group a name.",
                "unique": "A different group has this name. Choose another.",
            },
        }

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        key, value = (self.cleaned_data.get(name) for name in ("metadata_key", "metadata_value"))
        if bool(key) != bool(value):
            missing = "metadata_value" if key else "metadata_key"
            self.add_error(missing, "Give both the key and the value, or neither.")
        return cleaned

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if has_many_cards(self.instance):
            del self.fields["cards"]
        elif self.instance.pk:
            self.initial["cards"] = list(self.instance.cards.values_list("pk", flat=True))


@admin.register(CardGroup)
class CardGroupAdmin(NeverDeleted, WithHistory, AsksFirst, Watched, ModelAdmin[CardGroup]):
    form = CardGroupForm
    fields = ("name", "description", "metadata_key", "metadata_value", "cards")
    change_form_template = "admin/authorizations/shared.html"
    list_display = ("name", "description", "card_count")
    search_fields = ("name__folded_contains",)
    search_help_text = "Part of the group's name."
    show_full_result_count = False
    sortable_by = ("name",)

    class Media:
        css = STYLES

    def get_queryset(self, request: HttpRequest) -> QuerySet[CardGroup]:
        cards = Card.objects.filter(group=OuterRef("pk")).order_by().values("group")
        number = Subquery(cards.annotate(number=Count("pk")).values("number"))
        every: QuerySet[CardGroup] = super().get_queryset(request)
        return every.annotate(number_of_cards=Coalesce(number, 0))

    def get_fieldsets(self, request: HttpRequest, obj: CardGroup | None = None) -> Any:
        may_edit = self.has_change_permission(request, obj) if obj else True
        is_large = has_many_cards(obj)
        own = self.fields if may_edit and not is_large else self.fields[:-1]
        if not obj:
            return ((None, {"fields": own}),)
        note = _TOO_MANY if may_edit and is_large else ""
        return (
            (None, {"fields": own}),
            ("Cards", {"fields": ("card_list",), "description": note}),
            *asking.fieldset(request),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: CardGroup | None = None) -> Any:
        return ("card_list",) if obj else ()

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **options: Any
    ) -> HttpResponse:
        if group := options.get("obj"):
            context["page"] = budget_of_group(group)
        return super().render_change_form(request, context, *args, **options)

    def state(self, obj: CardGroup) -> State:
        return group_state.state(obj, with_cards=not has_many_cards(obj))

    def changes(self, shown: State, now: State) -> list[str]:
        return group_state.changes(shown, now)

    def save_model(
        self, request: HttpRequest, obj: CardGroup, form: ModelForm[CardGroup], change: bool
    ) -> None:
        """Saves group and cards together: cards must be locked before anything is written."""
        if "cards" not in form.cleaned_data:
            obj.save()
            return
        chosen = form.cleaned_data["cards"]
        moved = groups.save(obj, [card.pk for card in chosen])
        asking.require(request, lost=moved.without_grant, begun=moved.begun)
        if moved.from_groups:
            messages.info(request, f"Cards were taken out of: {', '.join(moved.from_groups)}.")
        warn_of_lost_grants(request, moved.without_grant)
        for card in chosen:
            if card.root_id != card.pk:
                text = f"{card} replaces an older card; its whole replacement chain moved along."
                messages.info(request, text)

    @display(description="Cards")
    def card_count(self, row: Any) -> str:
        url = f"{reverse('admin:authorizations_card_changelist')}?root__group__id__exact={row.pk}"
        words = "1 card" if row.number_of_cards == 1 else f"{row.number_of_cards:,} cards"
        return format_html('<a class="text-link" href="{}">{}</a>', url, words)

    @display(description="Latest cards")
    def card_list(self, row: CardGroup) -> SafeString:
        cards = with_freezes(row.cards.select_related("cardholder", "root")[:MAX_LISTED])
        rows = [
            (
                link(card, card_words(card)),
                state_badges(card, card.frozen_by),
                link(card.cardholder),
                card.pk,
                *([how_grouped(card)] if row.metadata_key else []),
            )
            for card in cards
        ]
        heads = ("Card", "State", "Cardholder", "Card id")
        shown = table((*heads, "In the group") if row.metadata_key else heads, rows)
        return format_html("{}<p>All: {}</p>", shown, self.card_count(row))
