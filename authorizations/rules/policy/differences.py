"""The differences between two normal documents of a policy, in the words of its page."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from authorizations.rules.basics.controls import Interval, LimitControl
from authorizations.rules.basics.money import format_money
from authorizations.rules.basics.words import (
    beginning_words,
    duration_words,
    figure_words,
    filter_words,
    listed,
)
from authorizations.rules.decision.rule import FieldKind, Section, Setting
from authorizations.rules.kinds import SETTINGS
from authorizations.rules.policy.document import completed, controls
from authorizations.rules.policy.summary import limit_noun, limit_phrase, then_frozen_words

_RULES = {setting.key: setting for setting in SETTINGS}

LABELS = {
    "name": "Name",
    "currency": "Currency",
    "unlimited": "Unlimited",
    "partial_approval": "Allow partial approval",
    "smallest_partial_amount": "Smallest partial amount",
    "refunds_restore": "Refunds free up the limit",
    "fuel_hold": "Held at fuel pumps",
    "stand_in_amount": "Emergency limit per purchase",
    "stand_in_cap": "Emergency limit per window",
    **{it.key: it.label for it in SETTINGS if it.section is not Section.WHEN},
    "time_zone": "Time zone",
    "week_starts": "Weeks start on",
    **{it.key: it.label for it in SETTINGS if it.section is Section.WHEN},
}
"""The labels of a policy's settings, in the order of its page."""

NOTHING = "not set"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PolicyEdit:
    """`what` changed from `before` to `after`, or these `entries` were added or removed."""

    what: str
    before: str = ""
    after: str = ""
    entries: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.entries:
            return f"{self.what}: {listed(self.entries)}"
        return f"{self.what}: {self.before} \N{RIGHTWARDS ARROW} {self.after}"


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[PolicyEdit]:
    """Every difference, in the order of the policy's page."""
    before, after = completed(before), completed(after)
    old, new = controls(before), controls(after)
    return [
        *_settings(before, after, ("name", "currency")),
        *_limits(old.limits, new.limits),
        *_settings(before, after, [*LABELS][2:]),
    ]


def removed_and_added(before: Sequence[T], after: Sequence[T]) -> tuple[list[T], list[T]]:
    """The entries that are only in `before`, and those that are only in `after`."""
    removed = [entry for entry in before if entry not in after]
    return removed, [entry for entry in after if entry not in before]


def _settings(
    before: Mapping[str, Any], after: Mapping[str, Any], keys: Sequence[str]
) -> Iterator[PolicyEdit]:
    for key in keys:
        if isinstance(before[key], list):
            yield from _list_changes(_RULES[key], before[key], after[key])
        elif _setting(before, key) != _setting(after, key):
            yield PolicyEdit(LABELS[key], _setting(before, key), _setting(after, key))


def _setting(document: Mapping[str, Any], key: str) -> str:
    value = document[key]
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key in _MONEY:
        return format_money(value, document["currency"] or "")
    words = _RULES[key].words if key in _RULES else _SETTING_WORDS.get(key, str)
    return words(value)


_MONEY = (
    *("smallest_partial_amount", "fuel_hold", "stand_in_amount", "stand_in_cap"),
    *(setting.key for setting in SETTINGS if setting.field is FieldKind.MONEY),
)
_SETTING_WORDS: dict[str, Callable[[str], str]] = {"currency": str.upper, "week_starts": str.title}


def _list_changes(setting: Setting, before: list[Any], after: list[Any]) -> Iterator[PolicyEdit]:
    """Such as "Category added to “Not these categories”", "Days and hours removed"."""
    removed, added = removed_and_added(*(list(map(setting.words, it)) for it in (before, after)))
    if not setting.nouns and len(removed) == len(added) == 1:
        yield PolicyEdit(setting.label, removed[0], added[0])
        return
    for entries, verb, preposition in ((added, "added", "to"), (removed, "removed", "from")):
        what = f"{setting.label} {verb}"
        if setting.nouns:
            noun = setting.nouns[len(entries) > 1]
            what = (
                f"{noun} {verb} {preposition} \N{LEFT DOUBLE QUOTATION MARK}{setting.label}"
                "\N{RIGHT DOUBLE QUOTATION MARK}"
            )
        if entries:
            yield PolicyEdit(what, entries=tuple(entries))


def _limits(before: Sequence[LimitControl], after: Sequence[LimitControl]) -> Iterator[PolicyEdit]:
    removed, added = removed_and_added(before, after)
    if not removed and not added and before != after:
        yield PolicyEdit("Limits", entries=("in a different order",))
    for old, new in _pairs(removed, added, _all_but_figure):
        yield PolicyEdit(limit_name(old), _figure(old), _figure(new))
    for alike in (_all_but_length, _all_but_filter, _all_but_currency, _all_but_kind):
        for old, new in _pairs(removed, added, alike):
            yield PolicyEdit("Limit", _whole_phrase(old), _whole_phrase(new))
    for verb, limits in (("added", added), ("removed", removed)):
        for limit in limits:
            yield PolicyEdit(f"Limit {verb}", entries=(_whole_phrase(limit),))


def _pairs(
    removed: list[LimitControl],
    added: list[LimitControl],
    alike: Callable[[LimitControl], tuple[object, ...]],
) -> Iterator[tuple[LimitControl, LimitControl]]:
    """Remove pairs of `alike` limits from both lists: a limit before and after its change."""
    for old in [*removed]:
        new = next((limit for limit in added if alike(limit) == alike(old)), None)
        if new:
            removed.remove(old)
            added.remove(new)
            yield old, new


def _length(limit: LimitControl) -> tuple[object, ...]:
    return limit.interval, limit.rolling_seconds, limit.begins


def _kind(limit: LimitControl) -> tuple[object, ...]:
    """Which attempts it counts, if any, and the freeze that follows."""
    return limit.attempts is None, limit.declined_only, limit.then_freeze


def _figures(limit: LimitControl) -> tuple[object, ...]:
    return limit.amount, limit.count, limit.attempts


def _all_but_figure(limit: LimitControl) -> tuple[object, ...]:
    unit = limit.amount is None, limit.currency, _kind(limit)
    return *unit, _length(limit), limit.filter.text


def _all_but_length(limit: LimitControl) -> tuple[object, ...]:
    return _figures(limit), limit.currency, _kind(limit), limit.filter.text


def _all_but_filter(limit: LimitControl) -> tuple[object, ...]:
    return _figures(limit), limit.currency, _kind(limit), _length(limit)


def _all_but_currency(limit: LimitControl) -> tuple[object, ...]:
    return _figures(limit), _kind(limit), _length(limit), limit.filter.text


def _all_but_kind(limit: LimitControl) -> tuple[object, ...]:
    return _figures(limit), limit.currency, _length(limit), limit.filter.text


def _whole_phrase(limit: LimitControl) -> str:
    return f"{limit_phrase(limit)}{then_frozen_words(limit)}"


def limit_name(limit: LimitControl) -> str:
    """ "Monthly limit on fast food restaurants", without its figure."""
    if limit.interval is Interval.ROLLING:
        name = f"Limit in {duration_words(limit.rolling_seconds)}"
    elif limit.interval is Interval.PER_AUTHORIZATION:
        name = "Limit per purchase"
    elif limit.interval is Interval.FUNDS:
        name = "Funds"
    else:
        name = f"{limit.interval.value.replace('_', '-').capitalize()} limit"
        name += beginning_words(limit.interval, limit.begins)
    return f"{name}{filter_words(limit.filter.text)}"


def _figure(limit: LimitControl) -> str:
    return figure_words(limit.limit_value, limit.currency, limit_noun(limit))
