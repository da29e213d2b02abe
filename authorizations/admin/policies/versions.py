"""Versions of policies: when each was in force, who saved it, why, and what it changed."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet, Window
from django.db.models.functions import Lag
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from authorizations.admin.concurrent.watched import person
from authorizations.admin.lists.record_admin import IN_TEMPLATE, ReadOnly, RecordAdmin
from authorizations.admin.shared.links import link
from authorizations.admin.shared.times import exact_time
from authorizations.admin.shared.types import TabularInline, display
from authorizations.models import Policy, PolicyVersion
from authorizations.rules.policy.differences import PolicyEdit, differences
from authorizations.rules.policy.document import controls
from authorizations.rules.policy.summary import summary

MAX_CHANGES = 3
"""Maximum changes of a version in the list of versions."""


class VersionInline(ReadOnly, TabularInline[PolicyVersion, Policy]):
    model = PolicyVersion
    fields = ("version", "saved", "by", "why", "changed")
    readonly_fields = fields
    verbose_name_plural = "Versions"
    per_page = 10
    hide_title = True
    below = "Saving"

    def get_queryset(self, request: HttpRequest) -> QuerySet[PolicyVersion]:
        before = Window(Lag("content"), partition_by=F("policy"), order_by="number")
        rows = super().get_queryset(request)
        rows = rows.select_related("author", "policy", "plan", "plan_cancellation")
        return rows.annotate(content_before=before)

    @display(description="Version")
    def version(self, row: PolicyVersion) -> str:
        return link(row, f"Version {row.number}")

    @display(description="In force from")
    def saved(self, row: PolicyVersion) -> str:
        return tenure_words(row)

    @display(description="By")
    def by(self, row: PolicyVersion) -> str:
        return author(row)

    @display(description="Reason", empty_value="Not given")
    def why(self, row: PolicyVersion) -> str | None:
        return row.reason or None

    @display(description="What it changed")
    def changed(self, row: Any) -> SafeString | str:
        if row.content_before is None:
            return "The first version"
        found = differences(json.loads(row.content_before), json.loads(row.content))
        lines: list[Any] = [*found[:MAX_CHANGES]]
        if len(found) > MAX_CHANGES:
            before = PolicyVersion(number=row.number - 1)  # versions are numbered without gaps
            url = differences_url(row.policy_id, before, row)
            more = f"and {len(found) - MAX_CHANGES} more"
            lines.append(format_html('<a href="{}" class="text-link">{}</a>', url, more))
        return format_html_join("", "<p>{}</p>", [(line,) for line in lines])


@admin.register(PolicyVersion)
class PolicyVersionAdmin(RecordAdmin[PolicyVersion]):
    change_form_template = "admin/authorizations/version.html"
    list_display = ("version", "created_at", "by", "reason")
    list_display_links = ("version",)
    list_select_related = ("policy", "author")
    ordered_by = "created_at"
    long_columns = ("content",)
    search_fields = ("policy__name__folded_contains", "sha256__exact")
    fieldsets = IN_TEMPLATE

    def page(self, row: PolicyVersion) -> dict[str, Any]:
        before = row.policy.versions.filter(number__lt=row.number).order_by("-number").first()
        return {
            "is_in_force": row == row.policy.version_in_force,
            "is_planned": row in [plan.version for plan in row.policy.listed_plans],
            "facts": [
                ("Policy", link(row.policy)),
                ("In force from", tenure_words(row)),
                ("By", author(row)),
                ("Reason", row.reason or "Not given"),
            ],
            "sentences": summary(controls(json.loads(row.content))),
            "before": before,
            "changes": version_changes(before, row),
            "compare": differences_url(row.policy_id, before, row) if before else "",
        }

    @display(description="Version")
    def version(self, row: PolicyVersion) -> str:
        return str(row)

    @display(description="Author")
    def by(self, row: PolicyVersion) -> str:
        return author(row)


def begins_at(version: PolicyVersion) -> datetime:
    """When a version is in force from, if no other one is."""
    return version.plan.begins_at if hasattr(version, "plan") else version.created_at


def tenure_words(version: PolicyVersion) -> str:
    """ "1 Dec 2026, 00:00:00 UTC, until 15 Dec 2026, 00:00:00 UTC; cancelled: Too early"."""
    words = exact_time(begins_at(version))
    if hasattr(version, "plan"):
        words += f", until {exact_time(version.plan.ends_at)}" if version.plan.ends_at else ""
        words += " (planned)"
    if hasattr(version, "plan_cancellation"):
        cancelled = version.plan_cancellation
        words += f"; cancelled {exact_time(cancelled.cancelled_at)}: {cancelled.reason}"
    return words


def author(version: PolicyVersion) -> str:
    return person(version.author) if version.author else "A command"


def version_changes(before: PolicyVersion | None, after: PolicyVersion) -> Sequence[PolicyEdit]:
    """The differences between two versions of a policy; none for the first version."""
    if before is None:
        return ()
    return differences(json.loads(before.content), json.loads(after.content))


def differences_url(policy_id: int, before: PolicyVersion, after: PolicyVersion) -> str:
    url = reverse("admin:authorizations_policy_differences", args=[policy_id])
    return f"{url}?from={before.number}&to={after.number}"
