"""Form fields for money: typed and shown in units, stored as an integer in the smallest unit."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

from authorizations.rules.basics.money import parse_money


class MoneyField(forms.CharField):
    """An amount typed as money. The form parses it with `read_money` once it knows the currency."""

    def __init__(self, **options: Any) -> None:
        attrs = {"inputmode": "decimal", "autocomplete": "off", "placeholder": "Such as 1,250.00"}
        options.setdefault("widget", UnfoldAdminTextInputWidget(attrs=attrs))
        super().__init__(required=False, empty_value=None, max_length=100, **options)


def read_money(form: forms.BaseForm, name: str, currency: str) -> None:
    """Replace the typed text by the amount, or add the error to the field."""
    typed = form.cleaned_data.get(name)
    if typed is None:
        return
    try:
        form.cleaned_data[name] = parse_money(typed, currency)
    except ValueError as wrong:
        form.add_error(name, str(wrong))
