"""The pages on which something is frozen or blocked, and on which that is lifted."""

from contextlib import suppress
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminRadioSelectWidget

from authorizations.admin.lists.filters import target_field
from authorizations.admin.shared import asking
from authorizations.admin.shared.asking import UnconfirmedError
from authorizations.admin.shared.choices import categories, choose_one, countries
from authorizations.admin.shared.limits import named_scope
from authorizations.admin.shared.links import SCOPE_MODELS, page_of, staff
from authorizations.admin.shared.moments import moment_field
from authorizations.admin.shared.reasons import ReasonForm, reason_field
from authorizations.admin.stops.merchants import manner_field, merchant_field, merchant_terms
from authorizations.admin.stops.words import (
    back_url,
    limits_of,
    undoing,
    what_words,
    where_links,
)
from authorizations.models import Instruction
from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.rules.basics.filters import Manner
from authorizations.services.cards.grants import NO_DIFFERENCE
from authorizations.services.policies import exclusions, stops
from authorizations.services.policies.stops import StopError


class EndAndReason(forms.Form):
    """What all instructions have: a reason, and an end if wanted."""

    until = moment_field("Until", "Ends by itself at this time. Leave it empty for good.")
    reason = reason_field()

    def clean_until(self) -> datetime | None:
        until: datetime | None = self.cleaned_data["until"]
        if until and until <= timezone.now():
            raise forms.ValidationError("This time is past: choose a later one, or none.")
        return until


class ScopeForm(EndAndReason):
    """What freezes, blocks and exclusions have in common; `scope` is where it is to hold."""

    scope: Scope
    _FIELDS = {
        "group": ScopeKind.GROUP,
        "cardholder": ScopeKind.CARDHOLDER,
        "card": ScopeKind.CARD,
    }

    def clean(self) -> None:
        super().clean()
        named = [name for name in self._FIELDS if self.cleaned_data.get(name)]
        kind = self.cleaned_data.get("where")
        if kind == ScopeKind.PROGRAM and named:
            label = str(self.fields[named[0]].label).lower()
            self.add_error("where", f"Choose every card, or a {label}, not both.")
        elif kind and kind != ScopeKind.PROGRAM and named != [kind]:
            label = str(self.fields[kind].label).lower()
            if kind not in named:
                self.add_error(kind, f"Choose a {label}.")
            for other in [name for name in named if name != kind]:
                self.add_error(other, f"Leave this empty: you chose a {label} above.")
        elif kind:
            chosen = self.cleaned_data[kind].pk if named else ""
            self.scope = Scope(ScopeKind(kind), str(chosen))


class ScopeFreezeForm(ScopeForm):
    where = forms.ChoiceField(
        label="Freeze",
        choices=[
            (ScopeKind.CARD, "One card"),
            (ScopeKind.CARDHOLDER, "A cardholder: all their cards, later ones too"),
            (ScopeKind.GROUP, "A card group"),
            (ScopeKind.PROGRAM, "Every card of the program"),
        ],
        widget=UnfoldAdminRadioSelectWidget,
        error_messages={"required": "Choose what to freeze."},
    )
    card = target_field("card", label="Card", required=False)
    cardholder = target_field("cardholder", label="Cardholder", required=False)
    group = target_field("group", label="Card group", required=False)
    field_order = ("where", "card", "cardholder", "group", "until", "reason")


class BlockForm(ScopeForm):
    """`terms` is what to block, as a policy file says it."""

    manner = manner_field()
    merchant = merchant_field()
    category = choose_one(categories(), label="Or a category", blank="None")
    country = choose_one(countries(), label="Or a country", blank="None")
    where = forms.ChoiceField(
        label="For",
        choices=[(ScopeKind.PROGRAM, "Every card"), (ScopeKind.GROUP, "One card group")],
        initial=ScopeKind.PROGRAM,
        widget=UnfoldAdminRadioSelectWidget,
    )
    group = target_field("group", label="Card group", required=False)
    field_order = ("manner", "merchant", "category", "country", "where", "group", "until", "reason")
    terms: dict[str, Any]

    def clean(self) -> None:
        super().clean()
        found = self.cleaned_data
        given = [name for name in ("merchant", "category", "country") if found.get(name)]
        if len(given) != 1:
            sentence = "Name a merchant, a category or a country: one of them."
            self.add_error(given[1] if given else "merchant", sentence)
            return
        [name] = given
        self.terms = {name: found[name]}
        if name == "merchant":
            self.terms = merchant_terms(self)
        elif found[name] not in dict(categories() if name == "category" else countries()):
            self.add_error(name, "Choose one of the list.")


def list_url() -> str:
    return reverse("admin:authorizations_instruction_changelist")


