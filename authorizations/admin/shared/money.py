"""Form fields for money: typed and shown in units, stored as an integer in the smallest unit."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

from authorizations.rules.basics.money import exponent, format_money, parse_money


class MoneyField(forms.CharField):
    """An amount typed as money. The form parses it with `read_money` once it knows the currency.

    `missing` is the error where nothing is typed; without it nothing has to be.
    """

    def __init__(self, *, missing: str = "", **options: Any) -> None:
        attrs = {"inputmode": "decimal", "autocomplete": "off", "placeholder": "Such as 1,250.00"}
        options.setdefault("widget", UnfoldAdminTextInputWidget(attrs=attrs))
        errors = {"required": missing}
        super().__init__(
            required=bool(missing),
            error_messages=errors,
            empty_value=None,
            max_length=100,
            **options,
        )


def in_currency(field: forms.Field, currency: str) -> None:
    """Say beside a field in which currency its amount is, with an example."""
    example = format_money(1250 * 10 ** exponent(currency), currency)
    field.help_text = f"In {currency.upper()}."
    field.widget.attrs["placeholder"] = f"Such as {example}"


def read_money(form: forms.BaseForm, name: str, currency: str) -> None:
    """Replace the typed text by the amount, or add the error to the field."""
    typed = form.cleaned_data.get(name)
    if typed is None:
        return
    try:
        form.cleaned_data[name] = parse_money(typed, currency)
    except ValueError as wrong:
        form.add_error(name, str(wrong))
