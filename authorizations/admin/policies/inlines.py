"""The rows of a policy's page: where it is assigned, its limits, its days and hours."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from authorizations.admin.base import StackedInline, TabularInline
from authorizations.admin.policies.assignment_forms import AssignmentForm, AssignmentFormSet
from authorizations.admin.policies.limit_forms import (
    HoursForm,
    HoursFormSet,
    LimitForm,
    LimitFormSet,
)
from authorizations.models import Assignment, Policy, ScheduleEntry, SpendingLimit

WHO, HOW_MUCH, WHERE, HOW, WHEN = "Who", "How much", "Where", "How", "When"


class AssignmentInline(TabularInline[Assignment, Policy]):
    model = Assignment
    form = AssignmentForm
    formset = AssignmentFormSet
    fields = ("kind", "group", "cardholder", "card")
    autocomplete_fields = ("group", "cardholder", "card")
    verbose_name = "assignment"
    verbose_name_plural = "Assigned to"
    extra = 0
    hide_title = True
    below = WHO

    def get_queryset(self, request: HttpRequest) -> QuerySet[Assignment]:
        rows = super().get_queryset(request)
        return rows.select_related("group", "cardholder", "card").order_by("pk")


class LimitInline(StackedInline[SpendingLimit, Policy]):
    model = SpendingLimit
    form = LimitForm
    formset = LimitFormSet
    fields = (
        ("amount", "count"),
        ("interval", "currency"),
        ("rolling_length", "rolling_unit"),
        ("categories", "countries"),
        "merchants",
        "cash_only",
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
    verbose_name = "time of the week"
    verbose_name_plural = "Days and hours (none: always)"
    extra = 0
    hide_title = True
    below = WHEN


INLINES: tuple[Any, ...] = (AssignmentInline, LimitInline, HoursInline)
