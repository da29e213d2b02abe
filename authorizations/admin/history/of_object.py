"""The change history of one object, with changes made together shown together."""

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from authorizations.admin.history.words import changes, name_of, who
from authorizations.admin.shared.times import exact_time
from authorizations.admin.shared.types import ModelAdmin
from authorizations.models import HistoryEntry
from authorizations.rules.policy.differences import PolicyEdit
from authorizations.services.queries.by_time import ByTime
from authorizations.services.queries.history import entries_about, newest_first
from authorizations.services.queries.listing import Page, WrongKeyError, page

if TYPE_CHECKING:
    Base = ModelAdmin[Any]
else:
    Base = object

PAGE_SIZE = 50
"""Entries on a page of an object's history."""

_SUBJECT_WORDS = {
    "policy": "Policy",
    "programdefaults": "Defaults of",
    "cardgroup": "Card group",
    "card": "Card",
    "cardholder": "Cardholder",
    "user": "User",
    "group": "Role",
}
_APPS = {"user": "auth", "group": "auth"}


@dataclass(frozen=True, slots=True)
class Story:
    """Changes made together; `about` names the object if it isn't the one whose page it is."""

    when: str
    who: str
    about: str
    changes: list[PolicyEdit]


def history_of(obj: Model, limit: int = 10) -> list[Story]:
    """The latest changes of the object and of its parts."""
    return stories(list(entries_about(obj).defer("words")[:limit]), obj)


def stories(entries: list[HistoryEntry], obj: Model) -> list[Story]:
    """Entries about one object that were made together, as one story each."""
    own = (obj._meta.model_name, str(obj.pk))
    found = []
    for _, together in groupby(entries, _moment):
        parts = list(together)[::-1]  # oldest first
        first = parts[0]
        edits = [edit for entry in parts for edit in changes(entry)]
        is_own = (first.subject, first.subject_id) == own
        found.append(
            Story(
                when=exact_time(first.changed_at),
                who=who(first),
                about="" if is_own else about(first),
                changes=edits,
            )
        )
    return [story for story in found if story.changes]


def _moment(entry: HistoryEntry) -> tuple[Any, ...]:
    return entry.work, entry.changed_at, entry.subject, entry.subject_id


def about(entry: HistoryEntry) -> str:
    """ "Policy Travel": the object of the entry, by its name at that time."""
    return f"{_SUBJECT_WORDS[entry.subject]} {name_of(entry, entry.subject, entry.subject_id)}"


def linked_about(entry: Any) -> str:
    """`about` as a link; users and roles only for those who may see them (`sees_users`)."""
    app = _APPS.get(entry.subject, "authorizations")
    if app == "auth" and not entry.sees_users:
        return about(entry)
    url = reverse(f"admin:{app}_{entry.subject}_change", args=[quote(entry.subject_id)])
    return format_html('<a href="{}" class="text-link">{}</a>', url, about(entry))


class WithHistory(Base):
    """An admin whose "History" shows the change history instead of Django's log."""

    object_history_template = "admin/authorizations/history.html"

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            return super().history_view(request, object_id)  # Django's answer to a missing object
        if not self.has_view_or_change_permission(request, obj):
            raise PermissionDenied
        found = _page(newest_first(entries_about(obj).defer("words")), request)
        context = {
            **self.admin_site.each_context(request),
            "title": f"History of {obj}",
            "subtitle": None,
            "opts": self.opts,
            "object": obj,
            "stories": stories(found.rows, obj),
            "newer": found.newer,
            "older": found.older,
        }
        return TemplateResponse(request, self.object_history_template, context)


def _page(listing: ByTime, request: HttpRequest) -> Page:
    """The page in the address; the newest page if the address is wrong."""
    place = {name: request.GET.get(name, "") for name in ("before", "after")}
    try:
        return page(listing, size=PAGE_SIZE, **place)
    except WrongKeyError:
        return page(listing, size=PAGE_SIZE)
