"""The page that assigns a policy to chosen targets, and to many pasted ones at once."""

import json
import re
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldBooleanSwitchWidget,
)

from authorizations.admin.lists.filters import ChooseRows, target_field
from authorizations.admin.policies.assigned import limits_words, scopes_words, with_targets
from authorizations.admin.policies.assignments import (
    EACH_OF_GROUP,
    EACH_OF_PROGRAM,
    MAY_ADD,
    list_url,
    policy_of,
)
from authorizations.admin.policies.coverage import cards_without_limit
from authorizations.admin.shared import asking
from authorizations.admin.shared.asking import UnconfirmedError
from authorizations.models import Assignment, Card, CardGroup, Cardholder, Policy
from authorizations.rules.policy.document import controls
from authorizations.services.policies.assignments import Targets, assign

MAX_PASTED = 10_000
"""Maximum ids pasted at once."""

_MAX_LINES = 10  # of messages
_WORD = re.compile(r"[^\s,;|\N{BULLET}*\"']+")


def _choose(model: type[Any], name: str, label: str, help_text: str) -> Any:
    return forms.ModelMultipleChoiceField(
        model._default_manager.all(),
        required=False,
        label=label,
        help_text=help_text,
        widget=ChooseRows(
            Assignment._meta.get_field(name), admin.site, attrs={"data-width": "100%"}
        ),
    )


class AssignForm(forms.Form):
    """`targets` has everything chosen and pasted."""

    program = forms.BooleanField(
        required=False,
        label="Every card",
        help_text="Including future cards.",
        widget=UnfoldBooleanSwitchWidget(),
    )
    program_each = forms.ChoiceField(
        required=False,
        label="Limits for every card",
        choices=EACH_OF_PROGRAM,
        widget=UnfoldAdminSelectWidget(),
    )
    groups = _choose(CardGroup, "group", "Card groups", "All cards of a group, later ones too.")
    group_each = forms.ChoiceField(
        required=False,
        label="Limits of card groups",
        choices=EACH_OF_GROUP,
        widget=UnfoldAdminSelectWidget(),
    )
    cardholders = _choose(
        Cardholder, "cardholder", "Cardholders", "All cards of a cardholder together."
    )
    cards = _choose(Card, "card", "Cards", "Each on its own, together with its replacements.")
    pasted = forms.CharField(
        required=False,
        label="Many at once",
        help_text="Paste ids of cards (ic_…) and cardholders (ich_…), or last four digits, for "
        f"example from a spreadsheet; up to {MAX_PASTED:,}.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
    )
    targets: Targets

    def clean(self) -> None:
        super().clean()
        chosen = self.cleaned_data
        self.targets = Targets(
            program=chosen.get("program", False),
            program_each=chosen.get("program_each", "") if chosen.get("program") else "",
            groups=_keys(chosen, "groups"),
            group_each=chosen.get("group_each", "") if chosen.get("groups") else "",
            cardholders=(*_keys(chosen, "cardholders"), *chosen.get("pasted", _NONE)["ich"]),
            cards=(*_keys(chosen, "cards"), *chosen.get("pasted", _NONE)["ic"]),
        )
        if not self.errors and self.targets == Targets():
            raise forms.ValidationError("Choose or paste what the policy should apply to.")

    def clean_pasted(self) -> dict[str, list[str]]:
        """Ids of cards and cardholders; error messages have the number of their line."""
        words = [
            (number, word)
            for number, line in enumerate(self.cleaned_data["pasted"].splitlines(), start=1)
            for word in _WORD.findall(line)
        ]
        if len(words) > MAX_PASTED:
            raise forms.ValidationError(
                f"These are {len(words):,}: paste up to {MAX_PASTED:,} at a time."
            )
        by_digits = _cards_by_digits([word for _, word in words if _is_digits(word)])
        there = {
            "ic": _there(Card, [word for _, word in words if word.startswith("ic_")]),
            "ich": _there(Cardholder, [word for _, word in words if word.startswith("ich_")]),
        }
        found: dict[str, list[str]] = {"ic": [], "ich": []}
        wrong: list[str] = []
        for line, word in words:
            kind = word.partition("_")[0]
            if _is_digits(word):
                cards = by_digits.get(word, [])
                if len(cards) == 1:
                    found["ic"] += cards
                elif cards:
                    wrong.append(
                        f"Line {line}: {len(cards):,} cards end in {word}: paste the id of the "
                        "right one."
                    )
                else:
                    wrong.append(f"Line {line}: no card here ends in {word}.")
            elif kind in there and word in there[kind]:
                found[kind].append(word)
            elif kind in there:
                what = "card" if kind == "ic" else "cardholder"
                wrong.append(f"Line {line}: there is no {what} {word} here yet. Add it first.")
            else:
                wrong.append(
                    f"Line {line}: “{word[:60]}” is neither the id of a card (ic_…) or cardholder "
                    "(ich_…) nor last four digits."
                )
        if wrong:
            more = [f"And {len(wrong) - _MAX_LINES:,} more."] if len(wrong) > _MAX_LINES else []
            raise forms.ValidationError([*wrong[:_MAX_LINES], *more])
        return found


