"""The changelist of the record: keyset pages, and the active filters in words."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import quote

from django.db.models import QuerySet
from django.http import HttpRequest

from authorizations.admin.lists.filters import Chip, RecordFilters
from authorizations.services.queries import listing
from authorizations.services.queries.listing import Listing, Page, WrongKeyError

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
else:
    from unfold.views import ChangeList

BEFORE, AFTER = "before", "after"

# Query parameters beside filters: Django's own, and the key where a page begins.
_OTHER_PARAMETERS = {BEFORE, AFTER, "q", "p", "o", "e", "all", "_popup", "_to_field", "_facets"} | {
    "_changelist_filters"
}
_WRONG_KEY = "This page does not exist. The address may be incomplete: start at the newest."
_PAGES = "admin/authorizations/pages.html"
_MAX_CHARACTERS = 60
"""Maximum characters shown of a term or parameter."""


class FilterPanel:
    """Renders the form with all filters in the place of unfold's separate filters."""

    title = ""
    template = "admin/authorizations/filters.html"

    def __init__(self, form: RecordFilters) -> None:
        self.form = form
        # The form removes these parameters: a new filter starts at the newest row.
        self.used_parameters = dict.fromkeys((*form.fields, BEFORE, AFTER, "p", "o", "e"))

    def choices(self, _: Any) -> list[Any]:
        return []


class ActiveFilter(NamedTuple):
    """A filter in words, and the address of the list without it."""

    words: str
    without: str


class KeysetChangeList(ChangeList):
    """A keyset page of a list, with its filters.

    `problems` are sentences about parameters that can't be read. If there are any, the list is
    empty: a wrong filter must not show everything.
    """

    form: RecordFilters
    problems: list[str]
    listing: Listing
    page: Page

    def get_queryset(self, request: HttpRequest, *_: Any, **__: Any) -> QuerySet[Any]:
        """All rows; the listing applies the filters."""
        record: Any = self.model_admin
        rows = self.apply_select_related(self.root_queryset)
        for name in (BEFORE, AFTER):  # links that change filters start at the newest
            self.params.pop(name, None)
            self.filter_params.pop(name, None)
        self.form = record.filters(request.GET)
        known = {*self.form.fields, *_OTHER_PARAMETERS}
        self.problems = self.form.problems() + [
            f"This list has no filter “{name[:_MAX_CHARACTERS]}”. Choose one under Filters."
            for name in request.GET
            if name not in known
        ]
        if not self.problems:
            self.listing = record.listing(rows, self.form, self.term)
        # What unfold's templates ask about filters.
        self.filter_specs = [cast("Any", FilterPanel(self.form))]
        self.has_filters = True
        self.has_active_filters = bool(self.problems) or any(self.form.chips())
        self.clear_all_filters_qs = f"?q={quote(self.query)}" if self.query else "?"
        return rows

    def get_results(self, request: HttpRequest) -> None:
        """Loads the page without counting the rows."""
        self.page = Page([])
        if not self.problems:
            place = {name: request.GET.get(name, "") for name in (BEFORE, AFTER)}
            try:
                self.page = listing.page(self.listing, size=self.list_per_page, **place)
            except WrongKeyError:
                self.problems.append(_WRONG_KEY)
        self.result_list = self.page.rows
        self.result_count = len(self.page.rows)
        self.full_result_count = None
        self.show_full_result_count = False
        self.show_admin_actions = bool(self.model_admin.get_actions(request))
        self.can_show_all = self.multi_page = False
        self.paginator = cast("Any", SimpleNamespace(template_name=_PAGES))

    def chunks(self, size: int = 1000) -> Iterator[list[Any]]:
        """All filtered rows, newest first; each chunk is loaded by its own short query."""
        if not self.problems:
            yield from listing.chunks(self.listing, size)

    def describe(self, request: HttpRequest | None = None) -> str:
        """The active filters and the search in words; empty if all rows are shown."""
        return " \N{MIDDLE DOT} ".join(active.words for active in self.active)

    @property
    def active(self) -> list[ActiveFilter]:
        """The active filters and the search, each with the address of the list without it."""
        chips = [] if self.problems else list(self.form.chips())
        if self.term and not self.problems:
            shown = self.term[:_MAX_CHARACTERS]
            shown += "…" if len(self.term) > _MAX_CHARACTERS else ""
            chips.append(Chip(f"Search “{shown}”", ("q",)))
        return [
            ActiveFilter(chip.words, self.get_query_string(dict.fromkeys(chip.names)))
            for chip in chips
        ]

    @property
    def term(self) -> str:
        """The search term, without the bullets that lists show before last four digits."""
        return self.query.strip(" \N{BULLET}*")

    @property
    def newest_url(self) -> str:
        return self.get_query_string()

    @property
    def newer_url(self) -> str:
        return self._url(AFTER, self.page.newer)

    @property
    def older_url(self) -> str:
        return self._url(BEFORE, self.page.older)

    def _url(self, name: str, key: str) -> str:
        return self.get_query_string({name: key}) if key else ""
