"""The filters of the lists of the record: one form per list, sent in the query of its address.

Fields are choices or ranges, so that no query searches a table for its values. A value that can't
be read gets an error, and the list then shows no rows rather than all.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple, cast

from django import forms
from django.contrib.admin import site
from django.contrib.admin.widgets import AutocompleteMixin
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import Field, Q
from django.utils.text import capfirst
from django.utils.timezone import get_current_timezone
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from authorizations.admin.shared.choices import Choices, choose_one
from authorizations.admin.shared.period_words import days_words, hour_words
from authorizations.models import Assignment, Card
from authorizations.rules.basics.clocks import midnight
from authorizations.rules.basics.words import category_label, country_words

FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)
_FULL_WIDTH = {"data-width": "100%"}
_DAY_RANGE = "Choose a day between 2000 and 2199."


class Chip(NamedTuple):
    """An active filter in words, and the names of its fields."""

    words: str
    names: tuple[str, ...]


class RecordFilters(forms.Form):
    """The filter by days that every list has; lists add their own fields."""

    field_order: tuple[str, ...] = ("outcome", "reason", "cause", "from", "to")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Not class attributes, as "from" is a keyword of Python.
        self.fields |= {"from": day_field("From"), "to": day_field("To, included")}
        self.order_fields(self.field_order)
        for field in self.fields.values():
            field.required = False

    @property
    def since(self) -> datetime | None:
        day = self.cleaned_data["from"]
        return day and midnight(day, get_current_timezone())

    @property
    def until(self) -> datetime | None:
        day = self.cleaned_data["to"]
        return day and midnight(day + timedelta(days=1), get_current_timezone())

    @property
    def condition(self) -> Q:
        """The condition on rows, apart from the days."""
        return Q()

    @property
    def is_narrow(self) -> bool:
        """Whether an index leads to the few rows that match."""
        return False

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        first, last = cleaned.get("from"), cleaned.get("to")
        if first and last and first > last:
            self.add_error("to", "The last day is before the first.")
        return cleaned

    def problems(self) -> list[str]:
        """The errors, each a sentence that begins with the label of its field."""
        return [
            f"{self.fields[name].label}: {sentence}" if name in self.fields else str(sentence)
            for name, sentences in self.errors.items()
            for sentence in sentences
        ]

    def chips(self) -> Iterator[Chip]:
        """The active filters, if the form is valid."""
        for name, field in self.fields.items():
            value = self.cleaned_data[name]
            if name in {"from", "to"} or value in {None, ""}:
                continue
            if name in _CHIP_WORDS:
                words = _CHIP_WORDS[name](value)
            elif isinstance(field, forms.ChoiceField) and not isinstance(
                field, forms.ModelChoiceField
            ):
                words = str(dict(cast("Choices", field.choices))[value])
            else:
                words = str(value)
            yield Chip(words, (name,))
        first, last = self.cleaned_data["from"], self.cleaned_data["to"]
        if first or last:
            yield Chip(days_words(first, last), ("from", "to"))


def chain_field() -> "forms.ModelChoiceField[Any]":
    """A card together with those of its replacement chain; the card's page links with it."""
    return forms.ModelChoiceField(
        label="Card and any it replaced",
        queryset=Card.objects.all(),
        widget=forms.HiddenInput,
        error_messages={"invalid_choice": "No card has this id."},
    )


_CHIP_WORDS: dict[str, Callable[[Any], str]] = {
    "card": lambda card: f"Card {card}",
    "chain": lambda card: f"Card {card} and any it replaced",
    "policy": lambda policy: f"Policy {policy}",
    "category": lambda category: capfirst(category_label(category)),
    "country": country_words,
    "currency": lambda currency: str(currency).upper(),
    "hour": hour_words,
}


def day_field(label: str) -> forms.DateField:
    widget = UnfoldAdminTextInputWidget(attrs={"type": "date"})
    wrong = "This is not a day. Write year, month and day, such as 2026-11-18."
    return forms.DateField(
        label=label,
        widget=widget,
        input_formats=["%Y-%m-%d"],
        error_messages={"invalid": wrong},
        validators=[
            MinValueValidator(FIRST_DAY, _DAY_RANGE),
            MaxValueValidator(LAST_DAY, _DAY_RANGE),
        ],
    )


def choice_field(label: str, choices: Choices, unchosen: str = "All") -> forms.ChoiceField:
    """A choice from a short list; `unchosen` says what the list has without one."""
    unknown = "“%(value)s” is not a choice. Choose one from the list."
    return forms.ChoiceField(
        label=label,
        choices=[("", unchosen), *choices],
        widget=UnfoldAdminSelectWidget(),
        error_messages={"invalid_choice": unknown},
    )


def long_field(label: str, choices: Choices) -> forms.CharField:
    """A value from a long list, found by typing part of its name. Other values are accepted."""
    return choose_one(choices, label=label, blank="All", max_length=500)


class _OnlyKeys(AutocompleteMixin):
    """Ignores values in an address or a form that can't be a key."""

    def optgroups(self, name: str, value: Sequence[str], attrs: Any = None) -> Any:
        return super().optgroups(name, [key for key in value if self._is_key(key)], attrs)

    def _is_key(self, key: str) -> bool:
        try:
            self.field.target_field.to_python(key)
        except forms.ValidationError:
            return False
        return "\0" not in key


class ChooseRow(_OnlyKeys, forms.Select):
    """Selects a row by typing."""


class ChooseRows(_OnlyKeys, forms.SelectMultiple):
    """Selects several rows by typing."""


def target_field(name: str, **options: Any) -> "forms.ModelChoiceField[Any]":
    """A row of the table that an assignment's foreign key `name` refers to, found by typing."""
    key: Any = Assignment._meta.get_field(name)
    return forms.ModelChoiceField(
        key.related_model._default_manager.all(),
        widget=ChooseRow(key, site, attrs=_FULL_WIDTH),
        **options,
    )


class _ChooseRowOrAll(ChooseRow):
    def build_attrs(self, *args: Any, **options: Any) -> dict[str, Any]:
        # Django overwrites a placeholder that is passed in with an empty one.
        return super().build_attrs(*args, **options) | {"data-placeholder": "All"}


def row_field(label: str, to: Any, unknown: str) -> "forms.ModelChoiceField[Any]":
    """A row of a related table, found by typing; `to` is a foreign key to that table."""
    key: Field[Any, Any] = to.field
    return forms.ModelChoiceField(
        label=label,
        queryset=key.related_model._default_manager.all(),  # type: ignore[union-attr]
        widget=_ChooseRowOrAll(key, site, attrs=_FULL_WIDTH),
        error_messages={"invalid_choice": unknown},
    )
