"""The list of cards: filters and pages that stay quick however many cards there are."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from authorizations.admin.cards.granted import WITHOUT
from authorizations.admin.cards.state import state_badges
from authorizations.admin.shared.links import link
from authorizations.admin.shared.types import display
from authorizations.models import Card
from authorizations.services.cards.grants import without_grant

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
else:
    from unfold.views import ChangeList

MOST_AT_ONCE = 1_000
"""All cards found can be selected with one click up to so many; only these are counted."""


class CardColumns:
    """What every list of cards shows."""

    @display(description="State")
    def state(self, row: Card) -> str:
        return state_badges(row)

    @display(description="Card group")
    def group_shown(self, row: Card) -> str:
        """A replacement's group is its chain's."""
        return link(row.root.group)

    @display(description="Currency")
    def currency_shown(self, row: Card) -> str:
        return row.currency.upper()


class CardChangeList(ChangeList):
    def get_filters(self, request: HttpRequest) -> Any:
        """Only what narrows the list lights the filters up: no empty value, and none unknown."""
        specs, has_filters, params, duplicates, _ = super().get_filters(request)
        given = [value for spec in specs for value in spec.used_parameters.values()]
        return specs, has_filters, params, duplicates, any(it not in ("", [""]) for it in given)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        shown = found = len(self.result_list)
        if shown == self.list_per_page:
            found = self.queryset[: MOST_AT_ONCE + 1].count()
        self.result_count = found if found <= MOST_AT_ONCE else shown


class OwnValuesFilter(admin.SimpleListFilter):
    """Ignores a value that it does not offer."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        if self.value() not in dict(self.lookup_choices):
            self.used_parameters.clear()


class GrantFilter(OwnValuesFilter):
    """Cards that can pay for nothing: no policy grants it."""

    title = "grant"
    parameter_name = "grant"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(WITHOUT, "Without a grant")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Card]) -> QuerySet[Card]:
        if self.value() != WITHOUT:
            return queryset
        return queryset.filter(without_grant())


class StateFilter(OwnValuesFilter):
    """As the badges say it: a frozen card is not also an active one."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*Card.Status.choices, ("frozen", "Frozen")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Card]) -> QuerySet[Card]:
        state = self.value()
        if state == "frozen":
            return queryset.filter(frozen=True)
        if state == Card.Status.ACTIVE:
            return queryset.filter(status=state, frozen=False)
        return queryset.filter(status=state) if state else queryset
