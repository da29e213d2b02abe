"""The list of what is in force: what is stopped or let through, and what has ended."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html

from authorizations.admin.lists.changelist import KeysetChangeList
from authorizations.admin.lists.filters import RecordFilters, choice_field, row_field
from authorizations.admin.lists.record_admin import RecordAdmin
from authorizations.admin.shared.links import DASH, link
from authorizations.admin.shared.named_limits import NamedLimits
from authorizations.admin.shared.times import exact_time
from authorizations.admin.shared.types import display
from authorizations.admin.stops.allowing import allow_page
from authorizations.admin.stops.leaving_out import leave_out_page
from authorizations.admin.stops.own_amount import own_amount_page
from authorizations.admin.stops.planned import all_planned
from authorizations.admin.stops.shown import keys_of_card, of_chain_alone
from authorizations.admin.stops.stopping import block_page, freeze_page, lift_page
from authorizations.admin.stops.words import (
    by_words,
    lift_link,
    limits_of,
    state_badge,
    used_link,
    what_words,
    where_links,
)
from authorizations.models import Assignment, Decision, Instruction
from authorizations.services.policies.stops import IS_OPEN, IS_OVER
from authorizations.services.queries.by_end import ByEnd
from authorizations.services.queries.by_key import ByKey
from authorizations.services.queries.listing import Listing

MAY_STOP, MAY_LIFT = "authorizations.add_instruction", "authorizations.add_lifting"


def _may_lift(request: HttpRequest) -> bool:
    return request.user.has_perm(MAY_LIFT)


class _StopsChangeList(KeysetChangeList):
    def get_results(self, request: HttpRequest) -> None:
        """Look up at once what all rows of the page hold for."""
        super().get_results(request)
        links, limits = where_links(self.result_list), limits_of(self.result_list)
        for row in self.result_list:
            row.where_link, row.limits = links[row.pk], limits
        self.is_by_end = not self.problems and not self.form.cleaned_data["state"]


def _limits(row: Any) -> NamedLimits:
    """The limits that it is about; the list looks up those of all rows at once."""
    if not hasattr(row, "limits"):
        row.limits = limits_of([row])
    return row.limits  # type: ignore[no-any-return]


PLANNED = "planned"


class InstructionFilters(RecordFilters):
    """Without a state, what is in force or begins later.

    Of a card, cardholder or group, what holds for it: also what it has from those above it.
    """

    field_order = ("state", "kind", "policy", "card", "cardholder", "group", "from", "to")
    state = choice_field("State", [("ended", "Ended, lifted or used"), ("all", "All")], "In force")
    kind = choice_field("Kind", [*Instruction.Kind.choices, (PLANNED, "Planned version")])
    policy = row_field("Policy", Instruction.policy, "No policy has this id.")
    card = row_field("For card", Assignment.card, "No card has this id.")
    cardholder = row_field("For cardholder", Assignment.cardholder, "No cardholder has this id.")
    group = row_field("For card group", Assignment.group, "No card group has this id.")

    @property
    def shows_ended(self) -> bool:
        return bool(self.cleaned_data["state"])

    @property
    def shows_planned(self) -> bool:
        """Whether planned versions match; they are of a policy, and of nobody."""
        found = self.cleaned_data
        is_wanted = found["kind"] in ("", PLANNED) and not found["state"]
        others = ("card", "cardholder", "group", "from", "to")
        return is_wanted and not any(found[name] for name in others)

    @property
    def condition(self) -> Q:
        found = self.cleaned_data
        condition = {"": IS_OPEN, "ended": IS_OVER, "all": Q()}[found["state"]]
        scope = "scope__in" if found["state"] else "open__scope__in"
        if found["kind"]:
            condition &= Q(kind=found["kind"])
        if policy := found["policy"]:
            waived = Q(kind=Instruction.Kind.EXCEPTION) & Q(
                terms__waives__contains=[{"policy": policy.pk}]
            )
            condition &= Q(policy=policy) | waived
        if card := found["card"]:
            condition &= Q(**{scope: keys_of_card(card)}) & ~of_chain_alone(card)
        for name in ("cardholder", "group"):
            if row := found[name]:
                condition &= Q(**{scope: ("program:", f"{name}:{row.pk}")})
        if self.since:
            condition &= Q(starts_at__gte=self.since)
        return condition & (Q(starts_at__lt=self.until) if self.until else Q())


@admin.register(Instruction)
class InstructionAdmin(RecordAdmin[Instruction]):
    list_display = ("what", "where", "state", "ends", "starts_at", "by", "reason", "lift")
    list_before_template = "admin/authorizations/stops_above.html"
    ordered_by = "starts_at"
    filters = InstructionFilters

    def get_list_display(self, request: HttpRequest) -> Any:
        return [name for name in self.list_display if name != "lift" or _may_lift(request)]

    def get_fieldsets(self, request: HttpRequest, obj: Instruction | None = None) -> Any:
        fields = ["what", "where", "state", "starts_at", "ends", "by", "reason", "lifted"]
        if obj and obj.kind == Instruction.Kind.EXCEPTION:
            fields = [*fields, "used", "declined"]
        return [(None, {"fields": [*fields, "lift"] if _may_lift(request) else fields})]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Instruction]:
        return super().get_queryset(request).select_related("lifting__author", "policy", "use")

    def get_urls(self) -> list[URLPattern]:
        def page(name: str, address: str, view: Callable[..., HttpResponse], right: str) -> Any:
            def allowed(request: HttpRequest, **ids: Any) -> HttpResponse:
                if not request.user.has_perm(right):
                    raise PermissionDenied
                return view(request, **ids)

            name = f"authorizations_instruction_{name}"
            return path(address, self.admin_site.admin_view(allowed), name=name)

        return [
            page("freeze", "freeze/", freeze_page, MAY_STOP),
            page("block", "block/", block_page, MAY_STOP),
            page("own", "own/", own_amount_page, MAY_STOP),
            page("allow", "allow/", allow_page, MAY_STOP),
            page("exclude", "exclude/", leave_out_page, MAY_STOP),
            page("lift", "<int:object_id>/lift/", lift_page, MAY_LIFT),
            *super().get_urls(),
        ]

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[KeysetChangeList]:
        return _StopsChangeList

    def listing(self, rows: QuerySet[Instruction], filters: RecordFilters, term: str) -> Listing:
        """What is in force by its end, as it is little; the rest by when it was written."""
        found = rows.filter(filters.condition)
        return ByKey(found) if cast("InstructionFilters", filters).shows_ended else ByEnd(found)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        may_see = request.user.has_perm("authorizations.view_policy")
        filters = InstructionFilters(request.GET)
        shows_planned = may_see and filters.is_valid() and filters.shows_planned
        extra = {
            "may_stop": request.user.has_perm(MAY_STOP),
            "planned": all_planned(filters.cleaned_data["policy"]) if shows_planned else [],
        }
        return super().changelist_view(request, {**(extra_context or {}), **extra})

    @display(description="What")
    def what(self, row: Instruction) -> str:
        return what_words(row, _limits(row))

    @display(description="For")
    def where(self, row: Instruction) -> str:
        found: str = getattr(row, "where_link", "") or where_links([row])[row.pk]
        return found

    @display(description="State")
    def state(self, row: Instruction) -> str:
        shown = state_badge(row, _limits(row), timezone.now())
        return format_html("{} {}", shown, used) if (used := used_link(row)) else shown

    @display(description="Until", empty_value="Until lifted")
    def ends(self, row: Instruction) -> Any:
        return exact_time(row.ends_at) if row.ends_at else None

    @display(description="By")
    def by(self, row: Instruction) -> str:
        return by_words(row)

    @display(description="Lifted")
    def lifted(self, row: Instruction) -> str:
        if not hasattr(row, "lifting"):
            return DASH
        ended = row.lifting
        author = ended.author.get_username() if ended.author else "a command"
        return f"By {author}: {ended.reason}"

    @display(description="Used by")
    def used(self, row: Instruction) -> str:
        return used_link(row) or "Nothing"

    @display(description="Given from")
    def declined(self, row: Instruction) -> str:
        key = row.terms.get("decision")
        found = Decision.objects.filter(pk=key).only("id").first() if key else None
        return link(found, "The declined request") if found else DASH

    @display(description="Undo")
    def lift(self, row: Instruction) -> str:
        return lift_link(row, timezone.now())