def named_in(query: QueryDict) -> tuple[dict[str, Any], str]:
    """What a form begins with, if an address names a card, cardholder or group; and their page.

    Both are empty if there is none.
    """
    for kind in SCOPE_MODELS:
        if key := query.get(kind):
            with suppress(Http404):
                return {"where": kind, kind: key}, page_of(named_scope(f"{kind}:{key}").row)
    return {}, ""


def freeze_page(request: HttpRequest) -> HttpResponse:
    """Ask what to freeze, until when and why.

    The address may name a card, cardholder or group, and then leads back to its page.
    """
    initial, back = named_in(request.GET)
    back = back or list_url()
    form = ScopeFreezeForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        found = form.cleaned_data
        try:
            stops.freeze(
                form.scope, by=staff(request), reason=found["reason"], until=found["until"]
            )
        except StopError as wrong:
            form.add_error(None, str(wrong))
        else:
            messages.success(request, "Frozen from the next purchase on.")
            return HttpResponseRedirect(back)
    effect = (
        "From the next purchase on, everything is declined there, even what policies allow. "
        "Purchases approved earlier stay approved."
    )
    return asking.page(
        request,
        form,
        about=Instruction,
        title="Freeze",
        button="Freeze",
        effect=effect,
        back=back,
    )


def block_page(request: HttpRequest) -> HttpResponse:
    """Ask what to block, where, until when and why.

    The address may name a merchant, and a decision, to whose page it then leads back.
    """
    back = back_url(request.GET)
    initial: dict[str, Any] = {}
    if network_id := request.GET.get("network_id"):
        initial = {"merchant": network_id}
    elif name := request.GET.get("name"):
        initial = {"merchant": name, "manner": Manner.IS.value}
    form = BlockForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        found = form.cleaned_data
        try:
            stops.block(
                form.scope,
                form.terms,
                by=staff(request),
                reason=found["reason"],
                until=found["until"],
            )
        except StopError as wrong:
            form.add_error(None, str(wrong))
        else:
            messages.success(request, "Blocked from the next purchase on.")
            return HttpResponseRedirect(back)
    effect = (
        "From the next purchase on, purchases there are declined, even where a policy names the "
        "merchant as allowed. Purchases approved earlier stay approved."
    )
    return asking.page(
        request, form, about=Instruction, title="Block", button="Block", effect=effect, back=back
    )


_DECIDE_AGAIN = (
    "From the next purchase on, the policies decide again, unless something else stops it."
)
_EFFECTS: dict[str, str] = {
    Instruction.Kind.EXCEPTION: "It lets nothing through from the next purchase on.",
    Instruction.Kind.OVERRIDE: "From the next purchase on, the policy's own figure holds again, "
    "unless there is another own amount, against all that is used in the window.",
    Instruction.Kind.EXCLUSION: "From the next purchase on, the policy applies there again.",
}
_LIFTED: dict[str, str] = {
    Instruction.Kind.EXCEPTION: "Withdrawn: it lets nothing through any more.",
    Instruction.Kind.OVERRIDE: "Lifted: the policy's own figure holds from the next purchase on, "
    "unless there is another own amount.",
    Instruction.Kind.EXCLUSION: "Lifted: the policy applies again from the next purchase on.",
}


def lift_page(request: HttpRequest, object_id: int) -> HttpResponse:
    """Ask why, then end it now; of an exclusion say first which cards that affects.

    The address may name a card, cardholder, group or policy, and then leads back to its page.
    """
    row = Instruction.objects.filter(pk=object_id).select_related("lifting", "policy").first()
    if row is None:
        raise Http404
    is_exception, back = row.kind == Instruction.Kind.EXCEPTION, back_url(request.GET)
    form = asking.form(request, ReasonForm)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                difference = NO_DIFFERENCE
                if row.kind == Instruction.Kind.EXCLUSION:
                    difference = exclusions.lifted(row)
                is_new = stops.lift(row, by=staff(request), reason=form.cleaned_data["reason"])
                if is_new:
                    asking.require(request, gained=difference.gained, lost=difference.lost)
        except UnconfirmedError as unconfirmed:
            asking.ask(request, unconfirmed)
            form = asking.form(request, ReasonForm)
        else:
            if is_new:
                text = "Lifted: the policies decide again, unless something else stops it."
                messages.success(request, _LIFTED.get(row.kind, text))
            elif is_exception:
                messages.info(request, "Nothing to do: it is used, or holds no longer.")
            else:
                messages.info(request, "Nothing to do: it was lifted already, or has ended.")
            return HttpResponseRedirect(back)
    verb = undoing(row)
    return asking.page(
        request,
        form,
        about=Instruction,
        title=verb,
        button=verb,
        back=back,
        effect=_EFFECTS.get(row.kind, _DECIDE_AGAIN),
        row=row,
        what=what_words(row, limits_of([row])),
        where=where_links([row])[row.pk],
    )
