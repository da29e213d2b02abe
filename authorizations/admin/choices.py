"""Lists to choose from by name: categories, countries, currencies, time zones and days."""

from collections.abc import Iterable
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django import forms
from unfold.widgets import UnfoldAdminSelect2MultipleWidget, UnfoldAdminSelect2Widget

from authorizations.rules.countries import known_countries
from authorizations.rules.document import DAYS
from authorizations.rules.filters import known_categories
from authorizations.rules.money import known_currencies
from authorizations.rules.words import WEEKDAYS

Choices = list[tuple[str, str]]


class ChooseWords(UnfoldAdminSelect2MultipleWidget):  # type: ignore[misc]
    """Several of a list; what is not on it is kept all the same, for the rules to judge."""

    def optgroups(self, name: str, value: list[str], attrs: dict[str, Any] | None = None) -> Any:
        listed = {choice for choice, _ in self.choices}
        self.choices = [*self.choices, *((word, word) for word in value if word not in listed)]
        return super().optgroups(name, value, attrs)


class WordsField(forms.Field):
    """A list of words. Where `free`, words that are not on the list can be typed as well."""

    def __init__(self, choices: Iterable[tuple[str, str]] = (), *, free: bool = False, **options: Any):
        hint = options.pop("placeholder", "")
        attrs = {"data-placeholder": hint, "data-width": "100%"}
        if free:
            attrs |= {"data-tags": "true", "data-token-separators": "[]"}
        widget = ChooseWords(attrs=attrs, choices=list(choices))
        super().__init__(widget=widget, required=False, **options)

    def to_python(self, value: Any) -> list[str]:
        return [str(word) for word in value or []]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return sorted(initial or []) != sorted(data or [])


def choose_one(choices: Choices, blank: str) -> forms.ChoiceField:
    """One of a long list, found by typing a part of its name."""
    widget = UnfoldAdminSelect2Widget(attrs={"data-width": "100%"})
    return forms.ChoiceField(choices=[("", blank), *choices], widget=widget, required=False)


@cache
def categories() -> Choices:
    known = sorted(known_categories().values(), key=lambda category: category.label)
    return [(entry.name, f"{entry.label} {entry.code}".strip()) for entry in known]


@cache
def countries() -> Choices:
    known = sorted(known_countries().items(), key=lambda entry: entry[1])
    return [(code, f"{name} ({code})") for code, name in known]


@cache
def currencies() -> Choices:
    return [(entry.code, f"{entry.code.upper()} {entry.name}") for entry in known_currencies().values()]


@cache
def time_zones() -> Choices:
    return [(zone, zone) for zone in sorted(available_timezones() - {"localtime", "Factory"})]


def days() -> Choices:
    return list(zip(DAYS, WEEKDAYS, strict=True))
