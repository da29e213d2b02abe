"""The page on which money is added to a pot or taken out of it."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminTextInputWidget

from authorizations.admin.shared import asking
from authorizations.admin.shared.limits import limit_in
from authorizations.admin.shared.links import page_of, staff
from authorizations.admin.shared.money import MoneyField, in_currency, read_money
from authorizations.admin.shared.reasons import reason_field
from authorizations.models import FundEntry
from authorizations.rules.basics.controls import Interval
from authorizations.rules.basics.money import format_money
from authorizations.services.policies import funds
from authorizations.services.policies.stops import StopError

_ADD, _TAKE = "add", "take"


class FundsForm(forms.Form):
    """A clean `amount` is in the smallest unit of the currency, negative if it is taken out."""

    how = forms.ChoiceField(
        label="Money is",
        choices=[(_ADD, "added"), (_TAKE, "taken out")],
        initial=_ADD,
        widget=UnfoldAdminRadioSelectWidget,
    )
    amount = MoneyField(label="Amount", missing="Give an amount.")
    reference = forms.CharField(
        max_length=100,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Such as an order's number. Each is used once for these funds.",
        error_messages={"required": "Give a reference, such as an order's number."},
    )
    reason = reason_field()

    def __init__(self, *args: Any, currency: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self._currency = currency
        in_currency(self.fields["amount"], currency)

    def clean(self) -> None:
        super().clean()
        read_money(self, "amount", self._currency)
        amount = self.cleaned_data.get("amount")
        if isinstance(amount, int) and self.cleaned_data.get("how") == _TAKE:
            self.cleaned_data["amount"] = -amount


def entering_page(request: HttpRequest) -> HttpResponse:
    """Ask for an entry of the funds that the address names; then make it."""
    scope, row, name, policy, limit = limit_in(request)
    if limit.interval is not Interval.FUNDS:
        raise Http404
    form = FundsForm(request.POST if request.method == "POST" else None, currency=limit.currency)
    if request.method == "POST" and form.is_valid():
        found = form.cleaned_data
        try:
            entry = funds.enter(
                policy,
                limit.key,
                scope,
                found["amount"],
                by=staff(request),
                reference=found["reference"],
                reason=found["reason"],
            )
        except StopError as wrong:
            form.add_error(None, str(wrong))
        else:
            amount = format_money(abs(entry.amount), entry.currency)
            done = "added" if entry.amount > 0 else "taken out"
            messages.success(request, f"{amount} {done}, from the next purchase on.")
            return HttpResponseRedirect(page_of(row))
    effect = (
        f"For {name}, by policy {policy.name}: purchases can spend what was added. Never more can "
        "be taken out than is left."
    )
    return asking.page(
        request,
        form,
        about=FundEntry,
        title="Funds",
        button="Save",
        effect=effect,
        back=page_of(row),
    )
