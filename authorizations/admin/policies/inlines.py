"""The rows of a policy's page: its limits, its days and hours."""

from typing import Any

from authorizations.admin.policies.limit_forms import (
    HoursForm,
    HoursFormSet,
    LimitForm,
    LimitFormSet,
)
from authorizations.admin.shared.types import StackedInline, TabularInline
from authorizations.models import Policy, ScheduleEntry, SpendingLimit

WHO, HOW_MUCH, WHERE, HOW, WHEN = "Who", "How much", "Where", "How", "When"


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
    verbose_name_plural = "Allowed hours (empty: any time)"
    extra = 0
    hide_title = True
    below = WHEN


INLINES: tuple[Any, ...] = (LimitInline, HoursInline)
