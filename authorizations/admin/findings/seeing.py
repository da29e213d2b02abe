"""Marking findings as handled, with a note if wanted: one, several, or all of a kind."""

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

AT_ONCE = 10_000
_NAMED = 10
_KEY = re.compile("[0-9]{1,18}")


class NoteForm(forms.Form):
    note = forms.CharField(
        label="Note, if you want",
        required=False,
        max_length=500,
        widget=UnfoldAdminTextInputWidget(attrs={"autofocus": True}),
        help_text="What was done about it. It stays with the finding.",
    )


class Chosen(NamedTuple):
    """Findings by their keys; of all of a kind, `up_to` is the newest that was looked at."""

    ids: list[int]
    kind: str = ""
    up_to: int = 0


def seeing_page(request: HttpRequest, ids: Sequence[int] = ()) -> HttpResponse:
    """Ask for a note, then mark as handled; `ids` were chosen in the list just now."""
    chosen = Chosen(list(ids)) if ids else _chosen(request)
    if "note" not in request.POST:  # what is not open any more needs no note
        open_ones = Finding.objects.filter(pk__in=chosen.ids, state=Finding.State.OPEN)
        chosen = chosen._replace(ids=list(open_ones.values_list("pk", flat=True)))
    if not chosen.ids:
        messages.info(request, "Nothing is open there. Choose open findings in the list.")
        return HttpResponseRedirect(_list_url())
    form = NoteForm(request.POST if "note" in request.POST else None)
    if request.method == "POST" and form.is_valid():
        return _note(request, chosen, form.cleaned_data["note"])
    named = Finding.objects.filter(pk__in=chosen.ids).order_by("-pk")
    context = {
        **admin.site.each_context(request),
        "title": "Mark as handled",
        "opts": Finding._meta,
        "count": counted(len(chosen.ids), "finding"),
        "named": named[:_NAMED],
        "chosen": chosen,
        "label": FINDING_TEXTS[FindingKind(chosen.kind)].label if chosen.kind else "",
        "form": form,
        "action": reverse("admin:authorizations_finding_see"),
        "back": _list_url(),
    }
    return TemplateResponse(request, "admin/authorizations/seeing.html", context)


def _chosen(request: HttpRequest) -> Chosen:
    """By what the form names, or the link to it."""
    asked = request.POST if request.method == "POST" else request.GET
    kind = asked.get("kind", "")
    if kind in set(FindingKind):
        typed = asked.get("up_to", "")
        up_to = int(typed) if _KEY.fullmatch(typed) else newest_open_of(kind)
        return Chosen(open_of(kind, up_to, AT_ONCE), kind, up_to)
    return Chosen([int(key) for key in asked.getlist("id")[:AT_ONCE] if _KEY.fullmatch(key)])


def _note(request: HttpRequest, chosen: Chosen, note: str) -> HttpResponse:
    seen = see(chosen.ids, by=staff(request), note=note)
    if seen:
        messages.success(request, f"{counted(seen, 'finding')} marked as handled.")
    else:
        messages.info(
            request, "Nothing to do: somebody marked it as handled before, or it is gone."
        )
    if len(chosen.ids) == 1 and not chosen.kind:
        url = reverse("admin:authorizations_finding_change", args=chosen.ids)
        return HttpResponseRedirect(url)
    return HttpResponseRedirect(_list_url())


def _list_url() -> str:
    return reverse("admin:authorizations_finding_changelist")
