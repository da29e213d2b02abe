"""Lists to choose from by name: categories, countries, currencies, time zones and days."""

from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.forms.utils import flatatt
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSelect2MultipleWidget, UnfoldAdminSelect2Widget

from authorizations.rules.basics.countries import known_countries
from authorizations.rules.basics.filters import known_categories
from authorizations.rules.basics.money import known_currencies
from authorizations.rules.basics.words import WEEKDAYS, category_title
from authorizations.rules.kinds.schedule import DAYS

Choices = list[tuple[str, str]]
SELECTED = SafeString(" selected")


class Options:
    """Options in one go: Django's template for each is slow, and a page has thousands.

    A list with `data-options-of`, the id of another, holds only what is chosen: the page's script
    takes the rest from there. What is not on the list is kept all the same, for the rules to judge.
    """

    attrs: dict[str, Any]
    choices: Any = ()  # pairs: Django's own property would look through all of them for each form
    allow_multiple_selected: bool
    describe: Callable[[str], str] = str
    """How to show what is not on the list."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        nothing: list[str] = [] if self.allow_multiple_selected else [""]
        chosen = value if isinstance(value, list) else [value] if value else nothing
        known = dict(self.choices)
        shown = {"", *chosen} if "data-options-of" in self.attrs else known.keys()
        listed = [(word, text) for word, text in known.items() if word in shown]
        listed += [(word, self.describe(word)) for word in chosen if word not in known]
        options = SafeString("".join([_option(*pair, pair[0] in chosen) for pair in listed]))
        every = {**self.attrs, **(attrs or {}), "name": name}
        every["multiple"] = self.allow_multiple_selected
        # Not Django's class as well: in added rows its script would come first, and look for a
        # server to ask.
        every["class"] = "unfold-admin-autocomplete"
        return format_html("<select{}>{}</select>", flatatt(every), options)


@lru_cache(maxsize=8_192)  # several times those of all lists
def _option(word: str, text: str, is_chosen: bool) -> SafeString:
    selected = SELECTED if is_chosen else ""
    return format_html('<option value="{}"{}>{}</option>', word, selected, text)


class ChooseOne(Options, UnfoldAdminSelect2Widget):  # type: ignore[misc]
    """One word of a long list."""


class ChooseWords(Options, UnfoldAdminSelect2MultipleWidget):  # type: ignore[misc]
    """Several words of a list."""

    class Media:
        # Behind select2's: they set and correct it.
        js = (*UnfoldAdminSelect2MultipleWidget.Media.js, "authorizations/policy_form.js")
        css = {
            "screen": (
                *UnfoldAdminSelect2MultipleWidget.Media.css["screen"],
                "authorizations/policy_form.css",
            )
        }


class WordsField(forms.Field):
    """A list of words. Where `free`, words that are not on the list can be typed as well."""

    def __init__(
        self, choices: Iterable[tuple[str, str]] = (), *, free: bool = False, **options: Any
    ) -> None:
        attrs = {"data-width": "100%", "data-placeholder": options.pop("placeholder", "")}
        if free:
            attrs["data-tags"] = "true"
        attrs |= _options_of(options)
        widget = ChooseWords(attrs=attrs, choices=list(choices))
        widget.describe = options.pop("describe", str)
        super().__init__(widget=widget, required=False, **options)

    def to_python(self, value: Any) -> list[str]:
        return [str(word) for word in value or []]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return sorted(initial or []) != sorted(data or [])


def choose_one(choices: Choices, **options: Any) -> forms.CharField:
    """One of a long list, found by typing a part of its name; the rules judge what is chosen."""
    blank = options.pop("blank", "Select value")
    attrs = {"data-width": "100%", **_options_of(options)}
    widget = ChooseOne(attrs=attrs, choices=[("", blank), *choices])
    return forms.CharField(widget=widget, required=False, **options)


def _options_of(options: dict[str, Any]) -> dict[str, str]:
    other = options.pop("options_of", "")
    return {"data-options-of": f"id_{other}"} if other else {}


def choose_categories(**options: Any) -> WordsField:
    """By name, by code, or by a range of codes; the long list is that of `options_of`, if named."""
    return WordsField(categories(), free=True, describe=_code_words, **options)


def _code_words(word: str) -> str:
    return category_title(word) if word.isdecimal() else word


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
    known = known_currencies().values()
    return [(entry.code, f"{entry.code.upper()} {entry.name}") for entry in known]


@cache
def time_zones() -> Choices:
    return [(zone, zone) for zone in sorted(available_timezones() - {"localtime", "Factory"})]


def days() -> Choices:
    return list(zip(DAYS, WEEKDAYS, strict=True))
