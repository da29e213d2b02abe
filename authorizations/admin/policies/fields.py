"""The fields of the policy page by section: one for each key of a policy's document.

The fields of rules come from the rules' settings. Limits, conditions and hours have their own
forms, and the name is that of the row.
"""

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from authorizations.admin.policies.merchants_field import MerchantsField
from authorizations.admin.shared import choices
from authorizations.admin.shared.choices import WordsField
from authorizations.admin.shared.money import MoneyField
from authorizations.rules.basics.controls import Weekday
from authorizations.rules.decision.rule import FieldKind, Section, Setting
from authorizations.rules.kinds import SETTINGS
from authorizations.rules.policy.differences import LABELS

ANY, NONE = "Any", "None"
WHO, HOW_MUCH = "Who", "How much"
WHERE, HOW, WHEN = Section.WHERE.value, Section.HOW.value, Section.WHEN.value


def switch(**options: Any) -> forms.BooleanField:
    return forms.BooleanField(required=False, widget=UnfoldBooleanSwitchWidget(), **options)


def number(**options: Any) -> forms.IntegerField:
    """A whole number; the rules validate its range."""
    widget = UnfoldAdminIntegerFieldWidget(attrs={"min": 0})
    return forms.IntegerField(required=False, widget=widget, **options)


def line(max_length: int, **options: Any) -> forms.CharField:
    widget = UnfoldAdminTextInputWidget()
    return forms.CharField(max_length=max_length, widget=widget, **{"required": False} | options)


def one_of_few(words: choices.Choices, **options: Any) -> forms.ChoiceField:
    return forms.ChoiceField(choices=words, widget=UnfoldAdminSelectWidget(), **options)


def _lines_of_rules(section: Section) -> tuple[dict[str, forms.Field], ...]:
    """The lines of a section's rules: both sides of a list, or two other settings, in each.

    A list of merchants has a line of its own; conditions and the schedule have their own forms.
    """
    lines: list[list[Setting]] = []
    for setting in SETTINGS:
        if setting.section != section or setting.field in _ROWS:
            continue
        before = lines[-1][0] if lines and len(lines[-1]) == 1 else None
        if (
            before
            and FieldKind.MERCHANTS not in (before.field, setting.field)
            and _two_sided(before.key) == _two_sided(setting.key)
        ):
            lines[-1].append(setting)
        else:
            lines.append([setting])
    return tuple({setting.key: _field_of(setting) for setting in line} for line in lines)


def _two_sided(key: str) -> str:
    """What the list has, if it can be allowed or blocked, such as "categories"; else ""."""
    what = key.partition("_")[2]
    return what if {f"allowed_{what}", f"blocked_{what}"} <= _KEYS else ""


_ROWS = (FieldKind.CONDITIONS, FieldKind.HOURS)
_KEYS = {setting.key for setting in SETTINGS}


def _field_of(setting: Setting) -> forms.Field:
    of: dict[str, Any] = {"help_text": setting.help}
    if setting.field is FieldKind.WHOLE_NUMBER:
        return number(**of)
    if setting.field is FieldKind.MONEY:
        return MoneyField(**of)
    if setting.field is FieldKind.YES_NO:
        return switch(**of)
    if setting.field is FieldKind.ONE_CHOICE:
        return one_of_few([("", ANY), *setting.choices], required=False, **of)
    if setting.field is FieldKind.MOMENT:
        return line(40, **of)
    is_allowed = setting.key.startswith("allowed_")
    of["placeholder"] = ANY if is_allowed else NONE
    if setting.field is FieldKind.MERCHANTS:
        return MerchantsField(**of)
    if is_allowed and setting.field in (FieldKind.CATEGORIES, FieldKind.COUNTRIES):
        of["options_of"] = f"blocked_{_two_sided(setting.key)}"  # the page has the long list once
    if setting.field is FieldKind.CATEGORIES:
        return choices.choose_categories(**of)
    if setting.field is FieldKind.COUNTRIES:
        return WordsField(choices.countries(), **of)
    return WordsField(setting.choices, free=setting.field is FieldKind.FREE_WORDS, **of)


SECTIONS: dict[str, tuple[dict[str, forms.Field], ...]] = {
    HOW_MUCH: (
        {
            "currency": choices.choose_one(
                choices.currencies(),
                blank="None: each limit names its own",
                help_text="For the amounts below. A limit can have its own currency.",
            ),
            "unlimited": switch(
                help_text="Lets cards pay without an amount limit. Otherwise the policy grants "
                "only purchases that its amount limits apply to.",
            ),
        },
        {
            "partial_approval": switch(
                help_text="If only a part of a purchase fits, approve that part."
            ),
            "smallest_partial_amount": MoneyField(
                help_text="Smaller parts are declined, as are all parts in other currencies. "
                "Empty: no minimum.",
            ),
        },
        {
            "refunds_restore": switch(help_text="A refunded amount can be spent again."),
            "fuel_hold": MoneyField(
                help_text="Pumps request 1.00 first. This amount counts instead until the real "
                "amount is known. Empty: 100.00 in the pump's currency.",
            ),
        },
        {
            "stand_in_amount": MoneyField(
                help_text="Without the database, purchases up to this amount are approved even "
                "though limits can't be checked. Empty: they are declined.",
            ),
            "stand_in_cap": MoneyField(
                help_text="The maximum in the window of each limit, and never more than the "
                "limit had remaining when the database was last read.",
            ),
        },
    ),
    WHERE: _lines_of_rules(Section.WHERE),
    HOW: _lines_of_rules(Section.HOW),
    WHEN: (
        {
            "time_zone": choices.choose_one(
                choices.time_zones(),
                help_text="For days, weeks, months and the allowed hours.",
            ),
            "week_starts": one_of_few([(day.value, day.title()) for day in Weekday]),
        },
        *_lines_of_rules(Section.WHEN),
    ),
}
"""The lines of each section: the fields of a line, by key."""

LINES: list[Any] = [
    (name, {"fields": [tuple(keys) for keys in lines]}) for name, lines in SECTIONS.items()
]
"""The sections as fieldsets of the admin."""

FIELDS = {
    key: field for lines in SECTIONS.values() for fields in lines for key, field in fields.items()
}
for _key, _field in FIELDS.items():
    _field.label = LABELS[_key]
