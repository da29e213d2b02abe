"""Filters of the decision list, in the words of its columns and without looking at the table."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from authorizations.models import Decision
from authorizations.rules.reasons import label
from authorizations.rules.values import DeclineReason


class OutcomeFilter(admin.SimpleListFilter):
    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("approved", "Approved"), ("part", "In part"), ("declined", "Declined")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Decision]) -> QuerySet[Decision]:
        match self.value():
            case "approved":
                return queryset.filter(approved=True, is_partial=False)
            case "part":
                return queryset.filter(is_partial=True)
            case "declined":
                return queryset.filter(approved=False)
        return queryset


class ReasonFilter(admin.SimpleListFilter):
    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(reason), label(reason)) for reason in DeclineReason]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Decision]) -> QuerySet[Decision]:
        return queryset.filter(reason=self.value()) if self.value() else queryset
