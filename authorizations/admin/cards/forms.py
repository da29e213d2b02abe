"""Forms to add cards and cardholders by hand, before the first event about them arrives."""

import re
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from authorizations.admin.shared import choices
from authorizations.admin.shared.types import ModelForm
from authorizations.models import Card, Cardholder
from authorizations.rules.basics.money import known_currencies

LAST4 = "Enter the last 4 digits of the card number, or leave it empty."


class CardForm(ModelForm[Card]):
    id = forms.CharField(
        label="Card id",
        max_length=255,
        widget=UnfoldAdminTextInputWidget,
        help_text="Stripe's id, ic_…",
    )
    currency = choices.choose_one(choices.currencies())

    class Meta:
        model = Card
        fields = ("id", "cardholder", "last4", "currency", "status")
        error_messages = {"last4": {"max_length": LAST4}}

    def clean_id(self) -> str:
        return stripe_id(self.cleaned_data["id"], "ic_", Card)

    def clean_last4(self) -> str:
        last4 = str(self.cleaned_data["last4"])
        if last4 and not re.fullmatch("[0-9]{4}", last4):
            raise forms.ValidationError(LAST4)
        return last4

    def clean_currency(self) -> str:
        currency = str(self.cleaned_data["currency"])
        if currency and currency not in known_currencies():
            raise forms.ValidationError("Choose a currency from the list, or leave it empty.")
        return currency


class CardGroupingForm(ModelForm[Card]):
    """The group of a card, and whether it is chosen by hand or by the groups' rules."""

    by_metadata = forms.BooleanField(
        required=False,
        label="By Stripe's metadata",
        widget=UnfoldBooleanSwitchWidget,
        help_text="The rules of card groups choose the group. A group that you choose is by hand: "
        "no rule changes it.",
    )

    class Meta:
        model = Card
        fields = ("group",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        grouped_by, is_grouped = self.instance.grouped_by, self.instance.group_id is not None
        is_by_rule = grouped_by == Card.GroupedBy.RULE or not (grouped_by or is_grouped)
        self.initial["by_metadata"] = is_by_rule

    def clean(self) -> None:
        super().clean()
        is_chosen = "group" in self.changed_data and self.cleaned_data.get("group")
        if is_chosen and self.follows_metadata:
            text = "Choose a group above, or switch this on: not both."
            self.add_error("by_metadata", text)

    @property
    def follows_metadata(self) -> bool:
        """Whether the groups' rules are to choose from now on."""
        return "by_metadata" in self.changed_data and bool(self.cleaned_data.get("by_metadata"))


class CardholderForm(ModelForm[Cardholder]):
    id = forms.CharField(
        label="Cardholder id",
        max_length=255,
        widget=UnfoldAdminTextInputWidget,
        help_text="Stripe's id, ich_…",
    )

    class Meta:
        model = Cardholder
        fields = ("id", "name")

    def clean_id(self) -> str:
        return stripe_id(self.cleaned_data["id"], "ich_", Cardholder)


def stripe_id(given: str, prefix: str, model: type[Any]) -> str:
    """The id, if it has the form of Stripe's and is new. Raises ValidationError otherwise."""
    what = model._meta.verbose_name
    if not re.fullmatch(f"{prefix}[A-Za-z0-9_]+", given):
        raise forms.ValidationError(
            f"A {what} id starts with {prefix}. Copy the complete id from Stripe's Dashboard."
        )
    if model.objects.filter(pk=given).exists():
        raise forms.ValidationError(f"This {what} already exists. Search for it in the list.")
    return given
