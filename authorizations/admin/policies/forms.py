"""The form of the policy page. What works is judged by the rules; their sentences are shown."""

from collections.abc import Mapping
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

from authorizations.admin.policies.fields import FIELDS
from authorizations.admin.shared.money import MoneyField, read_money
from authorizations.admin.shared.types import ModelForm
from authorizations.models import Policy
from authorizations.rules.basics.money import format_money
from authorizations.rules.policy.document import InvalidPolicyError, Problem, normalize

ROWS = ("spending_limits", "schedule")
"""Lists in a policy's document whose entries have forms of their own."""

UNITS = ("minutes", "hours", "days")
"""Keys of a limit's document that its form shows as a length and its unit."""

_EDITED = "edited"


class _PolicyForm(ModelForm[Policy]):
    """The policy's document without its limits and schedule: its fields are FIELDS."""

    reason = forms.CharField(
        required=False,
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
        label="Reason for this change",
        help_text="Kept with the version, for whoever asks later. Optional.",
    )

    class Meta:
        model = Policy
        fields = ("name",)
        error_messages = {
            "name": {
                "required": "Give the policy a name.",
                "unique": "Another policy has this name: choose a different one.",
            },
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        document = self.instance.document
        self.in_force = {key: value for key, value in document.items() if key not in ROWS}
        self.initial = {**shown(self.fields, document, document["currency"]), **self.initial}

    def clean(self) -> None:
        super().clean()  # looks for another policy of this name
        data = self.cleaned_data
        for name, field in self.fields.items():
            if isinstance(field, MoneyField):
                read_money(self, name, data.get("currency", ""))
        if data.get("smallest_partial_amount") and not data.get("partial_approval"):
            self.add_error(
                "smallest_partial_amount",
                "Only where a part may be approved: switch that on, or leave this empty.",
            )
        try:
            normalize(self._edited())
        except InvalidPolicyError as found:
            for problem in found.problems:
                show_problem(self, problem)
        setattr(self.instance, _EDITED, self._edited())

    def _edited(self) -> dict[str, Any]:
        """The document with what was typed, where that makes sense."""
        typed = self.cleaned_data
        return self.in_force | {key: typed[key] for key in typed.keys() & self.in_force.keys()}


PolicyForm = type("PolicyForm", (_PolicyForm,), dict(FIELDS))


def edited(policy: Policy) -> dict[str, Any]:
    """A policy's document without limits and schedule: as its page was sent, or as it stands."""
    found: dict[str, Any] = getattr(policy, _EDITED, None) or policy.document
    return {key: value for key, value in found.items() if key not in ROWS}


def shown(
    fields: Mapping[str, forms.Field], entry: Mapping[str, Any], currency: str | None
) -> dict[str, Any]:
    """What fields show of the keys they are named after: amounts as money in a currency."""
    return {
        key: format_money(entry[key], currency or "")
        if isinstance(fields[key], MoneyField) and entry[key] is not None
        else entry[key]
        for key in fields.keys() & entry.keys()
    }


def show_problem(form: forms.BaseForm, problem: Problem, skip: int = 0) -> None:
    """Say a problem at its field, once; `skip` is how much of its path leads to the form."""
    name = str(problem.path[skip]) if len(problem.path) > skip else None
    if name not in form.fields:
        name = "rolling_length" if name in UNITS else None
    if name not in form.errors:
        form.add_error(name, problem.message)