_NONE: dict[str, list[str]] = {"ic": [], "ich": []}


def assign_page(request: HttpRequest, object_id: int) -> HttpResponse:
    """Ask for targets, show how many cards the assignment affects, then assign."""
    policy = policy_of(request, object_id, MAY_ADD)
    form = asking.form(request, AssignForm)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                done = assign(policy, form.targets)
                asking.require(
                    request,
                    gained=done.difference.gained,
                    lost=done.difference.lost,
                    begun=done.begun,
                )
        except UnconfirmedError as unconfirmed:
            asking.ask(request, unconfirmed)
            form = asking.form(request, AssignForm)
        else:
            _add_messages(request, policy, form.targets, done.scopes, done.there)
            return HttpResponseRedirect(list_url(policy))
    return asking.page(
        request,
        form,
        about=Policy,
        original=policy,
        title="Assign",
        button="Assign",
        back=list_url(policy),
    )


class PolicyForCardForm(forms.Form):
    policy = target_field(
        "policy",
        label="Policy",
        help_text="It applies beside those that the card has: the most restrictive wins.",
        error_messages={"required": "Choose a policy."},
    )


def assign_to_card_page(request: HttpRequest) -> HttpResponse:
    """Ask which policy to assign to the card that the address names, then assign it."""
    if not request.user.has_perms(["authorizations.view_policy", MAY_ADD]):
        raise PermissionDenied
    card = get_object_or_404(Card, pk=request.GET.get("card", "")[:255])
    form = asking.form(request, PolicyForCardForm)
    back = reverse("admin:authorizations_card_change", args=[quote(card.pk)])
    if request.method == "POST" and form.is_valid():
        policy, targets = form.cleaned_data["policy"], Targets(cards=(card.pk,))
        try:
            with transaction.atomic():
                done = assign(policy, targets)
                difference = done.difference
                asking.require(
                    request, gained=difference.gained, lost=difference.lost, begun=done.begun
                )
        except UnconfirmedError as unconfirmed:
            asking.ask(request, unconfirmed)
            form = asking.form(request, PolicyForCardForm)
        else:
            _add_messages(request, policy, targets, done.scopes, done.there)
            return HttpResponseRedirect(back)
    return asking.page(
        request,
        form,
        about=Card,
        original=card,
        title="Assign a policy",
        button="Assign",
        effect=f"For {card}, from the next purchase on.",
        back=back,
    )


def _add_messages(
    request: HttpRequest, policy: Policy, targets: Targets, scopes: tuple[str, ...], there: int
) -> None:
    before = f" {there:,} already had it." if there else ""
    if scopes:
        words = scopes_words(policy, scopes)
        messages.success(request, f"Now applies to {words}.{before}")
    else:
        messages.info(request, "Nothing to do: the policy is already assigned there.")
    others = Q(program=True) & ~Q(each=targets.program_each) if targets.program else Q(pk__in=())
    others |= Q(group__in=targets.groups) & ~Q(each=targets.group_each)
    for row in with_targets(policy.assignments.filter(others))[:_MAX_LINES]:
        text = f"{limits_words(row)}, as before: “Whose limits” in this list changes that."
        messages.warning(request, text)
    replacing = Card.objects.filter(pk__in=targets.cards).exclude(root=F("pk"))
    for card in replacing[:_MAX_LINES]:
        messages.info(
            request,
            f"{card} is a replacement: the policy is assigned to the first card of its chain, "
            f"{card.root_id}, and so to all cards of the chain.",
        )
    version = policy.version_in_force
    value = controls(json.loads(version.content)) if version else None
    if value and (sentence := cards_without_limit(policy.pk, value)):
        messages.warning(request, sentence)


def _keys(chosen: dict[str, Any], name: str) -> tuple[Any, ...]:
    return tuple(row.pk for row in chosen.get(name, ()))


def _is_digits(word: str) -> bool:
    return len(word) == 4 and word.isascii() and word.isdecimal()


def _there(model: type[Any], ids: list[str]) -> set[str]:
    return set(model._default_manager.filter(pk__in=ids).values_list("pk", flat=True))


def _cards_by_digits(digits: list[str]) -> dict[str, list[str]]:
    """The cards that end in each of these digits; the first card stands for its chain."""
    found: dict[str, set[str]] = {}
    rows = Card.objects.filter(last4__in=digits).order_by()
    for last4, root in rows.values_list("last4", "root"):
        found.setdefault(last4, set()).add(root)
    return {last4: sorted(roots) for last4, roots in found.items()}
