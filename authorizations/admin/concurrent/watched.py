"""Pages that two people may edit at once: no one overwrites a change without seeing it.

An admin puts `Watched` before ModelAdmin in its bases and defines `state`, what its pages show, and
`changes`, the difference of two states in words. Each page carries the state it was opened with. A
page that is out of date is refused once, merged with what others saved (see merged.py), and can
then be saved.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import messages
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.admin.options import get_content_type_for_model
from django.contrib.admin.utils import unquote
from django.contrib.auth.models import User
from django.core import signing
from django.db import connection, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from authorizations.admin.concurrent.merged import MergeChoice, Merger, ShownPage, Taken, shown_page
from authorizations.admin.shared.links import staff
from authorizations.admin.shared.times import exact_time
from authorizations.admin.shared.types import ModelAdmin

if TYPE_CHECKING:
    Base = ModelAdmin[Any]
else:
    Base = object

SALT = "authorizations.shown"
SENT = "authorizations.sent"
"""Key in the META of a request: the fingerprint of what the browser sent."""
TOKEN = "csrfmiddlewaretoken"  # noqa: S105 - a name

State = dict[str, Any]
"""What a page shows, as a JSON object."""


@dataclass(frozen=True, slots=True)
class Saved:
    """The last save of an object."""

    by: str
    at: datetime

    @property
    def when(self) -> str:
        return exact_time(self.at)


@dataclass(frozen=True, slots=True)
class Conflict:
    """What others saved since the page was opened.

    `changes` are sentences, empty if a page showed them before. `taken` are fields that took the
    newer value, `choices` fields that both sides changed.
    """

    saved: Saved | None
    changes: list[str]
    taken: Sequence[Taken]
    choices: Sequence[MergeChoice]
    is_new: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """What a page carries about itself: its state, its fields and its open choices."""

    state: State
    page: ShownPage
    choices: Sequence[MergeChoice] = ()

    def signed(self) -> str:
        return signing.dumps(asdict(self), salt=SALT, compress=True)

    @classmethod
    def read(cls, text: str) -> "Mark | None":
        """The mark; None if the text is not a valid mark of this version of the program."""
        try:
            found = signing.loads(text, salt=SALT)
            choices = [MergeChoice(**choice) for choice in found["choices"]]
            return cls(found["state"], ShownPage(**found["page"]), choices)
        except (signing.BadSignature, KeyError, TypeError):
            return None


class ShownField(forms.CharField):
    """A hidden field with the mark of the page as it was opened."""

    widget = forms.HiddenInput

    def __init__(self, conflict: Conflict | None, state: State) -> None:
        super().__init__(required=False)
        self.conflict = conflict
        self.state = state

    def clean(self, value: Any) -> Any:
        if self.conflict and self.conflict.is_new:
            raise forms.ValidationError("Someone else saved this in the meantime.")
        if self.conflict:
            raise forms.ValidationError("Choose which value to keep.")
        return super().clean(value)


class Watched(Base):
    """Refuses pages that are out of date, and saves a page that was sent twice only once."""

    change_form_before_template = "admin/authorizations/concurrent.html"

    def state(self, obj: Any) -> State:
        """What a page about this object shows. Called before the page's rows are loaded."""
        raise NotImplementedError

    def changes(self, shown: State, now: State) -> list[str]:
        """The differences between two states, in sentences."""
        raise NotImplementedError

    def lock(self, request: HttpRequest, object_id: str | None) -> None:
        """Takes a lock so that saves of this object, or additions, wait for each other.

        It comes before all other locks.
        """
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
        # The hash of what the page sent, its mark included, before a merge changes the data.
        sent = sorted((name, values) for name, values in request.POST.lists() if name != TOKEN)
        request.META[SENT] = hashlib.sha256(json.dumps(sent).encode()).hexdigest()
        with transaction.atomic():
            self.lock(request, object_id)
            again = self._saved_already(request, object_id)
            return again or super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        if obj and change and self.has_change_permission(request, obj):
            now = self.state(obj)
            form.base_fields["shown"] = ShownField(self._conflict(request, obj, form, now), now)
        return form

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **options: Any
    ) -> HttpResponse:
        """Adds the mark to a page that was opened; a page shown again keeps its mark."""
        form = context["adminform"].form
        if "shown" in form.fields and not form.is_bound:
            inlines = context["inline_admin_formsets"]
            formsets = [one.formset for one in inlines if one.has_change_permission]
            shown = form.fields["shown"]
            shown.initial = Mark(shown.state, shown_page(form, formsets)).signed()
        return super().render_change_form(request, context, *args, **options)

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """Adds the fingerprint of what was sent, by which a second click is recognized."""
        message: Any = super().construct_change_message(request, form, formsets, add)
        return [*message, {"sent": request.META[SENT]}]

    def _conflict(self, request: HttpRequest, obj: Any, form: Any, now: State) -> Conflict | None:
        """Merges a page that is out of date or has open choices; otherwise returns None."""
        if not request.POST.get("shown"):  # just opened, or sent without a mark
            return None
        mark = Mark.read(request.POST["shown"])
        if mark and mark.state == now and not mark.choices:
            return None
        edited: list[Any] = []
        only_shown: list[Any] = []
        for kind, inline in self.get_formsets_with_inlines(request, obj):
            may_edit = inline.has_change_permission(request, obj)
            formset = kind(instance=obj, queryset=inline.get_queryset(request))
            (edited if may_edit else only_shown).append(formset)
        own = form(instance=obj)
        base = mark.page if mark else ShownPage()
        still_open = {choice.key: choice for choice in mark.choices} if mark else {}
        merged = Merger(request.POST, base, still_open).merge(own, edited, only_shown)
        merged.data["shown"] = Mark(now, shown_page(own, edited), merged.choices).signed()
        request.POST = cast("Any", merged.data)
        is_new = mark is None or mark.state != now
        if not is_new and not merged.choices:
            return None
        changes = self.changes(mark.state, now) if mark and is_new else []
        return Conflict(self.last_saved(obj), changes, merged.taken, merged.choices, is_new)

    def _saved_already(
        self, request: HttpRequest, object_id: str | None
    ) -> HttpResponseBase | None:
        """The answer to a second click, which sends what was saved last; None for other pages."""
        if object_id is None:
            entries = self._entries().filter(user=staff(request), action_flag=ADDITION)
        else:
            entries = self._entries_of(object_id)
        last = entries.first()
        if last is None or last.user_id != staff(request).pk:
            return None
        obj = self.get_object(request, str(last.object_id))
        if obj is None or request.META[SENT] not in last.change_message:
            return None
        messages.info(request, "The page was sent twice and saved once.")
        respond = self.response_add if object_id is None else self.response_change
        return respond(request, obj)

    def _entries_of(self, object_id: str) -> QuerySet[LogEntry]:
        return self._entries().filter(object_id=unquote(object_id))

    def _entries(self) -> QuerySet[LogEntry]:
        kind = get_content_type_for_model(self.model)
        return LogEntry.objects.filter(content_type=kind).order_by("-pk").select_related("user")


def person(user: User) -> str:
    """The user's name, not a link, as few may see the pages of users."""
    return user.get_full_name() or user.get_username()
