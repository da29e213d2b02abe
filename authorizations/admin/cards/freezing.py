"""The page on which cards are frozen and unfrozen, with a reason."""

from collections.abc import Iterable, Sequence

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminTextInputWidget

from authorizations.admin.cards.state import why_frozen
from authorizations.admin.shared.links import staff
from authorizations.models import Card
from authorizations.services.policies.freeze import freeze, unfreeze


class FreezeForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        widget=UnfoldAdminTextInputWidget(attrs={"autofocus": True}),
        error_messages={"required": "Give a reason: others will ask why."},
    )


def freezing_page(
    request: HttpRequest, cards: Sequence[Card], *, frozen: bool, action: str, back: str
) -> HttpResponse:
    """Ask for the reason, then do it; `action` is the changelist action that led here, if any."""
    asked = request.method == "POST" and "reason" in request.POST
    form = FreezeForm(request.POST if asked else None)
    if asked and form.is_valid():
        refrozen = [] if frozen else _refrozen(request, cards)
        if not refrozen:
            _set(request, cards, frozen=frozen, reason=form.cleaned_data["reason"])
            return HttpResponseRedirect(back)
        form.add_error("reason", _look_again(refrozen))
    concerned = [card for card in cards if card.frozen != frozen]
    context = {
        **admin.site.each_context(request),
        "title": _title(cards, frozen=frozen),
        "opts": Card._meta,
        "cards": cards,
        "concerned": concerned,
        "already": "" if concerned else _already(cards, frozen=frozen),
        "frozen": frozen,
        "form": form,
        "action": action,
        "back": back,
    }
    return TemplateResponse(request, "admin/authorizations/freezing.html", context)


def _title(cards: Sequence[Card], *, frozen: bool) -> str:
    what = str(cards[0]) if len(cards) == 1 else f"{len(cards):,} cards"
    return f"{'Freeze' if frozen else 'Unfreeze'} {what}"


def _refrozen(request: HttpRequest, cards: Iterable[Card]) -> list[Card]:
    """Cards that are frozen for another reason than the page showed when it asked."""
    seen = _seen(request)
    return [
        card
        for card in cards
        if card.frozen and card.frozen_reason != seen.get(card.pk, card.frozen_reason)
    ]


def _seen(request: HttpRequest) -> dict[str, str]:
    """Why each card was frozen when the page was shown."""
    return dict(entry.split("=", 1) for entry in request.POST.getlist("seen") if "=" in entry)


def _look_again(cards: Sequence[Card]) -> str:
    what = " ".join(f"{card}: {why_frozen(card)}" for card in cards[:3])
    return f"Frozen again meanwhile, for another reason. {what} Unfreeze only if that is settled."


def _set(request: HttpRequest, cards: Sequence[Card], *, frozen: bool, reason: str) -> None:
    ids = [card.pk for card in cards]
    if frozen:
        changed = freeze(ids, by=staff(request), reason=reason)
    else:
        changed = unfreeze(ids, by=staff(request), reason=reason, seen=_seen(request))
        if refrozen := _refrozen(request, Card.objects.filter(pk__in=ids)):
            messages.warning(request, _look_again(refrozen))
            if not changed:
                return
    what = str(cards[0]) if len(cards) == 1 else f"{changed:,} of {len(cards):,} cards"
    if changed:
        word = "frozen" if frozen else "unfrozen"
        messages.success(request, f"{what} {word}, from the next purchase on.")
    else:
        messages.info(request, f"Nothing to do: {_already(cards, frozen=frozen)}")


def _already(cards: Sequence[Card], *, frozen: bool) -> str:
    """Who was first."""
    if len(cards) > 1:
        return f"all {len(cards):,} cards are {'frozen' if frozen else 'not frozen'} already."
    [card] = Card.objects.filter(pk=cards[0].pk)
    if not frozen:
        return f"{card} is not frozen any more."
    return f"{card} is frozen already: {why_frozen(card)}"
