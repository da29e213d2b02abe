"""Words for the parts of rules: durations, instants, places, filters of limits.

Month and day names are ours, not strftime's: those follow the locale of the server.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from typing import Any

from authorizations.rules.basics.clocks import local_time
from authorizations.rules.basics.controls import (
    JANUARY_1,
    DayOfYear,
    Interval,
    OwnBudget,
    ScopeKind,
)
from authorizations.rules.basics.countries import known_countries
from authorizations.rules.basics.filters import Manner, known_categories, merchant_words
from authorizations.rules.basics.money import format_money

ASK = "Please contact your card administrator."

SHOWN = 8
"""Maximum entries of a list in a sentence."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_MONTHS = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))

_INTERVALS = {
    Interval.PER_AUTHORIZATION: "per purchase",
    Interval.DAILY: "a day",
    Interval.WEEKLY: "a week",
    Interval.MONTHLY: "a month",
    Interval.QUARTERLY: "a quarter",
    Interval.YEARLY: "a year",
    Interval.ALL_TIME: "in all",
    Interval.FUNDS: "from funds",
}

_CODES = {
    "not_present": "not present",
    "keyed_in": "keyed in",
    "not_provided": "not provided",
    "attempt_acknowledged": "attempt acknowledged",
    "apple_pay": "Apple Pay",
    "google_pay": "Google Pay",
    "samsung_pay": "Samsung Pay",
}


def code_words(code: str) -> str:
    """Stripe's code in words: "keyed in", "Apple Pay"."""
    return _CODES.get(code, code.replace("_", " "))


_PRESENCES = {"present": "in person", "not_present": "online, by phone or by mail"}


def presence_words(presences: Collection[str]) -> list[str]:
    """Card presences in the words of sentences about policies."""
    return [words for presence, words in _PRESENCES.items() if presence in presences]


def _method_words(method: str) -> str:
    """An authorization method, to follow an amount: "by chip", "contactless"."""
    return f"by {method}" if method in ("chip", "swipe") else code_words(method)


def code_title(code: str) -> str:
    """ "Keyed in": the same with a capital letter."""
    return _capital(code_words(code))


def _capital(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}"


def interval_words(
    interval: Interval, rolling_seconds: int = 0, begins: DayOfYear = JANUARY_1
) -> str:
    """The interval of a limit: "a month (from the 16th)", "per purchase", "in 60 minutes"."""
    if interval is Interval.ROLLING:
        return f"in {duration_words(rolling_seconds)}"
    return f"{_INTERVALS[interval]}{beginning_words(interval, begins)}"


def beginning_words(interval: Interval, begins: DayOfYear) -> str:
    """When a limit's months or years begin, to follow its interval: " (from the 16th)".

    "" where they begin as the calendar's do.
    """
    if begins == JANUARY_1:
        return ""
    month, day = begins
    if interval is not Interval.MONTHLY:
        return f" (from {day} {_MONTHS[month - 1]})"
    ending = "th" if day in _TEENS else _ENDINGS.get(day % 10, "th")
    return f" (from the {day}{ending})"


_ENDINGS, _TEENS = {1: "st", 2: "nd", 3: "rd"}, range(11, 14)


def duration_words(seconds: int) -> str:
    """ "60 minutes", "36 hours", "7 days": the largest unit of which there is more than one."""
    for unit, length in _UNITS:
        if seconds % length == 0 and seconds > length:
            return f"{seconds // length} {unit}s"
    return {1: "1 second", 60: "1 minute"}.get(seconds, f"{seconds} seconds")


def about_words(seconds: int) -> str:
    """ "20 seconds", "3 minutes", "2 hours": a duration, rounded up."""
    for unit, length in _UNITS:
        if seconds > 2 * length:
            return f"{-(-seconds // length)} {unit}s"
    return f"{max(seconds, 2)} seconds"


