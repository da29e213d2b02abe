"""An object's own history, as its page shows it: what was done together stands together."""

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

PAGE = 50

_CALLED = {
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
    """What somebody did at once; `about` names another object than the one whose page it is."""

    when: str
    who: str
    about: str
    changes: list[PolicyEdit]


def history_of(obj: Model, limit: int = 10) -> list[Story]:
    """The latest changes of the object, and of what belongs to it."""
    return stories(list(entries_about(obj).defer("words")[:limit]), obj)


def stories(entries: list[HistoryEntry], obj: Model) -> list[Story]:
    """Entries of one piece of work about the same object become one."""
    own = (obj._meta.model_name, str(obj.pk))
    found = []
    for _, together in groupby(entries, _work):
        parts = list(together)[::-1]  # in the order in which it was done
        first = parts[0]
        said = [change for entry in parts for change in changes(entry)]
        is_own = (first.subject, first.subject_id) == own
        found.append(
            Story(
                when=exact_time(first.changed_at),
                who=who(first),
                about="" if is_own else about(first),
                changes=said,
            )
        )
    return [story for story in found if story.changes]


def _work(entry: HistoryEntry) -> tuple[Any, ...]:
    return entry.work, entry.changed_at, entry.subject, entry.subject_id


def about(entry: HistoryEntry) -> str:
    """ "Policy Travel": what the change is listed under, by the name of that time."""
    return f"{_CALLED[entry.subject]} {name_of(entry, entry.subject, entry.subject_id)}"


def linked_about(entry: Any) -> str:
    """Leading to its page; not all may see those of users and roles (`sees_users`)."""
    app = _APPS.get(entry.subject, "authorizations")
    if app == "auth" and not entry.sees_users:
        return about(entry)
    url = reverse(f"admin:{app}_{entry.subject}_change", args=[quote(entry.subject_id)])
    return format_html('<a href="{}" class="text-link">{}</a>', url, about(entry))


class WithHistory(Base):
    """An admin whose "History" is the change history of the object, not Django's own log."""

    object_history_template = "admin/authorizations/history.html"

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            return super().history_view(request, object_id)  # says so
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
    """The one that is asked for; the newest where the address makes no sense."""
    place = {name: request.GET.get(name, "") for name in ("before", "after")}
    try:
        return page(listing, size=PAGE, **place)
    except WrongKeyError:
        return page(listing, size=PAGE)
