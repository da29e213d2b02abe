"""A merchant in the forms that block or allow something: how it is matched, and by what."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from authorizations.admin.shared.choices import MANNERS, name_given_as_id
from authorizations.rules.basics.filters import Manner
from authorizations.rules.basics.merchant_entries import merchant


def manner_field() -> forms.ChoiceField:
    """How the merchant is matched, by its network id at first."""
    return forms.ChoiceField(
        required=False,
        label="Merchant matched by",
        choices=[(manner.value, words) for manner, words in MANNERS.items()],
        initial=Manner.NETWORK_ID.value,
        widget=UnfoldAdminSelectWidget(),
        help_text="A name can be imitated, a network id can't.",
    )


def merchant_field(help_text: str = "") -> forms.CharField:
    """The network id or the name of a merchant, or nothing."""
    return forms.CharField(
        required=False,
        max_length=200,
        label="Merchant",
        widget=UnfoldAdminTextInputWidget(),
        help_text=help_text,
    )


def merchant_terms(form: forms.Form) -> dict[str, Any]:
    """The merchant of both fields as a policy file says it; else the field gets an error."""
    found = form.cleaned_data
    manner, text = found.get("manner") or Manner.NETWORK_ID, found["merchant"]
    try:
        entry = merchant(text if manner == Manner.ID_OR_CONTAINS else {manner: text})
    except ValueError as unreadable:
        form.add_error("merchant", str(unreadable))
        return {}
    if wrong := name_given_as_id(entry):
        form.add_error("merchant", wrong)
    return {"merchant": entry}
