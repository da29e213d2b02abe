"""The page on which cards are frozen and unfrozen, with a reason."""

from collections.abc import Callable, Sequence

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminTextInputWidget

from authorizations.admin.base import staff
from authorizations.models import Card
from authorizations.services.freeze import freeze, unfreeze


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
        error_messages={"required": "Give a reason: others will ask why."},
    )


def freezing_page(
    request: HttpRequest, cards: Sequence[Card], *, frozen: bool, action: str, back: str
) -> HttpResponse:
    """Ask for the reason, then do it; `action` is the changelist action that led here, if any."""
    asked = request.method == "POST" and "reason" in request.POST
    form = ReasonForm(request.POST if asked else None)
    if asked and form.is_valid():
        _set(request, cards, frozen=frozen, reason=form.cleaned_data["reason"])
        return HttpResponseRedirect(back)
    context = {
        **admin.site.each_context(request),
        "title": _title(cards, frozen=frozen),
        "opts": Card._meta,
        "cards": cards,
        "frozen": frozen,
        "form": form,
        "action": action,
        "back": back,
    }
    return TemplateResponse(request, "admin/authorizations/freezing.html", context)


def _title(cards: Sequence[Card], *, frozen: bool) -> str:
    what = str(cards[0]) if len(cards) == 1 else f"{len(cards)} cards"
    return f"{'Freeze' if frozen else 'Unfreeze'} {what}"


def _set(request: HttpRequest, cards: Sequence[Card], *, frozen: bool, reason: str) -> None:
    change: Callable[..., int] = freeze if frozen else unfreeze
    changed = change([card.pk for card in cards], by=staff(request), reason=reason)
    word = "frozen" if frozen else "unfrozen"
    what = str(cards[0]) if len(cards) == 1 else f"{changed} of {len(cards)} cards"
    if changed:
        messages.success(request, f"{what} {word}, from the next purchase on.")
    else:
        messages.info(request, f"Nothing to do: {what} already {word}.")
