"""Money as people read and type it; what is kept is an integer in the smallest unit."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

from authorizations.rules.basics.money import parse_money


class MoneyField(forms.CharField):
    """An amount typed as money. Its form reads it, once the currency is known: `read_money`."""

    def __init__(self, **options: Any) -> None:
        attrs = {"inputmode": "decimal", "autocomplete": "off", "placeholder": "Such as 1,250.00"}
        options.setdefault("widget", UnfoldAdminTextInputWidget(attrs=attrs))
        super().__init__(required=False, empty_value=None, max_length=100, **options)


def read_money(form: forms.BaseForm, name: str, currency: str) -> None:
    """Replace what was typed by the amount, or say at the field what is wrong with it."""
    typed = form.cleaned_data.get(name)
    if typed is None:
        return
    try:
        form.cleaned_data[name] = parse_money(typed, currency)
    except ValueError as wrong:
        form.add_error(name, str(wrong))
