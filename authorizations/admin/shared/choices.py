"""Form fields that choose from long lists: categories, countries, currencies, time zones, days."""

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
from authorizations.rules.basics.filters import Manner, MerchantEntry, known_categories
from authorizations.rules.basics.money import known_currencies
from authorizations.rules.basics.words import WEEKDAYS, category_title
from authorizations.rules.kinds.schedule import DAYS

Choices = list[tuple[str, str]]
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
SELECTED = SafeString(" selected")

MANNERS = {
    Manner.NETWORK_ID: "Network id",
    Manner.IS: "Name is",
    Manner.BEGINS_WITH: "Name begins with",
    Manner.CONTAINS: "Name contains",
    Manner.ID_OR_CONTAINS: "Id or part of the name",
}
"""The network id comes first, as it has no other spellings."""


def name_given_as_id(entry: MerchantEntry) -> str:
    """Why an entry is refused that gives a name as a network id, and so would match nothing.

    "" if it does not.
    """
    named = "" if isinstance(entry, str) else entry.get(Manner.NETWORK_ID, "")
    if not named or any(character.isdigit() for character in named):
        return ""
    return (
        f"\N{LEFT DOUBLE QUOTATION MARK}{named}\N{RIGHT DOUBLE QUOTATION MARK} has no digits, "
        "unlike a network id: choose how the name is matched."
    )


class Options:
    """Renders all options at once: Django's template per option is slow with thousands of them.

    With `data-options-of`, the id of a different list, only the chosen options are rendered, and
    the page's script copies the rest from that list. Chosen values that are not on the list are
    kept, and validated with the policy.
    """

    attrs: dict[str, Any]
    choices: Any = ()  # pairs; Django's property would copy all of them for each form
    allow_multiple_selected: bool
    describe: Callable[[str], str] = str
    """Text for a chosen value that is not on the list."""

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
        # Without Django's own class: in added rows its script would run first and query a server.
        every["class"] = "unfold-admin-autocomplete"
        return format_html("<select{}>{}</select>", flatatt(every), options)


@lru_cache(maxsize=8_192)  # several times the size of all lists
def _option(word: str, text: str, is_chosen: bool) -> SafeString:
    selected = SELECTED if is_chosen else ""
    return format_html('<option value="{}"{}>{}</option>', word, selected, text)


class ChooseOne(Options, UnfoldAdminSelect2Widget):  # type: ignore[misc]
    """Selects one value from a long list."""


class ChooseWords(Options, UnfoldAdminSelect2MultipleWidget):  # type: ignore[misc]
    """Selects several values from a list."""

    class Media:
        # After select2's files, which these adjust.
        js = (*UnfoldAdminSelect2MultipleWidget.Media.js, "authorizations/policy_form.js")
        css = {
            "screen": (
                *UnfoldAdminSelect2MultipleWidget.Media.css["screen"],
                "authorizations/policy_form.css",
            )
        }


class WordsField(forms.Field):
    """A list of values. With `free`, values that are not on the list can be typed."""

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
    """A value from a long list, found by typing part of its name.

    The value is validated with the policy, not here.
    """
    blank = options.pop("blank", "Select value")
    attrs = {"data-width": "100%", **_options_of(options)}
    widget = ChooseOne(attrs=attrs, choices=[("", blank), *choices])
    return forms.CharField(widget=widget, required=False, **options)


def _options_of(options: dict[str, Any]) -> dict[str, str]:
    other = options.pop("options_of", "")
    return {"data-options-of": f"id_{other}"} if other else {}


def choose_categories(**options: Any) -> WordsField:
    """Categories by name, by code or by range of codes.

    `options_of` names the field on the page whose list of options is shared.
    """
    return WordsField(categories(), free=True, describe=_category_words, **options)


def _category_words(word: str) -> str:
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


def months() -> Choices:
    return [(f"{number:02}", name) for number, name in enumerate(_MONTHS, start=1)]


def days() -> Choices:
    return list(zip(DAYS, WEEKDAYS, strict=True))