def counting_words(counted: int, purchases: int, seconds_left: int) -> str:
    """How many earlier purchases are counted, and how long the rest takes."""
    total = f"{counted:,} of about {max(purchases, counted):,}" if purchases else "begins"
    return f"Counting earlier purchases: {total}, ready in about {about_words(seconds_left)}."


def instant_words(at: int, time_zone: str, this_year: int | None = None) -> str:
    """ "1 Dec 00:00 Europe/Paris"; with the year unless it is `this_year`."""
    return f"{moment_words(local_time(time_zone, at), this_year)} {time_zone}"


def moment_words(when: datetime, this_year: int | None = None) -> str:
    """ "1 Dec 00:00"; with the year unless it is `this_year`."""
    year = "" if when.year == this_year else f" {when.year}"
    return f"{when.day} {_MONTHS[when.month - 1]}{year} {when:%H:%M}"


SCOPE_WORDS = {
    ScopeKind.CARD: "a card",
    ScopeKind.CARDHOLDER: "a cardholder",
    ScopeKind.GROUP: "a card group",
    ScopeKind.PROGRAM: "every card",
}
"""A scope by its kind, without its name."""


def whose_words(kind: ScopeKind, each: str | None) -> str:
    """Whose own limits are: "each cardholder's own in this group"; "" for one budget of a scope."""
    if not each:
        return ""
    within = " in this group" if kind is ScopeKind.GROUP and each != OwnBudget.CARD else ""
    return f"each {each}'s own{within}"


def budget_words(kind: ScopeKind, each: str | None) -> str:
    """Whose the limits are at a group or the program: "one shared budget", "each card's own"."""
    usual = "each card's own" if kind is ScopeKind.PROGRAM else "one shared budget"
    return whose_words(kind, each) or usual


def through_words(kind: ScopeKind, each: str | None) -> str:
    """What a policy applies through: "card", "group, each card's own"."""
    return ", ".join(filter(None, (kind.value, whose_words(kind, each))))


def figure_words(figure: int, currency: str, noun: str = "purchase") -> str:
    """Money, or if there is no currency a number of purchases, or of what `noun` says."""
    if currency:
        return format_money(figure, currency)
    return f"1 {noun}" if figure == 1 else f"{figure:,} {noun}s"


def counted_noun(*, of_attempts: bool, declined_only: bool) -> str:
    """What a limit counts: "purchase", "attempt", "declined attempt"."""
    if not of_attempts:
        return "purchase"
    return "declined attempt" if declined_only else "attempt"


def cards_words(cards: int) -> str:
    """ "1 card", "1,204 cards"."""
    return "1 card" if cards == 1 else f"{cards:,} cards"


def gained_words(cards: int) -> str:
    """How many cards a change of policies lets spend."""
    return f"{cards_words(cards)} could spend that could not before."


def lost_words(cards: int) -> str:
    """How many cards a change of policies left without a grant."""
    asks = "it asks" if cards == 1 else "they ask"
    return f"{cards_words(cards)} can no longer spend: everything {asks} for is declined."


def losing_words(cards: int) -> str:
    """How many cards a change of policies would leave without a grant."""
    loses, asks = ("loses", "it asks") if cards == 1 else ("lose", "they ask")
    return f"{cards_words(cards)} {loses} every grant: everything {asks} for will be declined."


def asleep_words(amounts: int, named: Sequence[str]) -> str:
    """How many own amounts a version has no limit for, and the first of them by name."""
    more = f" and {amounts - len(named):,} more" if amounts > len(named) else ""
    subject = "1 own amount sleeps" if amounts == 1 else f"{amounts:,} own amounts sleep"
    return (
        f"{subject}, as the version has no such limit: {', '.join(named)}{more}. The policy's "
        "amount holds instead until the limit is back in the same currency and period."
    )


def fuel_hold_words(hold: int, currency: str) -> str:
    """Why a fuel pump counts for more than it requests, without a full stop."""
    return f"At fuel pumps {format_money(hold, currency)} is held until the real amount is known"


def category_words(word: str) -> str:
    """A category as a policy names it: "fast food restaurants", "MCC 5812", "MCC 3000-3299"."""
    return f"MCC {word}" if word[:1].isdigit() else word.replace("_", " ")


