"""Pages that two people may have open at once: nobody saves over another's change unseen.

An admin takes `Watched` in front of ModelAdmin and says what its pages show (`state`) and how a
difference reads (`changes`). Each page carries what it showed; a page that is behind is refused
once, merged with what others saved (see merged.py), and may then be saved deliberately.
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
"""In the META of a request: the fingerprint of what the browser sent."""
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
    """What others saved since the page was opened; `changes` are sentences, none where it was
    told before. `taken` is what the page now has of theirs, `choices` what both changed.
    """

    saved: Saved | None
    changes: list[str]
    taken: Sequence[Taken]
    choices: Sequence[MergeChoice]
    is_new: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """What a page carries of itself: the state it was read in, its fields, and what is still to be
    chosen on it.
    """

    state: State
    page: ShownPage
    choices: Sequence[MergeChoice] = ()

    def signed(self) -> str:
        return signing.dumps(asdict(self), salt=SALT, compress=True)

    @classmethod
    def read(cls, text: str) -> "Mark | None":
        """None where the text is no mark of this program, or an older one's."""
        try:
            found = signing.loads(text, salt=SALT)
            choices = [MergeChoice(**choice) for choice in found["choices"]]
            return cls(found["state"], ShownPage(**found["page"]), choices)
        except (signing.BadSignature, KeyError, TypeError):
            return None


class ShownField(forms.CharField):
    """What the page showed when it was opened, for its next save to be compared with."""

    widget = forms.HiddenInput

    def __init__(self, conflict: Conflict | None, state: State) -> None:
        super().__init__(required=False)
        self.conflict = conflict
        self.state = state

    def clean(self, value: Any) -> Any:
        if self.conflict and self.conflict.is_new:
            raise forms.ValidationError("This was saved by somebody else in the meantime.")
        if self.conflict:
            raise forms.ValidationError("Choose which of the two counts.")
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
        request.META[SENT] = _fingerprint(request)  # what follows may merge it with newer rows
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
            form.base_fields["shown"] = ShownField(self._conflict(request, obj, form, now), now)
        return form

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **options: Any
    ) -> HttpResponse:
        """Mark the page with what it shows; where it is sent back, the mark stays as it was."""
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
        """With a fingerprint of what was sent, to know it again; people are shown none of it."""
        told: Any = super().construct_change_message(request, form, formsets, add)
        return [*told, {"sent": request.META[SENT]}]

    def _conflict(self, request: HttpRequest, obj: Any, form: Any, now: State) -> Conflict | None:
        """Merge what was sent with what is there now, where it is behind or has open choices."""
        if not request.POST.get("shown"):  # opened just now, or not sent by a page of ours
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
        """The answer to a page whose very content was saved just before: a second click."""
        entries = self._entries_by(request) if object_id is None else self._entries_of(object_id)
        last = entries.first()
        if last is None or last.user_id != staff(request).pk:
            return None
        obj = self.get_object(request, str(last.object_id))
        if obj is None or request.META[SENT] not in last.change_message:
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
