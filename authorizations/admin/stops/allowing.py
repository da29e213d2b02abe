"""The page that lets one purchase of a card through: from a declined decision, or by hand."""

from contextlib import suppress
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminRadioSelectWidget,
)

from authorizations.admin.shared import asking
from authorizations.admin.shared.choices import categories, choose_one
from authorizations.admin.shared.links import card_words, staff
from authorizations.admin.shared.money import MoneyField, in_currency, read_money
from authorizations.admin.stops.frozen import frozen_above
from authorizations.admin.stops.merchants import manner_field, merchant_field, merchant_terms
from authorizations.admin.stops.stopping import EndAndReason
from authorizations.models import Card, Decision, Instruction, Policy
from authorizations.rules.basics.filters import Manner, Merchant, known_categories
from authorizations.rules.basics.merchant_entries import merchant
from authorizations.rules.basics.money import format_money
from authorizations.rules.basics.parsing import category
from authorizations.rules.basics.purchase_exceptions import Waiver
from authorizations.rules.basics.words import all_of, category_label
from authorizations.rules.decision.values import DeclineReason
from authorizations.rules.decision.waivers import NEVER_WAIVED
from authorizations.rules.wording.exception_words import waiver_words
from authorizations.rules.wording.reasons import label
from authorizations.rules.wording.sentences import limit_words
from authorizations.services.policies import purchase_exceptions
from authorizations.services.policies.purchase_exceptions import Waivable
from authorizations.services.policies.stops import StopError

_MERCHANT, _CATEGORY, _ANY = "merchant", "category", "any"
_WAIVABLE = [
    (reason.value, label(reason)) for reason in DeclineReason if reason not in NEVER_WAIVED
]
_EFFECT = (
    "It holds for one purchase with this card, in full, and is used up by it. What it lets through "
    "counts in every limit. An increment needs another one."
)


