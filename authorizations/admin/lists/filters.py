"""What lists of the record are filtered by: each list has a form, sent in its address.

Fields are choices or ranges: nothing here looks through a table for the values it holds. Whatever
can't be read gets a sentence, and then the list shows nothing rather than everything.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple, cast

from django import forms
from django.contrib.admin import site
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import Field, Q
from django.utils.text import capfirst
from django.utils.timezone import get_current_timezone
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from authorizations.admin.shared.choices import Choices, choose_one
from authorizations.admin.shared.period_words import days_words, hour_words
from authorizations.models import Card
from authorizations.rules.basics.clocks import midnight
from authorizations.rules.basics.words import category_label, country_words

FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)
_OPEN = {"data-width": "100%"}
_DAYS = "Choose a day between 2000 and 2199."


class Chip(NamedTuple):
    """One active filter in words, and the fields that say it."""

    words: str
    names: tuple[str, ...]


class RecordFilters(forms.Form):
    """The days that every list of the record can be narrowed to."""

    field_order: tuple[str, ...] = ("outcome", "reason", "cause", "from", "to")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # "from" is no name a class could give to anything.
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
        """What rows must meet besides lying in the period."""
        return Q()

    @property
    def is_narrow(self) -> bool:
        """Whether an index finds the few rows that are left."""
        return False

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        first, last = cleaned.get("from"), cleaned.get("to")
        if first and last and first > last:
            self.add_error("to", "The last day is before the first one.")
        return cleaned

    def problems(self) -> list[str]:
        """What can't be read, each a sentence with the name of its field."""
        return [
            f"{self.fields[name].label}: {sentence}" if name in self.fields else str(sentence)
            for name, sentences in self.errors.items()
            for sentence in sentences
        ]

    def chips(self) -> Iterator[Chip]:
        """The active filters, where all can be read."""
        for name, field in self.fields.items():
            if name in {"from", "to"} or self.cleaned_data[name] in {None, ""}:
                continue
            yield Chip(_words(name, self.cleaned_data[name], field), (name,))
        first, last = self.cleaned_data["from"], self.cleaned_data["to"]
        if first or last:
            yield Chip(days_words(first, last), ("from", "to"))


def _words(name: str, value: Any, field: Any) -> str:
    """What a chosen value is called."""
    if name in _NAMED:
        return _NAMED[name](value)
    if isinstance(field, forms.ChoiceField) and not isinstance(field, forms.ModelChoiceField):
        return str(dict(cast("Choices", field.choices))[value])
    return str(value)


def chain_field() -> "forms.ModelChoiceField[Any]":
    """A card together with those it replaced; the card's page links with it."""
    return forms.ModelChoiceField(
        label="Card and any it replaced",
        queryset=Card.objects.all(),
        widget=forms.HiddenInput,
        error_messages={"invalid_choice": "No card with this id is known."},
    )


_NAMED: dict[str, Callable[[Any], str]] = {
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
    wrong = "There is no such day. Write days as year, month and day, such as 2026-11-18."
    return forms.DateField(
        label=label,
        widget=widget,
        input_formats=["%Y-%m-%d"],
        error_messages={"invalid": wrong},
        validators=[MinValueValidator(FIRST_DAY, _DAYS), MaxValueValidator(LAST_DAY, _DAYS)],
    )


def choice_field(label: str, choices: Choices) -> forms.ChoiceField:
    """One of a few."""
    unknown = "There is no “%(value)s” to choose. Choose one from the list."
    return forms.ChoiceField(
        label=label,
        choices=[("", "All"), *choices],
        widget=UnfoldAdminSelectWidget(),
        error_messages={"invalid_choice": unknown},
    )


def long_field(label: str, choices: Choices) -> forms.CharField:
    """One of many, found by typing part of its name; others are looked for just the same."""
    return choose_one(choices, label=label, blank="All", max_length=500)


class ChooseRow(AutocompleteSelect):
    """A row found by typing. An address may name what can be no key: that is not looked for."""

    def build_attrs(self, *args: Any, **options: Any) -> dict[str, Any]:
        # Django writes its own, an empty one, over whatever it is given.
        return super().build_attrs(*args, **options) | {"data-placeholder": "All"}

    def optgroups(self, name: str, value: Sequence[str], attrs: Any = None) -> Any:
        return super().optgroups(name, [key for key in value if self._can_be(key)], attrs)

    def _can_be(self, key: str) -> bool:
        try:
            self.field.target_field.to_python(key)
        except forms.ValidationError:
            return False
        return True


def row_field(label: str, to: Any, unknown: str) -> "forms.ModelChoiceField[Any]":
    """A row of another table, found by typing; `to` is a foreign key to that table."""
    key: Field[Any, Any] = to.field
    return forms.ModelChoiceField(
        label=label,
        queryset=key.related_model._default_manager.all(),  # type: ignore[union-attr]
        widget=ChooseRow(key, site, attrs=_OPEN),
        error_messages={"invalid_choice": unknown},
    )
