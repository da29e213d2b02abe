"""Marking findings as handled, with an optional note: one, several, or all of a kind."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminTextInputWidget

from authorizations.admin.home.attention import counted
from authorizations.admin.shared.links import staff
from authorizations.models import Finding
from authorizations.rules.wording.findings import FINDING_TEXTS, FindingKind
from authorizations.services.lifecycle.open_findings import newest_open_of, open_of, see

MAX_AT_ONCE = 10_000
"""Maximum findings handled with one click."""

_MAX_NAMED = 10
"""Maximum findings listed on the page."""

_KEY = re.compile("[0-9]{1,18}")


class NoteForm(forms.Form):
    note = forms.CharField(
        label="Note (optional)",
        required=False,
        max_length=500,
        widget=UnfoldAdminTextInputWidget(attrs={"autofocus": True}),
        help_text="What was done about it. Kept with the mismatch.",
    )


class Selection(NamedTuple):
    """Findings by key. For all of a kind, `up_to` is the newest key the page showed."""

    ids: list[int]
    kind: str = ""
    up_to: int = 0


def handle_page(request: HttpRequest, ids: Sequence[int] = ()) -> HttpResponse:
    """Asks for a note, then marks the findings as handled.

    `ids` are those selected in the list; without them, the form or the address names the findings.
    """
    selection = Selection(list(ids)) if ids else _selection(request)
    if "note" not in request.POST:  # first shown: without findings that are no longer open
        still_open = Finding.objects.filter(pk__in=selection.ids, state=Finding.State.OPEN)
        selection = selection._replace(ids=list(still_open.values_list("pk", flat=True)))
    list_url = reverse("admin:authorizations_finding_changelist")
    if not selection.ids:
        messages.info(request, "None of these is open. Choose open mismatches in the list.")
        return HttpResponseRedirect(list_url)

    form = NoteForm(request.POST if "note" in request.POST else None)
    if request.method == "POST" and form.is_valid():
        handled = see(selection.ids, by=staff(request), note=form.cleaned_data["note"])
        if handled:
            messages.success(request, f"{counted(handled, 'mismatch')} marked as handled.")
        else:
            messages.info(request, "Nothing to do: already handled or resolved.")
        if len(selection.ids) == 1 and not selection.kind:
            url = reverse("admin:authorizations_finding_change", args=selection.ids)
            return HttpResponseRedirect(url)
        return HttpResponseRedirect(list_url)

    named = Finding.objects.filter(pk__in=selection.ids).order_by("-pk")
    context = {
        **admin.site.each_context(request),
        "title": "Mark as handled",
        "opts": Finding._meta,
        "count": counted(len(selection.ids), "mismatch"),
        "named": named[:_MAX_NAMED],
        "selection": selection,
        "label": FINDING_TEXTS[FindingKind(selection.kind)].label if selection.kind else "",
        "form": form,
        "action": reverse("admin:authorizations_finding_see"),
        "back": list_url,
    }
    return TemplateResponse(request, "admin/authorizations/handling.html", context)


def _selection(request: HttpRequest) -> Selection:
    """The findings that the form or the address names."""
    query = request.POST if request.method == "POST" else request.GET
    kind = query.get("kind", "")
    if kind in set(FindingKind):
        given = query.get("up_to", "")
        up_to = int(given) if _KEY.fullmatch(given) else newest_open_of(kind)
        return Selection(open_of(kind, up_to, MAX_AT_ONCE), kind, up_to)
    return Selection([int(key) for key in query.getlist("id")[:MAX_AT_ONCE] if _KEY.fullmatch(key)])