class _AllowForm(EndAndReason):
    """What is asked of every exception; a clean `up_to` is in smallest units of `currency`."""

    up_to = MoneyField(label="Up to", missing="Give an amount.")

    def __init__(self, *args: Any, currency: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self._currency = currency
        self.fields["until"].required = True
        self.fields["until"].help_text = "Whatever is not used by then runs out."
        self.fields["until"].error_messages["required"] = "Say until when it holds."
        in_currency(self.fields["up_to"], currency)

    def clean(self) -> None:
        super().clean()
        read_money(self, "up_to", self._currency)


class AllowAgainForm(_AllowForm):
    """For the purchase of a declined decision; `places` are what it can be limited to."""

    where = forms.ChoiceField(label="For", widget=UnfoldAdminRadioSelectWidget)
    field_order = ("where", "up_to", "until", "reason")

    def __init__(self, *args: Any, places: dict[str, str], **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["where"].choices = list(places.items())  # type: ignore[attr-defined]


class AllowByHandForm(_AllowForm):
    """For a purchase that nobody has asked about yet; `place` is a pair as policy files have it."""

    manner = manner_field()
    merchant = merchant_field("Leave merchant and category empty for any merchant.")
    category = choose_one(categories(), label="Or a category", blank="None")
    waives = forms.MultipleChoiceField(
        label="Waive",
        choices=_WAIVABLE,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Each with all its rules. If anything else fails, the purchase is declined.",
        error_messages={"required": "Choose what to waive: without that, nothing is let through."},
    )
    field_order = ("manner", "merchant", "category", "waives", "up_to", "until", "reason")
    place: dict[str, Any]

    def clean(self) -> None:
        super().clean()
        found = self.cleaned_data
        self.place = {}
        if found.get("merchant") and found.get("category"):
            self.add_error("category", "Name a merchant or a category, not both.")
        elif found.get("merchant"):
            self.place = merchant_terms(self)
        elif word := found.get("category"):
            self.place = {"category": word}
            if word not in dict(categories()):
                self.add_error("category", "Choose one of the list.")


def allow_page(request: HttpRequest) -> HttpResponse:
    """Ask what to let through; the address names a declined decision, or a card."""
    if not request.user.has_perm("authorizations.view_decision"):
        raise PermissionDenied
    if key := request.GET.get("decision"):
        return _again(request, get_object_or_404(Decision, pk=key))
    return _by_hand(request, get_object_or_404(Card, pk=request.GET.get("card", "")))


def _again(request: HttpRequest, row: Decision) -> HttpResponse:
    back = reverse("admin:authorizations_decision_change", args=[quote(row.pk)])
    if purchase_exceptions.is_allowed(row.pk, row.card_id or ""):
        return _page(request, None, back=back, effect=purchase_exceptions.IS_ALLOWED)
    try:
        found = purchase_exceptions.waivable(row)
    except StopError as why:
        return _page(request, None, back=back, effect=str(why))
    asked = found.request
    places = _places(asked.asked_at)
    form = AllowAgainForm(
        request.POST if request.method == "POST" else None,
        places={name: words for name, (words, _) in places.items()},
        currency=asked.currency,
        initial=_initial(found),
    )
    ids = {waiver.policy for _, waiver in found.checks if waiver.policy}
    names = dict(Policy.objects.filter(pk__in=ids).values_list("pk", "name"))
    waivers = [
        f"{limit_words(check.figures)} of {names[waiver.policy]}"
        if check.figures and waiver.policy
        else waiver_words(waiver, names.get(waiver.policy or 0, ""))
        for check, waiver in found.checks
    ]
    waived = all_of(list(dict.fromkeys(waivers)))
    effect = f"Waived: {waived}. Nothing else: if more fails, it is declined. {_EFFECT}"
    if request.method == "POST" and form.is_valid():
        _, place = places[form.cleaned_data["where"]]
        waives = [waiver for _, waiver in found.checks]
        known = {"currency": asked.currency, "place": place, "decision": row.pk}
        if _allow(request, form, asked.card.id, waives, **known):
            return HttpResponseRedirect(back)
    what = f"{format_money(found.amount, asked.currency)} at {asked.asked_at.name or 'a merchant'}"
    card = Card.objects.filter(pk=asked.card.id).first()
    in_vain = _in_vain(card) if card else ""
    return _page(request, form, back=back, effect=f"{what} was declined. {effect}{in_vain}")


def _by_hand(request: HttpRequest, card: Card) -> HttpResponse:
    back = reverse("admin:authorizations_card_change", args=[quote(card.pk)])
    if not card.currency:
        why = "The currency of this card is not known yet: allow a purchase after its first one."
        return _page(request, None, back=back, effect=why)
    form = AllowByHandForm(
        request.POST if request.method == "POST" else None,
        currency=card.currency,
        initial=_usual_end(),
    )
    if request.method == "POST" and form.is_valid():
        waives = [Waiver(reason) for reason in form.cleaned_data["waives"]]
        if _allow(request, form, card.pk, waives, currency=card.currency, place=form.place):
            return HttpResponseRedirect(back)
    effect = f"Card {card_words(card)}. {_EFFECT}{_in_vain(card)}"
    return _page(request, form, back=back, effect=effect)


def _in_vain(card: Card) -> str:
    """Why nothing is let through as the card is now, to follow a sentence; else ""."""
    if card.frozen or frozen_above([card])[card.pk]:
        return " Nothing is let through as long as the card is frozen, as it is now."
    if card.status != Card.Status.ACTIVE:
        return " Nothing is let through as long as the card is not active at Stripe, as now."
    return ""


def _usual_end() -> dict[str, Any]:
    until = timezone.localtime(timezone.now() + purchase_exceptions.USUAL_TIME)
    return {"until": until.strftime("%Y-%m-%dT%H:%M")}


def _initial(found: Waivable) -> dict[str, Any]:
    typed = format_money(found.usual_amount, found.request.currency)
    return {**_usual_end(), "where": next(iter(_places(found.request.asked_at))), "up_to": typed}


def _places(at: Merchant) -> dict[str, tuple[str, dict[str, Any]]]:
    """What an exception can be for: the words, and the pair as policy files have it."""
    places: dict[str, tuple[str, dict[str, Any]]] = {}
    with suppress(ValueError):  # a merchant without id and name, or one that no file can name
        if at.network_id:
            named = f"{at.name} (network id {at.network_id})" if at.name else at.network_id
            entry = merchant({Manner.NETWORK_ID.value: at.network_id})
            places[_MERCHANT] = f"This merchant: {named}", {"merchant": entry}
        else:
            entry = merchant({Manner.IS.value: at.name})
            places[_MERCHANT] = f"Merchants with this name: {at.name}", {"merchant": entry}
    with suppress(ValueError):
        known = at.category if at.category in known_categories() else at.category_code
        word = category(known)
        places[_CATEGORY] = f"This category: {category_label(word)}", {"category": word}
    places[_ANY] = "Any merchant", {}
    return places


def _allow(
    request: HttpRequest, form: _AllowForm, card_id: str, waives: list[Waiver], **known: Any
) -> bool:
    """Put it in force; False if the form says why that can't be done."""
    found = form.cleaned_data
    try:
        purchase_exceptions.allow_once(
            card_id,
            waives,
            up_to=found["up_to"],
            until=found["until"],
            by=staff(request),
            reason=found["reason"],
            **known,
        )
    except StopError as wrong:
        form.add_error(None, str(wrong))
        return False
    messages.success(request, "Allowed once: ask for the purchase to be tried again.")
    return True


def _page(request: HttpRequest, form: forms.Form | None, **context: Any) -> HttpResponse:
    words = "Allow once"
    return asking.page(request, form, about=Instruction, title=words, button=words, **context)
