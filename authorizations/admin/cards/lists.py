"""The list of cards: columns, filters and pages that stay quick with millions of cards."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from authorizations.admin.cards.grants import WITHOUT
from authorizations.admin.cards.state import state_badges
from authorizations.admin.shared.links import link
from authorizations.admin.shared.types import display
from authorizations.admin.stops.frozen import are_frozen, frozen_above
from authorizations.models import Card
from authorizations.services.cards.grants import ids_without_grant

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
else:
    from unfold.views import ChangeList

MAX_SELECTED = 1_000
"""Maximum cards that can be selected with one click; results are counted up to this number."""

PATIENCE_MS = 5_000
"""Time for finding the cards without a grant."""

_TOOK_TOO_LONG = (
    "Finding the cards without a grant took longer than five seconds, so none are shown. Search "
    "for a name as well, or try again when the database is less busy."
)


class CardColumns:
    """Columns that every list of cards shows."""

    @display(description="State")
    def state(self, row: Any) -> str:
        """`frozen_by` is set by the list, for all rows at once."""
        return state_badges(row, row.frozen_by)

    @display(description="Card group")
    def group_shown(self, row: Card) -> str:
        """The group of the card's replacement chain."""
        return link(row.root.group)

    @display(description="Currency")
    def currency_shown(self, row: Card) -> str:
        return row.currency.upper()


def with_freezes(cards: Iterable[Card]) -> list[Any]:
    """The cards of a page, each with what it is `frozen_by`."""
    rows: list[Any] = list(cards)
    frozen_by = frozen_above(rows)
    for row in rows:
        row.frozen_by = frozen_by[row.pk]
    return rows


class CardChangeList(ChangeList):
    def get_filters(self, request: HttpRequest) -> Any:
        """Marks the filters active only if a value narrows the list: not empty, not unknown."""
        specs, has_filters, params, duplicates, _ = super().get_filters(request)
        given = [value for spec in specs for value in spec.used_parameters.values()]
        return (
            specs,
            has_filters,
            params,
            duplicates,
            any(value not in ("", [""]) for value in given),
        )

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> QuerySet[Card]:
        """The cards that match; of those without a grant at most those of the page and after it.

        `begin` is the place in the list of the first of them.
        """
        cards: QuerySet[Card] = super().get_queryset(request, exclude_parameters)
        self.begin = 0
        if not any(isinstance(spec, GrantFilter) and spec.value() for spec in self.filter_specs):
            return cards
        page_end = self.page_num * self.list_per_page
        if page_end > MAX_SELECTED:
            self.begin = page_end - self.list_per_page
        end = self.begin + MAX_SELECTED + 1
        # A search leads to few cards, and these are quicker to look at one by one.
        found = ids_without_grant(
            cards, self.begin, end, timeout_ms=PATIENCE_MS, among_all=not self.query
        )
        if found is None:
            messages.error(request, _TOOK_TOO_LONG)
        return cards.filter(pk__in=found or ())

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if self.begin:
            self.result_list = self.queryset[: self.list_per_page]
        self.result_list = with_freezes(self.result_list)
        on_page = count = len(self.result_list)
        if on_page == self.list_per_page:
            count = self.queryset[: MAX_SELECTED + 1].count()
        self.result_count = count if self.begin + count <= MAX_SELECTED else on_page


class OwnValuesFilter(admin.SimpleListFilter):
    """A filter that ignores values it does not offer."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        if self.value() not in dict(self.lookup_choices):
            self.used_parameters.clear()


class GrantFilter(OwnValuesFilter):
    """Cards that cannot pay because no policy grants them anything."""

    title = "grant"
    parameter_name = "grant"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(WITHOUT, "Without a grant")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Card]) -> QuerySet[Card]:
        return queryset  # CardChangeList applies it, last


class StateFilter(OwnValuesFilter):
    """The state as the badges show it: a frozen card, by whatever, does not count as active."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*Card.Status.choices, ("frozen", "Frozen")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Card]) -> QuerySet[Card]:
        state = self.value()
        if state == "frozen":
            return queryset.filter(are_frozen())
        if state == Card.Status.ACTIVE:
            frozen = are_frozen()
            return queryset.filter(status=state).exclude(frozen) if frozen else queryset.none()
        return queryset.filter(status=state) if state else queryset
