"""The page on which stand-in is switched on and off, with a reason."""

from typing import NamedTuple

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextInputWidget

from authorizations.admin.shared.links import staff
from authorizations.admin.stand_in.state import state
from authorizations.models import StandInSwitch
from authorizations.services.queries.stand_in_rehearsal import Rehearsal, rehearse
from authorizations.services.stand_in import switch


class SwitchForm(forms.Form):
    """`on` is what the page offered: another may have been quicker."""

    on = forms.ChoiceField(choices=[("on", "On"), ("off", "Off")], widget=forms.HiddenInput)
    reason = forms.CharField(
        max_length=500,
        widget=UnfoldAdminTextInputWidget(attrs={"autofocus": True}),
        error_messages={"required": "Give a reason: others will ask why."},
    )


def switching_page(request: HttpRequest) -> HttpResponse:
    """Ask for the reason, then switch."""
    form = SwitchForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        _switch(request, on=form.cleaned_data["on"] == "on", reason=form.cleaned_data["reason"])
        return HttpResponseRedirect(_list_url())
    now = state()
    context = {
        **admin.site.each_context(request),
        "title": f"Switch stand-in {'off' if now.on else 'on'}",
        "opts": StandInSwitch._meta,
        "state": now,
        "form": form,
        "effect": None if now.on else _effect(rehearse(timezone.now())),
        "back": _list_url(),
    }
    return TemplateResponse(request, "admin/authorizations/switching.html", context)


class Effect(NamedTuple):
    """What switching on would do, in sentences; `tone` is of the panel that says so."""

    sentences: list[str]
    tone: str


def _effect(found: Rehearsal) -> Effect:
    """ "With your policies, of the last hour's 191 approvals 0 would have been approved."."""
    policies = "1 policy" if found.policies == 1 else f"{found.policies:,} policies"
    amounts = (
        f"Of {policies} in force with limits, {found.with_amounts:,} say what may be spent in "
        "stand-in."
    )
    if not found.approvals:
        nothing = "In the last hour nothing was approved that it could be measured by."
        return Effect([nothing, amounts], "info" if found.with_amounts else "declined")
    newest = "newest " if found.is_cut else ""
    told = (
        f"With your policies, of the last hour's {newest}{found.approvals:,} approvals "
        f"{found.approved:,} would have been approved."
    )
    if found.approved == found.approvals:
        return Effect([told], "info")
    return Effect([told, amounts], "partial" if found.approved else "declined")


def _switch(request: HttpRequest, *, on: bool, reason: str) -> None:
    word = "on" if on else "off"
    if switch.set_to(on=on, by=staff(request), reason=reason):
        messages.success(request, f"Stand-in is switched {word}.")
    else:
        messages.info(request, f"Nothing to do: somebody switched it {word} before.")


def _list_url() -> str:
    return reverse("admin:authorizations_standinswitch_changelist")
