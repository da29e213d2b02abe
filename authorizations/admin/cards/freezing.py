"""The page on which cards are frozen and unfrozen, with a reason."""

from collections.abc import Iterable, Sequence

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from authorizations.admin.cards.state import why_frozen
from authorizations.admin.shared.links import staff
from authorizations.admin.shared.reasons import ReasonForm
from authorizations.models import Card
from authorizations.services.policies.freeze import freeze, unfreeze


def freeze_page(
    request: HttpRequest, cards: Sequence[Card], *, frozen: bool, action: str, back: str
) -> HttpResponse:
    """Asks for a reason, then freezes the cards, or unfreezes them if `frozen` is False.

    `action` is the changelist action that led here, or empty.
    """
    asked = request.method == "POST" and "reason" in request.POST
    form = ReasonForm(request.POST if asked else None)
    if asked and form.is_valid():
        refrozen = [] if frozen else _refrozen(request, cards)
        if not refrozen:
            _save(request, cards, frozen=frozen, reason=form.cleaned_data["reason"])
            return HttpResponseRedirect(back)
        form.add_error("reason", _refrozen_words(refrozen))
    to_change = [card for card in cards if card.frozen != frozen]
    what = str(cards[0]) if len(cards) == 1 else f"{len(cards):,} cards"
    context = {
        **admin.site.each_context(request),
        "title": f"{'Freeze' if frozen else 'Unfreeze'} {what}",
        "opts": Card._meta,
        "cards": cards,
        "to_change": to_change,
        "already": "" if to_change else _already_words(cards, frozen=frozen),
        "frozen": frozen,
        "form": form,
        "action": action,
        "back": back,
    }
    return TemplateResponse(request, "admin/authorizations/freezing.html", context)


def _save(request: HttpRequest, cards: Sequence[Card], *, frozen: bool, reason: str) -> None:
    ids = [card.pk for card in cards]
    if frozen:
        changed = freeze(ids, by=staff(request), reason=reason)
    else:
        changed = unfreeze(ids, by=staff(request), reason=reason, seen=_seen_reasons(request))
        if refrozen := _refrozen(request, Card.objects.filter(pk__in=ids)):
            messages.warning(request, _refrozen_words(refrozen))
            if not changed:
                return
    what = str(cards[0]) if len(cards) == 1 else f"{changed:,} of {len(cards):,} cards"
    if changed:
        word = "frozen" if frozen else "unfrozen"
        messages.success(request, f"{what} {word} from the next purchase on.")
    else:
        messages.info(request, f"Nothing to do: {_already_words(cards, frozen=frozen)}")


def _seen_reasons(request: HttpRequest) -> dict[str, str]:
    """Why each card was frozen when the page was shown, by card id."""
    return dict(entry.split("=", 1) for entry in request.POST.getlist("seen") if "=" in entry)


def _refrozen(request: HttpRequest, cards: Iterable[Card]) -> list[Card]:
    """Cards that are now frozen for a different reason than the page showed."""
    seen = _seen_reasons(request)
    return [
        card
        for card in cards
        if card.frozen and card.frozen_reason != seen.get(card.pk, card.frozen_reason)
    ]


def _refrozen_words(cards: Sequence[Card]) -> str:
    what = " ".join(f"{card}: {why_frozen(card)}" for card in cards[:3])
    return (
        f"Frozen again meanwhile for a different reason. {what} Unfreeze only if that is settled."
    )


def _already_words(cards: Sequence[Card], *, frozen: bool) -> str:
    """Why there is nothing to do, and for a single frozen card who froze it."""
    if len(cards) > 1:
        return f"all {len(cards):,} cards are already {'frozen' if frozen else 'unfrozen'}."
    [card] = Card.objects.filter(pk=cards[0].pk)
    if not frozen:
        return f"{card} is not frozen any more."
    return f"{card} is already frozen: {why_frozen(card)}"
