"""The list of what was added to pots and taken out of them."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from authorizations.admin.funds.entering import entering_page
from authorizations.admin.lists.changelist import KeysetChangeList
from authorizations.admin.lists.filters import RecordFilters, row_field
from authorizations.admin.lists.record_admin import RecordAdmin
from authorizations.admin.shared.named_limits import named_limits
from authorizations.admin.shared.types import display
from authorizations.admin.stops.words import by_words, where_links
from authorizations.models import FundEntry
from authorizations.rules.basics.money import format_money
from authorizations.rules.policy.summary import limit_phrase
from authorizations.services.queries.by_key import ByKey
from authorizations.services.queries.listing import Listing

MAY_ENTER = "authorizations.add_fundentry"


class FundFilters(RecordFilters):
    field_order = ("policy", "from", "to")
    policy = row_field("Policy", FundEntry.policy, "No policy has this id.")

    @property
    def condition(self) -> Q:
        policy = self.cleaned_data["policy"]
        entered = Q(policy=policy) if policy else Q()
        entered &= Q(entered_at__gte=self.since) if self.since else Q()
        return entered & (Q(entered_at__lt=self.until) if self.until else Q())


class _FundsChangeList(KeysetChangeList):
    def get_results(self, request: HttpRequest) -> None:
        """Look up at once whose funds all rows of the page are of."""
        super().get_results(request)
        links = where_links(self.result_list)
        for row in self.result_list:
            row.where_link = links[row.pk]


@admin.register(FundEntry)
class FundEntryAdmin(RecordAdmin[FundEntry]):
    list_display = ("entered_at", "where", "policy", "amount_shown", "reference", "reason", "by")
    ordered_by = "entered_at"
    filters = FundFilters
    fieldsets = (
        (
            None,
            {
                "fields": (
                    *("entered_at", "where", "policy", "limit_shown", "amount_shown"),
                    *("reference", "reason", "by"),
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[FundEntry]:
        return super().get_queryset(request).select_related("policy", "author")

    def get_urls(self) -> list[URLPattern]:
        def enter(request: HttpRequest) -> HttpResponse:
            if not request.user.has_perm(MAY_ENTER):
                raise PermissionDenied
            return entering_page(request)

        view = self.admin_site.admin_view(enter)
        address = path("enter/", view, name="authorizations_fundentry_enter")
        return [address, *super().get_urls()]

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[KeysetChangeList]:
        return _FundsChangeList

    def listing(self, rows: QuerySet[FundEntry], filters: RecordFilters, term: str) -> Listing:
        return ByKey(rows.filter(filters.condition))

    @display(description="For")
    def where(self, row: FundEntry) -> str:
        found: str = getattr(row, "where_link", "") or where_links([row])[row.pk]
        return found

    @display(description="Limit")
    def limit_shown(self, row: FundEntry) -> str:
        limit = named_limits([row.policy_id]).limits.get((row.policy_id, row.limit_key))
        words = limit_phrase(limit) if limit else "A limit that the policy does not have now"
        return words[:1].upper() + words[1:]

    @display(description="Amount")
    def amount_shown(self, row: FundEntry) -> str:
        amount = format_money(row.amount, row.currency)
        return f"+{amount}" if row.amount > 0 else amount

    @display(description="By")
    def by(self, row: FundEntry) -> str:
        return by_words(row)
