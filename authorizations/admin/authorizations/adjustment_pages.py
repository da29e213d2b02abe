"""Pages on which operators release a hold or adjust what a purchase counts for, with a reason."""

from collections.abc import Callable

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminTextInputWidget

from authorizations.admin.authorizations.disputes import adjustment_initial, won_dispute
from authorizations.admin.shared.explained import readable
from authorizations.admin.shared.links import staff
from authorizations.admin.shared.money import MoneyField, read_money
from authorizations.models import Authorization
from authorizations.rules.basics.money import format_money
from authorizations.rules.purchases.books import AuthorizationState
from authorizations.services.lifecycle.adjustments import CannotAdjustError, adjust, release
from authorizations.services.lifecycle.disputes import adjustment_for
from authorizations.services.runtime import codec

_FROM_HOLDS = "holds"
_MAX_REASON = 500
"""Maximum characters of a reason."""


class AdjustmentForm(forms.Form):
    reason = forms.CharField(
        label="Reason",
        max_length=_MAX_REASON,
        widget=UnfoldAdminTextInputWidget(attrs={"autofocus": True}),
        help_text="Kept with the correction.",
        error_messages={"required": "Give a reason: it is kept with the correction."},
    )


class AdjustForm(AdjustmentForm):
    """`seen` is the adjustment in force when the page was opened, in the smallest unit."""

    field_order = ("direction", "amount", "reason")
    direction = forms.ChoiceField(
        label="What to do",
        choices=[("give", "Count less"), ("take", "Count more")],
        initial="give",
        widget=UnfoldAdminRadioSelectWidget,
        error_messages={"required": "Choose whether to count less or more."},
    )
    amount = MoneyField(label="Amount")
    seen = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, row: Authorization, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.currency = row.currency

    def clean(self) -> None:
        if self.cleaned_data.get("amount") is None and "amount" not in self.errors:
            self.add_error("amount", "Enter an amount.")
        read_money(self, "amount", self.currency)

    @property
    def change(self) -> int:
        """The change of what the purchase counts for, in the smallest unit."""
        amount: int = self.cleaned_data["amount"]
        return amount if self.cleaned_data["direction"] == "take" else -amount


def release_page(request: HttpRequest, row: Authorization) -> HttpResponse:
    """Asks for a reason, then releases what is held."""
    state = readable(lambda: codec.value(AuthorizationState, row.books))
    if state is None:
        return _unreadable(request, row)
    form = AdjustmentForm(request.POST if request.method == "POST" else None)
    held = format_money(state.held, row.currency)

    def book() -> str:
        release(row.pk, by=staff(request), reason=form.cleaned_data["reason"])
        return f"{held} is released and can be spent again from the next purchase on."

    return _page(request, row, form, book, {"title": "Release hold", "held": held})


def adjust_page(request: HttpRequest, row: Authorization) -> HttpResponse:
    """Asks for an amount and a reason, then books the adjustment."""
    state = readable(lambda: codec.value(AuthorizationState, row.books))
    if state is None:
        return _unreadable(request, row)
    sent = request.POST if request.method == "POST" else None
    dispute = won_dispute(row, request.GET.get("dispute", ""))
    initial = adjustment_initial(row, dispute) if dispute else {}
    form = AdjustForm(row, sent, initial={"seen": state.adjusted, **initial})

    def book() -> str:
        change, seen = form.change, form.cleaned_data["seen"]
        reason = form.cleaned_data["reason"]
        if dispute:
            if adjustment_for(dispute, row.pk):
                raise CannotAdjustError("An adjustment for this dispute is already booked.")
            if dispute.pk not in reason:  # adjustment_for finds the entry by this id
                reason = f"{reason[: _MAX_REASON - len(dispute.pk) - 3]} ({dispute.pk})"
        adjust(row.pk, change, by=staff(request), reason=reason, seen=seen)
        money = format_money(abs(change), row.currency)
        return f"The purchase counts {money} {'more' if change > 0 else 'less'} against limits."

    return _page(request, row, form, book, {"title": "Adjust what is counted"})


def _page(
    request: HttpRequest,
    row: Authorization,
    form: AdjustmentForm,
    book: Callable[[], str],
    context: dict[str, str],
) -> HttpResponse:
    """Shows the form; a valid one is booked, and `book` returns the message of success."""
    back = _url(row)
    if request.GET.get("from") == _FROM_HOLDS:
        back = reverse("admin:authorizations_authorization_past")
    if request.method == "POST" and form.is_valid():
        try:
            messages.success(request, book())
            return HttpResponseRedirect(back)
        except CannotAdjustError as problem:
            form.add_error(None, str(problem))
    context_of_page = {
        **admin.site.each_context(request),
        "opts": Authorization._meta,
        "original": row,
        "counted": format_money(row.counted_amount, row.currency),
        "form": form,
        "back": back,
        **context,
    }
    return TemplateResponse(request, "admin/authorizations/adjustment.html", context_of_page)


def _unreadable(request: HttpRequest, row: Authorization) -> HttpResponse:
    sentence = (
        "This purchase's books can't be read: a different version of this program wrote them."
    )
    messages.error(request, f"{sentence} Nothing was booked. Report it to your administrator.")
    return HttpResponseRedirect(_url(row))


def _url(row: Authorization) -> str:
    return reverse("admin:authorizations_authorization_change", args=[quote(row.pk)])