def category_label(word: str) -> str:
    """A category by its label: "betting and casino gambling", "MCC 3000-3299"."""
    label = _category_labels().get(word)
    return _plain_label(label) if label else category_words(word)


def category_title(word: str) -> str:
    """ "Betting and casino gambling (7995)"; one given by its code begins with the code."""
    label = category_label(word)
    if word[0].isdigit():
        return label if word in label else f"MCC {word}, {label}"
    known = known_categories().get(word)
    return _capital(label) + (f" ({known.code})" if known and known.code else "")


@cache
def _category_labels() -> dict[str, str]:
    """Stripe's labels by name and by code."""
    known = known_categories().values()
    return {word: entry.label for entry in known for word in (entry.name, entry.code) if word}


def _plain_label(label: str) -> str:
    """A label within a sentence; abbreviations such as A/C keep their capitals."""
    words = re.sub(r"(?<=[a-z])/(?=[A-Z])", " and ", label.partition(" (")[0])
    if words.count(",") == 1 and " and " not in words.lower():
        words = words.replace(",", " and")
    return re.sub(r"(?<!- )\b[A-Z](?=[a-z])", lambda found: found[0].lower(), words)


def zone_words(time_zone: str) -> str:
    """ "Paris time" for Europe/Paris; zones that are not places keep their name."""
    area, _, place = time_zone.rpartition("/")
    if not area or area == "Etc":
        return time_zone
    return f"{place.replace('_', ' ')} time"


def day_words(day: date) -> str:
    """ "1 Dec 2026"."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def country_words(code: str) -> str:
    """The country's name, or its code if we do not know it."""
    return known_countries().get(code, code)


def all_of(words: Sequence[str]) -> str:
    """ "a, b and c"."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def listed(words: Sequence[str]) -> str:
    """ "a, b, c"; a long list ends in "and 5 more"."""
    shown = ", ".join(words[:SHOWN])
    return shown if len(words) <= SHOWN else f"{shown} and {len(words) - SHOWN:,} more"


_BY_NAME = tuple(
    merchant_words({manner.value: ""})[:-1]
    for manner in (Manner.IS, Manner.BEGINS_WITH, Manner.CONTAINS)
)
_BY_ID = merchant_words({Manner.NETWORK_ID.value: ""})


def merchant_place(words: str) -> str:
    """A policy's merchant entry, to follow "at": "merchants whose name is “Uber”"."""
    if words.startswith(_BY_NAME):
        return f"merchants whose {words}"
    return f"the merchant with {words}" if words.startswith(_BY_ID) else words


def filter_words(canonical: str) -> str:
    """A limit's filter, to follow the limit: " in person on bakeries except in DE"; "" for none."""
    if not canonical:
        return ""
    concerned = json.loads(canonical)
    parts = ["in cash"] if concerned.get("cash_only") else []
    if presences := concerned.get("card_presences"):
        parts.append(" or ".join(presence_words(presences)))
    if methods := concerned.get("authorization_methods"):
        parts.append(" or ".join(map(_method_words, methods)))
    parts += _places(concerned)
    if left_out := _places(concerned, "except_"):
        parts.append(f"except {' or '.join(left_out)}")
    return "".join(f" {part}" for part in parts)


def condition_words(condition: Mapping[str, Any]) -> str:
    """A condition of a policy: "on bakeries at Uber in DE, FR"."""
    return " ".join(_places(condition))


def _places(concerned: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The lists of a filter or a condition in words: "on bakeries", "in DE, FR"."""
    categories, merchants, countries = (
        concerned.get(f"{prefix}{what}", []) for what in ("categories", "merchants", "countries")
    )
    parts = (
        ("on", [category_label(word) for word in categories]),
        ("at", [merchant_place(merchant_words(entry)) for entry in merchants]),
        ("in", countries),
    )
    return [f"{preposition} {listed(words)}" for preposition, words in parts if words]
