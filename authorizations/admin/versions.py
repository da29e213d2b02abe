"""Versions of policies: what was in force when, by whom and why."""

import json

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from authorizations.admin.base import ReadOnly, RecordAdmin, TabularInline, display, link
from authorizations.models import Policy, PolicyVersion
from authorizations.rules.document import controls
from authorizations.rules.summary import summary


class VersionInline(ReadOnly, TabularInline[PolicyVersion, Policy]):
    model = PolicyVersion
    fields = ("version", "created_at", "by", "reason", "fingerprint")
    readonly_fields = fields
    verbose_name_plural = "Versions"
    per_page = 10
    hide_title = True
    below = "Saving"

    def get_queryset(self, request: HttpRequest) -> QuerySet[PolicyVersion]:
        return super().get_queryset(request).select_related("author", "policy")

    @display(description="Author")
    def by(self, row: PolicyVersion) -> str:
        return author(row)

    @display(description="Version")
    def version(self, row: PolicyVersion) -> str:
        return link(row, f"Version {row.number}")

    @display(description="SHA-256")
    def fingerprint(self, row: PolicyVersion) -> str:
        return f"{row.sha256[:12]}…"


@admin.register(PolicyVersion)
class PolicyVersionAdmin(RecordAdmin[PolicyVersion]):
    list_display = ("version", "created_at", "by", "reason")
    list_display_links = ("version",)
    list_select_related = ("policy", "author")
    search_fields = ("policy__name__icontains", "sha256__exact")
    fields = ("policy", "number", "created_at", "by", "reason", "says", "sha256", "content")

    @display(description="Version")
    def version(self, row: PolicyVersion) -> str:
        return str(row)

    @display(description="Author")
    def by(self, row: PolicyVersion) -> str:
        return author(row)

    @display(description="What it says")
    def says(self, row: PolicyVersion) -> SafeString:
        return in_sentences(row)


def author(version: PolicyVersion) -> str:
    """By name, not by a link: few may see the pages of users."""
    if version.author is None:
        return "Not by a member of staff"
    return version.author.get_full_name() or version.author.get_username()


def in_sentences(version: PolicyVersion) -> SafeString:
    """A version in plain words."""
    sentences = summary(controls(json.loads(version.content)))
    return format_html_join("\n", "<p>{}</p>", [(sentence,) for sentence in sentences])
