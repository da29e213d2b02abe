"""The form of the policy page; the rules validate it, and their messages are shown."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextInputWidget

from authorizations.admin.policies.fields import FIELDS
from authorizations.admin.shared.moments import moment_field
from authorizations.admin.shared.money import MoneyField, read_money
from authorizations.admin.shared.types import ModelForm
from authorizations.models import Policy
from authorizations.rules.basics.money import format_money
from authorizations.rules.policy.document import InvalidPolicyError, Problem, normalize
from authorizations.services.policies.planned import PlanError, PlannedTimes, check_times

ROWS = ("spending_limits", "any_of", "schedule")
"""Lists in a policy's document whose entries have their own forms."""

UNITS = ("minutes", "hours", "days")
"""Keys of a limit that its form shows as a length and a unit."""

_SHOWN_AT = {**dict.fromkeys(UNITS, "rolling_length"), "year_starts": "year_starts_day"}
"""Fields of a limit's form for keys that have none of the same name."""

_EDITED = "edited"

_WHOSE_TIME = "In your time zone, as all times that are shown; not in the policy's."


class _PolicyForm(ModelForm[Policy]):
    """The policy's document without the lists of ROWS; the fields are FIELDS."""

    published_from = moment_field(
        "In force from", f"Empty: from the next purchase on. {_WHOSE_TIME}"
    )
    published_until = moment_field(
        "In force until",
        f"Empty: for good. Afterwards what is in force without it decides again. {_WHOSE_TIME}",
    )
    reason = forms.CharField(
        required=False,
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
        label="Reason for this change",
        help_text="Saved with the version. Optional.",
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
        super().clean()  # refuses the name of an existing policy
        data = self.cleaned_data
        for name, field in self.fields.items():
            if isinstance(field, MoneyField):
                read_money(self, name, data.get("currency", ""))
        if data.get("smallest_partial_amount") and not data.get("partial_approval"):
            self.add_error(
                "smallest_partial_amount",
                "Only with partial approval: switch that on, or leave this empty.",
            )
        if self.times:
            try:
                check_times(self.times, timezone.now())
            except PlanError as wrong:
                self.add_error(
                    "published_until" if wrong.is_of_end else "published_from", str(wrong)
                )
            if self.instance.pk and data.get("name") not in (None, self.instance.name):
                self.add_error("name", "A planned version can't rename its policy: do so first.")
        try:
            normalize(self._edited())
        except InvalidPolicyError as found:
            for problem in found.problems:
                show_problem(self, problem)
        setattr(self.instance, _EDITED, self._edited())

    @property
    def times(self) -> PlannedTimes | None:
        """When the version is to be in force; None if it is published without a plan."""
        found = self.cleaned_data
        times = PlannedTimes(found.get("published_from"), found.get("published_until"))
        return times if any(times) else None

    def _edited(self) -> dict[str, Any]:
        """The document with the valid typed values."""
        typed = self.cleaned_data
        return self.in_force | {key: typed[key] for key in typed.keys() & self.in_force.keys()}


PolicyForm = type("PolicyForm", (_PolicyForm,), dict(FIELDS))


def edited(policy: Policy) -> dict[str, Any]:
    """A policy's document without the lists of ROWS: as sent by its page, or as in force."""
    found: dict[str, Any] = getattr(policy, _EDITED, None) or policy.document
    return {key: value for key, value in found.items() if key not in ROWS}


def shown(
    fields: Mapping[str, forms.Field], entry: Mapping[str, Any], currency: str | None
) -> dict[str, Any]:
    """The initial values of fields from the keys of the same names; amounts as money."""
    return {
        key: format_money(entry[key], currency or "")
        if isinstance(fields[key], MoneyField) and entry[key] is not None
        else entry[key]
        for key in fields.keys() & entry.keys()
    }


def show_problem(form: forms.BaseForm, problem: Problem, skip: int = 0) -> None:
    """Add a problem to its field, once; `skip` is the length of the path of the form itself."""
    name = str(problem.path[skip]) if len(problem.path) > skip else None
    if name not in form.fields:
        name = _SHOWN_AT.get(name or "")
    if name not in form.errors:
        form.add_error(name, problem.message)
