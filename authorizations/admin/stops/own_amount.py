"""The page that gives a card, cardholder or group its own amount for a limit of a policy."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.widgets import UnfoldAdminRadioSelectWidget

from authorizations.admin.shared import asking
from authorizations.admin.shared.limits import limit_in
from authorizations.admin.shared.links import page_of, staff
from authorizations.admin.shared.moments import moment_field
from authorizations.admin.shared.money import MoneyField, in_currency, read_money
from authorizations.admin.shared.times import exact_time
from authorizations.admin.stops.stopping import EndAndReason
from authorizations.models import Instruction
from authorizations.rules.basics.controls import LimitControl, ScopeKind
from authorizations.rules.policy.summary import limit_noun, limit_phrase
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
    amount = MoneyField(label="Amount", missing="Give a figure.")
    begins = moment_field("From", "Begins by itself at this time. Leave it empty for now.")
    field_order = ("how", "amount", "begins", "until", "reason")

    def __init__(self, *args: Any, limit: LimitControl, **options: Any) -> None:
        super().__init__(*args, **options)
        self._limit = limit
        if limit.amount is None:
            self.fields["amount"].label = f"Number of {limit_noun(limit)}s"
            self.fields["amount"].widget.attrs["placeholder"] = "Such as 5"
        else:
            in_currency(self.fields["amount"], limit.currency)

    def clean(self) -> None:
        super().clean()
        typed = self.cleaned_data.get("amount", "")
        if self._limit.amount is not None:
            read_money(self, "amount", self._limit.currency)
        elif typed.isascii() and typed.isdecimal() and len(typed) < 8:
            self.cleaned_data["amount"] = int(typed)
        elif typed:
            self.add_error("amount", "Give a whole number, such as 5.")


def own_amount_page(request: HttpRequest) -> HttpResponse:
    """Ask for the amount of a scope's limit, which the address names; then put it in force."""
    scope, row, name, policy, limit = limit_in(request)
    if scope.kind is ScopeKind.MEMBER:
        raise Http404
    form = OwnAmountForm(request.POST if request.method == "POST" else None, limit=limit)
    back = page_of(row)
    if request.method == "POST" and form.is_valid():
        found = form.cleaned_data
        how = "amount" if found["how"] == _SET else "raise_by"
        try:
            own_amounts.give(
                scope,
                policy,
                limit.key,
                by=staff(request),
                reason=found["reason"],
                begins=found["begins"],
                until=found["until"],
                **{how: found["amount"]},
            )
        except StopError as wrong:
            form.add_error(None, str(wrong))
        else:
            begins = found["begins"]
            later = f"It begins on {exact_time(begins)}." if begins else ""
            messages.success(request, later or "In force from the next purchase on.")
            return HttpResponseRedirect(back)
    effect = (
        f"For {name} alone, whatever other cards have. Policy {policy.name} says: "
        f"{limit_phrase(limit)}. What is used in the window already counts."
    )
    return asking.page(
        request,
        form,
        about=Instruction,
        title="Own amount",
        button="Set",
        effect=effect,
        back=back,
    )
