"""The page on which stand-in is switched on and off, with a reason."""

from typing import NamedTuple

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from authorizations.admin.shared.links import staff
from authorizations.admin.shared.reasons import ReasonForm
from authorizations.admin.stand_in.state import state
from authorizations.models import StandInSwitch
from authorizations.services.queries.stand_in_rehearsal import Rehearsal, rehearse
from authorizations.services.stand_in import switch


class SwitchForm(ReasonForm):
    """`on` is what the page offered, as someone else may have switched meanwhile."""

    on = forms.ChoiceField(choices=[("on", "On"), ("off", "Off")], widget=forms.HiddenInput)


def switch_page(request: HttpRequest) -> HttpResponse:
    """Asks for a reason, then switches."""
    list_url = reverse("admin:authorizations_standinswitch_changelist")
    form = SwitchForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        word, reason = form.cleaned_data["on"], form.cleaned_data["reason"]
        if switch.set_to(on=word == "on", by=staff(request), reason=reason):
            messages.success(request, f"Stand-in is switched {word}.")
        else:
            messages.info(request, f"Nothing to do: it was already switched {word}.")
        return HttpResponseRedirect(list_url)
    now = state()
    context = {
        **admin.site.each_context(request),
        "title": f"Switch stand-in {'off' if now.on else 'on'}",
        "opts": StandInSwitch._meta,
        "state": now,
        "form": form,
        "effect": None if now.on else _effect(rehearse(timezone.now())),
        "back": list_url,
    }
    return TemplateResponse(request, "admin/authorizations/switching.html", context)


class Effect(NamedTuple):
    """The effect of switching on, in sentences; `tone` is the colour of their panel."""

    sentences: list[str]
    tone: str


def _effect(found: Rehearsal) -> Effect:
    """How many of the last hour's approvals stand-in would have approved."""
    policies = "1 policy" if found.policies == 1 else f"{found.policies:,} policies"
    amounts = (
        f"Of {policies} in force with limits, {found.with_amounts:,} have emergency limits for "
        "stand-in."
    )
    if not found.approvals:
        nothing = "Nothing was approved in the last hour, so the effect can't be estimated."
        return Effect([nothing, amounts], "info" if found.with_amounts else "declined")
    newest = "newest " if found.is_cut else ""
    outcome = (
        f"With your policies, of the last hour's {newest}{found.approvals:,} approvals "
        f"{found.approved:,} would have been approved."
    )
    if found.approved == found.approvals:
        return Effect([outcome], "info")
    return Effect([outcome, amounts], "partial" if found.approved else "declined")
