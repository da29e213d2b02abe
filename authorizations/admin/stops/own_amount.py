"""The page that gives a card, cardholder or group its own amount for a limit of a policy."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminRadioSelectWidget

from authorizations.admin.shared.links import SCOPE_MODELS, staff
from authorizations.admin.shared.money import MoneyField, read_money
from authorizations.admin.stops.stopping import EndAndReason
from authorizations.models import Instruction, Policy
from authorizations.rules.basics.controls import LimitControl, Scope, scope_of
from authorizations.rules.policy.summary import limit_phrase
from authorizations.services.policies import own_amounts
from authorizations.services.policies.stops import StopError

_SET, _RAISE = "set", "raise"


class OwnAmountForm(EndAndReason):
    """A clean `amount` is in the limit's unit: the smallest of its currency, or purchases."""

    how = forms.ChoiceField(
        label="The limit is",
        choices=[(_SET, "set to"), (_RAISE, "raised by")],
        initial=_SET,
        widget=UnfoldAdminRadioSelectWidget,
    )
    amount = MoneyField(label="Amount")
    field_order = ("how", "amount", "until", "reason")

    def __init__(self, *args: Any, limit: LimitControl, **options: Any) -> None:
        super().__init__(*args, **options)
        self._limit = limit
        if limit.amount is None:
            self.fields["amount"].label = "Number of purchases"
            self.fields["amount"].widget.attrs["placeholder"] = "Such as 5"

    def clean(self) -> None:
        super().clean()
        typed = self.cleaned_data.get("amount")
        if typed is None:
            self.add_error("amount", "Give a figure.")
        elif self._limit.amount is not None:
            read_money(self, "amount", self._limit.currency)
        elif typed.isascii() and typed.isdecimal() and len(typed) < 8:
            self.cleaned_data["amount"] = int(typed)
        else:
            self.add_error("amount", "Give a whole number, such as 5.")


def own_amount_page(request: HttpRequest) -> HttpResponse:
    """Ask for the amount of a scope's limit, which the address names; then put it in force."""
    if not request.user.has_perm("authorizations.view_policy"):
        raise PermissionDenied
    scope, row = _scope(request.GET.get("scope", ""))
    key = request.GET.get("policy", "")
    is_key = key.isascii() and key.isdecimal() and len(key) < 19
    policies = Policy.objects.select_related("current_version")
    policy = get_object_or_404(policies, pk=key if is_key else 0)
    limits = {limit.key: limit for limit in own_amounts.limits_of(policy)}
    limit = limits.get(request.GET.get("limit", ""))
    if limit is None:
        raise Http404
    form = OwnAmountForm(request.POST if request.method == "POST" else None, limit=limit)
    back = _page_of(row)
    if request.method == "POST" and form.is_valid():
        found = form.cleaned_data
        name = "amount" if found["how"] == _SET else "raise_by"
        try:
            own_amounts.give(
                scope,
                policy,
                limit.key,
                by=staff(request),
                reason=found["reason"],
                until=found["until"],
                **{name: found["amount"]},
            )
        except StopError as wrong:
            form.add_error(None, str(wrong))
        else:
            messages.success(request, "In force from the next purchase on.")
            return HttpResponseRedirect(back)
    context = {
        **admin.site.each_context(request),
        "title": "Own amount",
        "opts": Instruction._meta,
        "form": form,
        "button": "Set",
        "effect": f"For {row} alone, whatever other cards have. Policy {policy.name} says: "
        f"{limit_phrase(limit)}. What is used in the window already counts.",
        "back": back,
    }
    return TemplateResponse(request, "admin/authorizations/asked.html", context)


def _scope(key: str) -> tuple[Scope, Model]:
    """The scope that a key names, and its row. Raises Http404."""
    try:
        scope = scope_of(key)
        row = get_object_or_404(SCOPE_MODELS[scope.kind]._default_manager.all(), pk=scope.id)
    except (ValueError, KeyError, OverflowError):
        raise Http404 from None
    return scope, row


def _page_of(row: Model) -> str:
    return reverse(f"admin:authorizations_{row._meta.model_name}_change", args=[quote(row.pk)])
