"""Pages that two people may have open at once: nobody saves over another's change unseen.

An admin takes `Watched` in front of ModelAdmin and says what its pages show (`state`) and how a
difference reads (`changes`). Each page carries what it showed; a page that is behind is refused
with everything typed still on it, and may then be saved deliberately.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.admin.options import get_content_type_for_model
from django.contrib.admin.utils import unquote
from django.contrib.auth.models import User
from django.core import signing
from django.db import connection, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from authorizations.admin.base import ModelAdmin, staff
from authorizations.admin.concurrent.rebased import rebased
from authorizations.admin.times import exact_time

if TYPE_CHECKING:
    Base = ModelAdmin[Any]
else:
    Base = object

SALT = "authorizations.shown"
TOKEN = "csrfmiddlewaretoken"  # noqa: S105 - a name

State = dict[str, Any]
"""What a page shows, as JSON can hold it."""


@dataclass(frozen=True, slots=True)
class Saved:
    """Who saved an object last, and when."""

    by: str
    at: datetime

    @property
    def when(self) -> str:
        return exact_time(self.at)


@dataclass(frozen=True, slots=True)
class Conflict:
    """What others saved since the page was opened; `changes` are sentences."""

    saved: Saved | None
    changes: list[str]


class ShownField(forms.CharField):
    """What the page showed when it was opened, for its next save to be compared with."""

    widget = forms.HiddenInput

    def __init__(self, conflict: Conflict | None, initial: str) -> None:
        super().__init__(required=False, initial=initial)
        self.conflict = conflict

    def clean(self, value: Any) -> Any:
        if self.conflict:
            raise forms.ValidationError("This was saved by somebody else in the meantime.")
        return super().clean(value)


class Watched(Base):
    """Refuses pages that are behind, and takes the same page sent twice for one."""

    change_form_before_template = "admin/authorizations/concurrent.html"

    def state(self, obj: Any) -> State:
        """What a page about this object shows. Read before the page's own rows are."""
        raise NotImplementedError

    def changes(self, shown: State, now: State) -> list[str]:
        """What became what, in sentences."""
        raise NotImplementedError

    def hold(self, request: HttpRequest, object_id: str | None) -> None:
        """One at a time saves this object, or adds one: taken before all other locks."""
        key = f"{self.opts.label}:{object_id or ''}"
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])

    def last_saved(self, obj: Any) -> Saved | None:
        entry = self._entries_of(str(obj.pk)).first()
        return Saved(person(entry.user), entry.action_time) if entry else None

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        if request.method != "POST":
            return super().changeform_view(request, object_id, form_url, extra_context)
        with transaction.atomic():
            self.hold(request, object_id)
            again = self._saved_already(request, object_id)
            return again or super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        if obj and change and self.has_change_permission(request, obj):
            now = self.state(obj)
            conflict = self._conflict(request, obj, now)
            mark = signing.dumps(now, salt=SALT, compress=True)
            if conflict:
                request.POST = self._rebased(request, obj, mark)
            form.base_fields["shown"] = ShownField(conflict, initial=mark)
        return form

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """With a fingerprint of what was sent, to know it again; people are shown none of it."""
        told: Any = super().construct_change_message(request, form, formsets, add)
        return [*told, {"sent": _fingerprint(request)}]

    def _conflict(self, request: HttpRequest, obj: Any, now: State) -> Conflict | None:
        mark = request.POST.get("shown")
        if not mark:  # opened just now, or not sent by a page of ours
            return None
        try:
            shown = signing.loads(mark, salt=SALT)
        except signing.BadSignature:
            return Conflict(self.last_saved(obj), [])
        if shown == now:
            return None
        return Conflict(self.last_saved(obj), self.changes(shown, now))

    def _rebased(self, request: HttpRequest, obj: Any, mark: str) -> Any:
        edited: list[Any] = []
        only_shown: list[Any] = []
        for kind, inline in self.get_formsets_with_inlines(request, obj):
            may_edit = inline.has_change_permission(request, obj)
            formset = kind(instance=obj, queryset=inline.get_queryset(request))
            (edited if may_edit else only_shown).append(formset)
        return rebased(request.POST, edited, only_shown, shown=mark)

    def _saved_already(
        self, request: HttpRequest, object_id: str | None
    ) -> HttpResponseBase | None:
        """The answer to a page whose very content was saved just before: a second click."""
        entries = self._entries_by(request) if object_id is None else self._entries_of(object_id)
        last = entries.first()
        if last is None or last.user_id != staff(request).pk:
            return None
        obj = self.get_object(request, str(last.object_id))
        if obj is None or _fingerprint(request) not in last.change_message:
            return None
        messages.info(request, "It was sent twice, and saved once.")
        respond = self.response_add if object_id is None else self.response_change
        return respond(request, obj)

    def _entries_of(self, object_id: str) -> QuerySet[LogEntry]:
        return self._entries().filter(object_id=unquote(object_id))

    def _entries_by(self, request: HttpRequest) -> QuerySet[LogEntry]:
        return self._entries().filter(user=staff(request), action_flag=ADDITION)

    def _entries(self) -> QuerySet[LogEntry]:
        kind = get_content_type_for_model(self.model)
        return LogEntry.objects.filter(content_type=kind).order_by("-pk").select_related("user")


def _fingerprint(request: HttpRequest) -> str:
    """Of one page: its mark is part of it."""
    sent = sorted((name, values) for name, values in request.POST.lists() if name != TOKEN)
    return hashlib.sha256(json.dumps(sent).encode()).hexdigest()


def person(user: User) -> str:
    """By name, not by a link: few may see the pages of users."""
    return user.get_full_name() or user.get_username()
