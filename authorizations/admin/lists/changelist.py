"""Lists of the record: pages by key, filters of their own, and the active ones in words."""

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

# What an address may hold beside filters: Django's own words, and where a page begins.
_OTHER_WORDS = {BEFORE, AFTER, "q", "p", "o", "e", "all", "_popup", "_to_field", "_facets"} | {
    "_changelist_filters"
}
_NO_KEY = "This page of the list can't be found; the address may be cut off. Begin at the newest."
_PAGES = "admin/authorizations/pages.html"
_SHOWN = 60


class Panel:
    """The form of all filters, where unfold expects one filter after the other."""

    title = ""
    template = "admin/authorizations/filters.html"

    def __init__(self, form: RecordFilters) -> None:
        self.form = form
        # Sending the form begins at the newest again.
        self.used_parameters = dict.fromkeys((*form.fields, BEFORE, AFTER, "p", "o", "e"))

    def choices(self, _: Any) -> list[Any]:
        return []


class ActiveFilter(NamedTuple):
    """In words, and the address of the list without it."""

    words: str
    without: str


class KeysetChangeList(ChangeList):
    """A page of a list of the record, and all that is to be known of its filters.

    `problems` are sentences about what could not be read; then there are no rows at all.
    """

    form: RecordFilters
    problems: list[str]
    listing: Listing
    page: Page

    def get_queryset(self, request: HttpRequest, *_: Any, **__: Any) -> QuerySet[Any]:
        """All rows: the filters are the listing's business."""
        record: Any = self.model_admin
        rows = self.apply_select_related(self.root_queryset)
        for name in (BEFORE, AFTER):  # links that change the filters begin at the newest
            self.params.pop(name, None)
            self.filter_params.pop(name, None)
        self.form = record.filters(request.GET)
        self.problems = [*self.form.problems(), *self._unknown_words(request)]
        if not self.problems:
            self.listing = record.listing(rows, self.form, self.typed)
        self._tell_unfold()
        return rows

    def get_results(self, request: HttpRequest) -> None:
        """The page, without counting anything."""
        self.page = self._page(request)
        self.result_list = self.page.rows
        self.result_count = len(self.page.rows)
        self.full_result_count = None
        self.show_full_result_count = False
        self.show_admin_actions = bool(self.model_admin.get_actions(request))
        self.can_show_all = self.multi_page = False
        self.paginator = cast("Any", SimpleNamespace(template_name=_PAGES))

    def chunks(self, size: int = 1000) -> Iterator[list[Any]]:
        """All filtered rows, newest first; each chunk by a short query of its own."""
        if not self.problems:
            yield from listing.chunks(self.listing, size)

    def describe(self, request: HttpRequest | None = None) -> str:
        """The active filters and the search in words; "" where everything is shown."""
        return " \N{MIDDLE DOT} ".join(active.words for active in self.active)

    @property
    def active(self) -> list[ActiveFilter]:
        """What the list is narrowed to, each with the way to do without it."""
        chips = [] if self.problems else [*self.form.chips(), *self._searched()]
        return [
            ActiveFilter(chip.words, self.get_query_string(dict.fromkeys(chip.names)))
            for chip in chips
        ]

    @property
    def typed(self) -> str:
        """What is searched for; last four digits are found as lists show them, "•••• 4242"."""
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

    def _page(self, request: HttpRequest) -> Page:
        if self.problems:
            return Page([])
        place = {name: request.GET.get(name, "") for name in (BEFORE, AFTER)}
        try:
            return listing.page(self.listing, size=self.list_per_page, **place)
        except WrongKeyError:
            self.problems.append(_NO_KEY)
            return Page([])

    def _unknown_words(self, request: HttpRequest) -> list[str]:
        known = {*self.form.fields, *_OTHER_WORDS}
        return [
            f"This list has no filter “{name[:_SHOWN]}”. Choose one under Filters."
            for name in request.GET
            if name not in known
        ]

    def _searched(self) -> list[Chip]:
        term = self.typed
        shown = term if len(term) <= _SHOWN else f"{term[:_SHOWN]}…"
        return [Chip(f"Search “{shown}”", ("q",))] if term else []

    def _tell_unfold(self) -> None:
        """What its templates ask about filters."""
        self.filter_specs = [cast("Any", Panel(self.form))]
        self.has_filters = True
        self.has_active_filters = bool(self.problems) or any(self.form.chips())
        self.clear_all_filters_qs = f"?q={quote(self.query)}" if self.query else "?"
