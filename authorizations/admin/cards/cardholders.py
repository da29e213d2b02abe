"""Pages of cardholders, who appear with Stripe's events or are added by hand."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.forms import PaginationInlineFormSet
from unfold.paginator import InfinitePaginator

from authorizations.admin.cards.budget_pages import budget_of_cardholder
from authorizations.admin.cards.forms import CardholderForm
from authorizations.admin.cards.lists import CardColumns, with_freezes
from authorizations.admin.cards.pages import STYLES, NeverDeleted
from authorizations.admin.history.of_object import WithHistory
from authorizations.admin.lists.record_admin import ReadOnly
from authorizations.admin.shared.links import card_words, link
from authorizations.admin.shared.types import ModelAdmin, ModelForm, TabularInline, display
from authorizations.models import Card, Cardholder
from authorizations.services.cards.by_hand import add_unless_known, rename


class _CardFormSet(PaginationInlineFormSet):  # type: ignore[misc]
    def get_queryset(self) -> Any:
        """The cards of the page, with what each is frozen by; looked up once."""
        if not hasattr(self, "cards"):
            self.cards = with_freezes(super().get_queryset())
        return self.cards


class CardInline(CardColumns, ReadOnly, TabularInline[Card, Cardholder]):
    model = Card
    fields = ("card", "state", "group_shown", "currency_shown", "id_shown")
    readonly_fields = fields
    formset = _CardFormSet
    hide_title = True
    per_page = 20

    def get_queryset(self, request: HttpRequest) -> QuerySet[Card]:
        return super().get_queryset(request).select_related("root__group")

    @display(description="Card")
    def card(self, row: Card) -> str:
        return link(row, card_words(row))

    @display(description="Card id")
    def id_shown(self, row: Card) -> str:
        return row.pk


@admin.register(Cardholder)
class CardholderAdmin(NeverDeleted, WithHistory, ModelAdmin[Cardholder]):
    list_display = ("name_shown", "id", "first_seen")
    search_fields = ("id__exact", "folded_name__contains_folded")
    search_help_text = "Cardholder id, or part of the name."
    show_full_result_count = False
    list_per_page = 50
    paginator = InfinitePaginator
    sortable_by = ()
    inlines = (CardInline,)
    change_form_template = "admin/authorizations/shared.html"

    class Media:
        css = STYLES

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
        return ("id", "name")

    def get_readonly_fields(self, request: HttpRequest, obj: Cardholder | None = None) -> Any:
        """The name can be edited until Stripe sends one."""
        if obj is None:
            return ()
        return ("id", "name") if obj.details_at else ("id",)

    def get_inlines(self, request: HttpRequest, obj: Cardholder | None) -> Any:
        return self.inlines if obj else ()

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **options: Any
    ) -> HttpResponse:
        if cardholder := options.get("obj"):
            context["page"] = budget_of_cardholder(cardholder)
        return super().render_change_form(request, context, *args, **options)

    def save_model(
        self, request: HttpRequest, obj: Cardholder, form: ModelForm[Cardholder], change: bool
    ) -> None:
        if not change:
            add_unless_known(obj)
        else:
            rename(obj)

    @display(description="Name")
    def name_shown(self, row: Cardholder) -> str:
        return str(row)
