"""Read-only pages of the change history of policies, cards and users."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet, Value
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from authorizations.admin.history.of_object import linked_about
from authorizations.admin.history.words import changes, columns, how, who
from authorizations.admin.lists.filters import RecordFilters, choice_field
from authorizations.admin.lists.record_admin import RecordAdmin
from authorizations.admin.shared.times import exact_time
from authorizations.admin.shared.types import display
from authorizations.models import HistoryEntry
from authorizations.services.queries.by_time import ByTime
from authorizations.services.queries.history import is_id, searched, with_contents
from authorizations.services.queries.listing import Listing

Source = HistoryEntry.Source

SUBJECTS = [
    ("policy", "Policies"),
    ("programdefaults", "Defaults of new policies"),
    ("cardgroup", "Card groups"),
    ("card", "Cards"),
    ("cardholder", "Cardholders"),
    ("user", "Users"),
    ("group", "Roles"),
]
_EVERYBODY = "everybody"
_MAX_USERS = 500
"""Maximum users to choose from in the filter."""

_MAX_CHANGES = 6
"""Maximum changes of one entry in the list."""


class HistoryFilters(RecordFilters):
    """Filters by author and object. The many changes by Stripe are hidden unless chosen."""

    who = choice_field("Who", [])
    subject = choice_field("What", SUBJECTS)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        users = User.objects.filter(is_staff=True).order_by("username")
        names = users.values_list("pk", "username")[:_MAX_USERS]
        self.fields["who"].choices = [  # type: ignore[attr-defined]
            ("", "Everyone except Stripe"),
            (_EVERYBODY, "Everyone, including Stripe"),
            *Source.choices,
            *((str(pk), username) for pk, username in names),
        ]

    @property
    def condition(self) -> Q:
        who, subject = self.cleaned_data["who"], self.cleaned_data["subject"]
        by = Q() if who else ~Q(source=Source.STRIPE)
        if who.isdecimal():
            by = Q(user_id=int(who))
        elif who in Source.values:
            by = Q(source=who)
        return by & (Q(subject=subject) if subject else Q())


@admin.register(HistoryEntry)
class HistoryEntryAdmin(RecordAdmin[HistoryEntry]):
    list_display = ("when", "by", "about_shown", "what")
    list_display_links = ("when",)
    filters = HistoryFilters
    search_fields = ("words",)
    search_help_text = "Name or id of what was changed or of who changed it"
    change_form_template = "admin/authorizations/history_entry.html"
    fieldsets = ((None, {"fields": ("id",)}),)

    class Media:
        css = {"all": ("authorizations/history.css",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[HistoryEntry]:
        sees_users = request.user.has_perm("auth.view_user")
        entries = with_contents(super().get_queryset(request)).defer("words")
        return entries.annotate(sees_users=Value(sees_users))

    def listing(self, rows: QuerySet[HistoryEntry], filters: RecordFilters, term: str) -> Listing:
        # Every filter has an index in the order of time; a search for words has none.
        found = rows.filter(filters.condition, searched(term) if term else Q())
        is_narrow = not term or is_id(term)
        times = (filters.since, filters.until)
        return ByTime(found, "changed_at", *times, is_narrow=is_narrow)

    def page(self, row: HistoryEntry) -> dict[str, Any]:
        facts = {
            "When": exact_time(row.changed_at),
            "Who": who(row),
            "How": how(row),
            "About": linked_about(row),
            "Database role": row.database_role,
        }
        return {"facts": [*facts.items()], "changes": changes(row), "columns": columns(row)}

    @display(description="When")
    def when(self, row: HistoryEntry) -> str:
        return exact_time(row.changed_at)

    @display(description="Who")
    def by(self, row: HistoryEntry) -> str:
        return who(row)

    @display(description="What")
    def about_shown(self, row: HistoryEntry) -> str:
        return linked_about(row)

    @display(description="Change")
    def what(self, row: HistoryEntry) -> SafeString:
        found = changes(row)
        shown = format_html_join("", "<li>{}</li>", ((str(edit),) for edit in found[:_MAX_CHANGES]))
        more = len(found) - _MAX_CHANGES
        rest = format_html("<li>and {} more</li>", more) if more > 0 else ""
        return format_html('<ul class="desk-history-changes">{}{}</ul>', shown, rest)
