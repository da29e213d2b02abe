"""The field for a list of merchants: how each is matched, and the name or id."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import INPUT_CLASSES, SELECT_CLASSES

from authorizations.admin.shared.choices import MANNERS, name_given_as_id
from authorizations.rules.basics.filters import Manner, MerchantEntry

_INPUT, _SELECT = " ".join(INPUT_CLASSES), " ".join(SELECT_CLASSES)
_WORDS = {manner.value: words for manner, words in MANNERS.items()}


def _options(chosen: str) -> SafeString:
    options = [(it, " selected" if it == chosen else "", words) for it, words in MANNERS.items()]
    return format_html_join("", '<option value="{}"{}>{}</option>', options)


_OPTIONS = {manner.value: _options(manner) for manner in MANNERS}


class ChooseMerchants(forms.Widget):
    """Rows of a choice and a text, all with the same name: sent as manner, text, manner, text …"""

    class Media:
        js = ("authorizations/merchants.js",)

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:
        return list(data.getlist(name)) if hasattr(data, "getlist") else list(data.get(name) or [])

    def parts(self, sent: list[str]) -> list[tuple[str, str]]:
        """The rows that are filled in."""
        return [(manner, text.strip()) for manner, text in _pairs(sent) if text.strip()]

    def part_words(self, part: tuple[str, str]) -> str:
        manner, text = part
        return f"{_WORDS.get(manner, manner)}: {text}"

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        written = [*value, Manner.NETWORK_ID, ""]
        of = {**self.attrs, **(attrs or {})}
        rows = [
            _row(name, manner, text, of, place)
            for place, (manner, text) in enumerate(_pairs(written))
        ]
        return format_html(
            '<div class="desk-merchants">{}'
            '<button type="button" class="desk-button desk-merchants__add">Add another</button>'
            "</div>",
            SafeString("".join(rows)),
        )


def _row(name: str, manner: str, text: str, attrs: dict[str, Any], place: int) -> SafeString:
    id_ = attrs.get("id", "")
    return format_html(
        '<div class="desk-merchant">'
        '<select name="{}" class="{}" aria-label="How the merchant is matched">{}</select>'
        '<input type="text" name="{}" value="{}" class="{}" maxlength="200" autocomplete="off"'
        ' placeholder="{}" id="{}" aria-label="Merchant">'
        '<button type="button" class="desk-merchant__remove" aria-label="Remove this merchant">'
        '<span class="material-symbols-outlined" aria-hidden="true">close</span></button></div>',
        *(name, _SELECT, _OPTIONS.get(manner, _OPTIONS[Manner.NETWORK_ID])),
        *(name, text, _INPUT, attrs.get("placeholder", "")),
        f"{id_}-{place}" if place else id_,
    )


class MerchantsField(forms.Field):
    """Entries as in policy files; the rules validate them."""

    def __init__(self, *, placeholder: str = "", **options: Any) -> None:
        super().__init__(
            widget=ChooseMerchants(attrs={"placeholder": placeholder}), required=False, **options
        )

    def to_python(self, value: Any) -> list[MerchantEntry]:
        if len(value or []) % 2:
            raise forms.ValidationError("Choose how each merchant is matched.")
        return _entries(value or [])

    def validate(self, value: list[MerchantEntry]) -> None:
        for entry in value:
            if wrong := name_given_as_id(entry):
                raise forms.ValidationError(wrong)

    def bound_data(self, data: Any, initial: Any) -> Any:
        return _entries(data or [])

    def prepare_value(self, value: Any) -> list[str]:
        """The value in the form in which it is sent."""
        sent: list[str] = []
        for entry in value or []:
            pairs = {Manner.ID_OR_CONTAINS.value: entry} if isinstance(entry, str) else entry
            for manner, text in pairs.items():
                sent += [manner, text]
        return sent

    def has_changed(self, initial: Any, data: Any) -> bool:
        shown = self.widget.parts(self.prepare_value(initial))
        return sorted(shown) != sorted(self.widget.parts(data or []))


def _pairs(sent: Sequence[str]) -> list[tuple[str, str]]:
    return list(zip(sent[::2], sent[1::2], strict=False))


def _entries(sent: Sequence[str]) -> list[MerchantEntry]:
    """The entries that were sent, without empty rows."""
    return [
        text if manner == Manner.ID_OR_CONTAINS else {manner: text}
        for manner, text in ChooseMerchants().parts(list(sent))
    ]
