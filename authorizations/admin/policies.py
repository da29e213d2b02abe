"""Spending policies: edited here, and in force as a new version as soon as they are saved."""

import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from authorizations.admin.assignment_forms import AssignmentFormSet
from authorizations.admin.base import (
    ModelAdmin,
    ModelForm,
    StackedInline,
    TabularInline,
    display,
    staff,
)
from authorizations.admin.coverage import cards_without_limit
from authorizations.admin.limit_forms import HoursForm, HoursFormSet, LimitForm, LimitFormSet
from authorizations.admin.policy_forms import PolicyForm
from authorizations.admin.tables import scope_words
from authorizations.admin.versions import VersionInline, in_sentences
from authorizations.models import Assignment, Policy, ScheduleEntry, SpendingLimit
from authorizations.rules.document import controls, warnings
from authorizations.services.publish import Published, publish

WHO, HOW_MUCH, WHERE, HOW, WHEN = "Who", "How much", "Where", "How", "When"
IN_FORCE, SAVING = "In force", "Saving"


class AssignmentInline(TabularInline[Assignment, Policy]):
    model = Assignment
    formset = AssignmentFormSet
    fields = ("program", "group", "cardholder", "card")
    autocomplete_fields = ("group", "cardholder", "card")
    verbose_name = "assignment"
    verbose_name_plural = "Assigned to"
    extra = 0
    hide_title = True
    below = WHO

    def get_queryset(self, request: HttpRequest) -> QuerySet[Assignment]:
        return super().get_queryset(request).select_related("group", "cardholder", "card")


class LimitInline(StackedInline[SpendingLimit, Policy]):
    model = SpendingLimit
    form = LimitForm
    formset = LimitFormSet
    fields = (
        ("amount", "count"),
        ("interval", "currency"),
        ("rolling_length", "rolling_unit"),
        ("categories", "countries"),
        ("merchants", "cash_only"),
    )
    verbose_name = "limit"
    verbose_name_plural = "Limits"
    extra = 0
    below = HOW_MUCH


class HoursInline(TabularInline[ScheduleEntry, Policy]):
    model = ScheduleEntry
    form = HoursForm
    formset = HoursFormSet
    fields = ("days", "start", "end")
    verbose_name = "days and hours"
    verbose_name_plural = "Days and hours (empty: always)"
    extra = 0
    hide_title = True
    below = WHEN


@admin.register(Policy)
class PolicyAdmin(ModelAdmin[Policy]):
    form = PolicyForm
    change_form_template = "admin/authorizations/policy_form.html"
    inlines = (AssignmentInline, LimitInline, HoursInline, VersionInline)
    list_display = ("name", "version_in_force", "assigned_to", "currency_code")
    search_fields = ("name",)
    readonly_fields = ("in_force",)
    fieldsets = (
        (IN_FORCE, {"fields": ("in_force",)}),
        (WHO, {"fields": ("name",)}),
        (
            HOW_MUCH,
            {
                "fields": (
                    "currency",
                    ("partial_approval", "smallest_partial_amount"),
                    "refunds_restore",
                )
            },
        ),
        (
            WHERE,
            {
                "fields": (
                    ("allowed_categories", "blocked_categories"),
                    ("allowed_merchant_countries", "blocked_merchant_countries"),
                    ("allowed_merchants", "blocked_merchants"),
                )
            },
        ),
        (
            HOW,
            {
                "fields": (
                    ("allowed_card_presences", "blocked_card_presences"),
                    ("allowed_authorization_methods", "blocked_authorization_methods"),
                    ("allowed_wallets", "required_verification"),
                    "max_network_risk_score",
                )
            },
        ),
        (WHEN, {"fields": (("time_zone", "week_starts"), ("usable_from", "usable_until"))}),
        (SAVING, {"fields": ("reason",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Policy]:
        assigned = ("assignments__group", "assignments__cardholder", "assignments__card")
        return (
            super()
            .get_queryset(request)
            .select_related("current_version")
            .prefetch_related(*assigned)
        )

    def get_fieldsets(self, request: HttpRequest, obj: Policy | None = None) -> Any:
        """Who may only look sees what is in force, in sentences."""
        if obj is None:
            return [part for part in self.fieldsets if part[0] != IN_FORCE]
        if not self.has_change_permission(request, obj):
            return [
                (IN_FORCE, {"fields": ("in_force",)}),
                (WHO, {"fields": ()}),
                (SAVING, {"fields": ()}),
            ]
        return self.fieldsets

    def get_inlines(self, request: HttpRequest, obj: Policy | None) -> Any:
        if obj and not self.has_change_permission(request, obj):
            return (AssignmentInline, VersionInline)
        return self.inlines if obj else self.inlines[:-1]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Decisions name its versions for ever; one without assignments concerns nobody."""
        return False

    def save_related(
        self, request: HttpRequest, form: ModelForm[Policy], formsets: Any, change: bool
    ) -> None:
        super().save_related(request, form, formsets, change)
        reason = form.cleaned_data["reason"]
        published = publish(form.instance, author=staff(request), reason=reason)
        self._tell(request, published, formsets)

    def _tell(self, request: HttpRequest, published: Published, formsets: Any) -> None:
        version = published.version
        if published.is_new:
            text = f"Version {version.number} is in force from the next purchase on."
        else:
            text = f"Nothing changed in the rules: version {version.number} stays in force."
        messages.success(request, text)
        for formset in formsets:
            for card in getattr(formset, "moved", ()):
                messages.info(
                    request,
                    f"{card} replaces another card: the policy is assigned to the first card of "
                    f"its chain, {card.root_id}, and so to all of them.",
                )
        value = controls(json.loads(version.content))
        for problem in warnings(value):
            messages.warning(request, problem.message)
        if sentence := cards_without_limit(version.policy_id, value):
            messages.warning(request, sentence)

    @display(description="What it says")
    def in_force(self, policy: Policy) -> SafeString | str:
        version = policy.current_version
        return in_sentences(version) if version else "Nothing yet: saving makes the first version."

    @display(description="In force", empty_value="Not published")
    def version_in_force(self, policy: Policy) -> str | None:
        version = policy.current_version
        return f"Version {version.number}" if version else None

    @display(description="Currency", ordering="currency")
    def currency_code(self, policy: Policy) -> str:
        return policy.currency.upper()

    @display(description="Assigned to")
    def assigned_to(self, policy: Policy) -> str:
        targets = [scope_words(assignment) for assignment in policy.assignments.all()]
        more = f" and {len(targets) - 3} more" if len(targets) > 3 else ""
        return ", ".join(targets[:3]) + more if targets else "Nobody"
