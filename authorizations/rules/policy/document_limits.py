"""The limits of a policy document: validation, their normal form, and their values."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import count
from typing import Any

from authorizations.rules.basics.controls import (
    JANUARY_1,
    MAX_ATTEMPTS,
    DayOfYear,
    Interval,
    LimitControl,
)
from authorizations.rules.basics.fields import Fields, Problem, path_text
from authorizations.rules.basics.filters import (
    EVERYTHING,
    MATCHING,
    CategorySet,
    LimitFilter,
    MerchantSet,
)
from authorizations.rules.basics.merchant_entries import merchants
from authorizations.rules.basics.money import MAX_AMOUNT
from authorizations.rules.basics.parsing import (
    amount,
    category,
    country,
    currency,
    day_of_year,
    flag,
    one_of,
    whole_number,
)
from authorizations.rules.kinds.authorization_methods import authorization_method
from authorizations.rules.kinds.card_presences import card_presence

MAX_LIMITS = 50
MAX_COUNT = 1_000_000
MAX_FREEZE_MINUTES = 400 * 1_440
LAST_MONTH_START = 28  # the last day that every month has
MAX_DAYS = 400  # a rolling window is summed for every decision, so a longer one costs more

UNITS = {"days": 86_400, "hours": 3_600, "minutes": 60}
PERIODS = tuple(interval for interval in Interval if interval is not Interval.FUNDS)
_YEAR_STARTS = "01-01"
OF_YEARS = (Interval.QUARTERLY, Interval.YEARLY)
MEASURES = ("amount", "count", "attempts")
MOST = {"amount": MAX_AMOUNT, "count": MAX_COUNT, "attempts": MAX_ATTEMPTS}
"""The largest figure of a limit, by what it measures."""
BEGINNINGS = ("month_starts", "year_starts")
_EXCEPTIONS = ("except_categories", "except_countries", "except_merchants")
_USES = {"card_presences": card_presence, "authorization_methods": authorization_method}
_FILTERS = ("categories", "countries", "merchants", *_EXCEPTIONS, *_USES, "cash_only")
FREEZES = UNTIL_LIFTED, FOR_MINUTES = "then_freeze", "then_freeze_minutes"
_KEYS = (
    "key",
    "amount",
    "count",
    "attempts",
    "declined_only",
    "funds",
    "currency",
    "interval",
    *UNITS,
    *BEGINNINGS,
    *_FILTERS,
    *FREEZES,
)
LIMIT_KEY = re.compile("[a-z0-9_-]{1,60}")
_PLACES = {key: place for place, key in enumerate(_KEYS)}


def normal_limits(policy: Fields, policy_currency: str | None) -> list[dict[str, Any]]:
    """The policy's limits in the given order, those of attempts last; a duplicate is a problem."""
    limits: list[dict[str, Any]] = []
    has_currency = policy.has("currency")
    for fields in policy.objects("spending_limits", MAX_LIMITS):
        before = len(policy.problems)
        fields.refuse_others(_KEYS)
        is_funds = fields.value("funds", flag, default=False)
        if is_funds and fields.has("interval"):
            fields.problem("interval", "Funds last until they are spent: leave this out.")
        elif not is_funds and not fields.has("interval"):
            fields.problem("interval", f"Say how long it lasts: {', '.join(PERIODS)}.")
        interval = fields.value("interval", one_of("interval", PERIODS), "")
        interval = Interval.FUNDS.value if is_funds else interval
        is_cash: bool = fields.value("cash_only", flag, default=False)
        # With the keys that apply: a currency only with an amount, and so on.
        limit = {
            **({"key": key} if (key := fields.value("key", limit_key, "")) else {}),
            **_measure(fields, interval, policy_currency, has_currency=has_currency),
            **({} if is_funds else {"interval": interval}),
            **_rolling_window(fields, interval),
            **_beginning(fields, interval),
            "categories": fields.words("categories", category),
            "countries": fields.words("countries", country),
            "merchants": merchants(fields, "merchants"),
            **_exceptions(fields),
            **_uses(fields),
            "cash_only": is_cash,
            **_of_attempts(fields, is_cash=is_cash),
        }
        alike = [_without_key(other) for other in limits]
        if _without_key(limit) in alike and len(policy.problems) == before:
            twin = path_text(("spending_limits", alike.index(_without_key(limit))))
            policy.problems.append(Problem(fields.path, f"This is {twin} again: keep one of them."))
        limits.append(limit)
    keys = keys_of(limits)
    for place, (limit, key) in enumerate(zip(limits, keys, strict=True)):
        if key in keys[:place]:
            twin = path_text(("spending_limits", keys.index(key)))
            problem = Problem(("spending_limits", place, "key"), f"{twin} has this key already.")
            policy.problems.append(problem)
        # The normal form has only the keys without which a limit's key would be another.
        if "key" in limit:
            shorter = [*limits[:place], _without_key(limit), *limits[place + 1 :]]
            limits = shorter if keys_of(shorter) == keys else limits
    return sorted(limits, key=lambda limit: "attempts" in limit)


def limit_key(given: object) -> str:
    """The name of a limit within its policy: small letters, digits, hyphens and underscores."""
    if not isinstance(given, str) or not LIMIT_KEY.fullmatch(given):
        raise ValueError(
            'Write a key of up to 60 small letters, digits, "-" and "_", such as "monthly".'
        )
    return given


def keys_of(limits: Iterable[Mapping[str, Any]]) -> list[str]:
    """The key of each normal limit: the one it has, or one made of all but its figure.

    So a limit keeps its key when its amount is edited, and the same limits have the same keys.
    """
    written = list(limits)
    taken = {limit["key"] for limit in written if limit.get("key")}
    keys: list[str] = []
    for limit in written:
        if not (key := limit.get("key")):
            usual = _usual_key(limit)
            tries = (usual if number == 1 else f"{usual}_{number}" for number in count(1))
            key = next(name for name in tries if name not in taken)
            taken.add(key)
        keys.append(key)
    return keys


def _usual_key(limit: Mapping[str, Any]) -> str:
    parts = [str(limit.get("interval") or ("funds" if limit.get("funds") else "limit"))]
    parts += [f"{limit[unit]}_{unit}" for unit in UNITS if limit.get(unit)]
    parts += [f"from_{limit[key]}" for key in BEGINNINGS if limit.get(key)]
    parts += [name for name in ("count", "attempts", "declined_only") if name in limit]
    parts += [limit["currency"]] if limit.get("currency") else []
    if concerned := {key: limit[key] for key in _FILTERS if limit.get(key)}:
        parts.append(hashlib.sha256(json_text(concerned).encode()).hexdigest()[:6])
    return "_".join(parts)


def _without_key(limit: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in limit.items() if name != "key"}


def _measure(
    fields: Fields, interval: str, policy_currency: str | None, *, has_currency: bool
) -> dict[str, Any]:
    """What the limit measures: an amount in a currency, or a count of purchases or attempts.

    `has_currency` is whether the policy has a currency, valid or not.
    """
    if interval == Interval.FUNDS:
        for key in MEASURES:
            if fields.has(key):
                fields.problem(key, "Funds are added by hand, or by a file's list: leave this out.")
        return {"funds": True, "currency": _currency(fields, policy_currency, has_currency)}
    given = [key for key in MEASURES if fields.has(key)]
    if len(given) != 1:
        several = "A limit has an amount, a count or attempts, one of them: make two limits."
        neither = "Give the limit an amount, a count or attempts."
        fields.problem(given[0] if given else "amount", several if given else neither)
        return {}
    [measure] = given
    if measure != "amount":
        if interval == Interval.PER_AUTHORIZATION:
            what = "attempt" if measure == "attempts" else "purchase"
            fields.problem(measure, f"Each authorization is one {what}: choose another interval.")
        if fields.has("currency"):
            fields.problem("currency", "A count has no currency: leave it out.")
    if measure == "attempts":
        wrong = f"Give the number of attempts as a whole number from 1 to {MAX_ATTEMPTS:,}."
        return {"attempts": fields.value("attempts", whole_number(1, MAX_ATTEMPTS, wrong), 1)}
    if measure == "count":
        wrong = "Give the number of purchases as a whole number, such as 5."
        return {"count": fields.value("count", whole_number(0, MAX_COUNT, wrong), 0)}
    named = _currency(fields, policy_currency, has_currency)
    return {"amount": fields.value("amount", amount, 0), "currency": named}


def _of_attempts(fields: Fields, *, is_cash: bool) -> dict[str, Any]:
    """Which attempts a limit counts, and how long the card is frozen then, if it is."""
    if not fields.has("attempts"):
        for key in ("declined_only", *FREEZES):
            if fields.has(key):
                fields.problem(key, 'Only for a limit on "attempts"; leave it out.')
        return {}
    if is_cash:
        fields.problem("cash_only", "Attempts are not counted by cash: name its categories.")
    if fields.value(UNTIL_LIFTED, flag, default=False) and fields.has(FOR_MINUTES):
        fields.problem(
            FOR_MINUTES,
            f'Frozen for a time or until it is lifted ("{UNTIL_LIFTED}"): choose one.',
        )
    wrong = "Give the minutes as a whole number, such as 1440 for a day."
    given = {
        "declined_only": fields.value("declined_only", flag, default=False),
        UNTIL_LIFTED: fields.value(UNTIL_LIFTED, flag, default=False),
        FOR_MINUTES: fields.value(FOR_MINUTES, whole_number(1, MAX_FREEZE_MINUTES, wrong), None),
    }
    return {key: value for key, value in given.items() if value}


def _currency(fields: Fields, policy_currency: str | None, has_currency: bool) -> str | None:  # noqa: FBT001
    """The limit's currency, which the normal form does not repeat if it is the policy's own."""
    own: str | None = fields.value("currency", currency, None)
    if not own and not has_currency and not fields.has("currency"):
        fields.problem("currency", 'Say in which currency, here or for the whole policy: "eur".')
    return None if own == policy_currency else own


def _rolling_window(fields: Fields, interval: str) -> dict[str, int]:
    """The length of a rolling window in the largest unit without a remainder."""
    given = [unit for unit in UNITS if fields.has(unit)]
    if interval != Interval.ROLLING:
        for unit in given if interval else []:
            fields.problem(unit, 'Only for "interval": "rolling"; leave it out.')
        return {}
    if len(given) != 1:
        fields.problem("interval", "A rolling limit needs one of minutes, hours and days.")
        return {}
    unit = given[0]
    longest = MAX_DAYS * UNITS["days"] // UNITS[unit]
    wrong = f"Give the number of {unit} as a whole number, such as 2."
    seconds = fields.value(unit, whole_number(1, longest, wrong), 1) * UNITS[unit]
    return next(
        {name: seconds // length} for name, length in UNITS.items() if seconds % length == 0
    )


def _beginning(fields: Fields, interval: str) -> dict[str, Any]:
    """The day on which months or years begin, unless it is their first one."""
    month_starts, year_starts = BEGINNINGS
    if interval and interval != Interval.MONTHLY and fields.has(month_starts):
        only = 'Only for "interval": "monthly"; quarters and years begin on "year_starts".'
        fields.problem(month_starts, only)
    if interval and interval not in OF_YEARS and fields.has(year_starts):
        only = 'Only for "interval": "quarterly" or "yearly"; months begin on "month_starts".'
        fields.problem(year_starts, only)
    wrong = "Give the day of the month as a whole number from 1 to 28."
    day = fields.value(month_starts, whole_number(1, LAST_MONTH_START, wrong), 1)
    year = fields.value(year_starts, day_of_year, _YEAR_STARTS)
    return ({month_starts: day} if day != 1 else {}) | (
        {year_starts: year} if year != _YEAR_STARTS else {}
    )


def _exceptions(fields: Fields) -> dict[str, Any]:
    """The lists of what the limit leaves out, if any."""
    categories, countries, of_merchants = _EXCEPTIONS
    found = {
        categories: fields.words(categories, category),
        countries: fields.words(countries, country),
        of_merchants: merchants(fields, of_merchants),
    }
    return {key: entries for key, entries in found.items() if entries}


def _uses(fields: Fields) -> dict[str, Any]:
    """The lists of how the card is used in the purchases that the limit is about, if any."""
    found = {key: fields.words(key, parse) for key, parse in _USES.items()}
    return {key: entries for key, entries in found.items() if entries}


def beginning(limit: Mapping[str, Any]) -> DayOfYear:
    """The day on which the months, quarters or years of a normal limit begin."""
    if day := limit.get("month_starts"):
        return 1, day
    if written := limit.get("year_starts"):
        month, _, day = written.partition("-")
        return int(month), int(day)
    return JANUARY_1


def in_order(limit: dict[str, Any]) -> dict[str, Any]:
    """A normal limit with its keys in reading order; canonical JSON sorts them alphabetically."""
    return dict(sorted(limit.items(), key=lambda item: _PLACES.get(item[0], len(_PLACES))))


def limit_value(
    limit: dict[str, Any], key: str, policy_currency: str, matching: int = MATCHING
) -> LimitControl:
    """The value of a limit, with the policy's currency if it has none of its own."""
    is_funds = bool(limit.get("funds"))
    money = is_funds or limit.get("amount") is not None
    concerned = {key: limit[key] for key in _FILTERS if limit.get(key)}
    if not {"merchants", "except_merchants"}.isdisjoint(concerned) and matching > 1:
        concerned["matching"] = matching  # so that each version has a filter key of its own
    return LimitControl(
        interval=Interval.FUNDS if is_funds else Interval(limit["interval"]),
        amount=0 if is_funds else limit.get("amount"),
        count=limit.get("count"),
        currency=(limit["currency"] or policy_currency) if money else "",
        rolling_seconds=sum(limit.get(unit, 0) * seconds for unit, seconds in UNITS.items()),
        filter=filter_of(json_text(concerned) if concerned else ""),
        begins=beginning(limit),
        key=key,
        attempts=limit.get("attempts"),
        declined_only=limit.get("declined_only", False),
        then_freeze=0 if limit.get(UNTIL_LIFTED) else limit.get(FOR_MINUTES),
    )


def json_text(value: object) -> str:
    """Canonical JSON: keys sorted, no spaces, no ASCII escapes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@lru_cache(maxsize=4096)
def filter_of(canonical: str) -> LimitFilter:
    """The filter with this canonical text, as stored with usage rows.

    A text without "matching" means version 1.
    """
    if not canonical:
        return EVERYTHING
    concerned = json.loads(canonical)
    matching = concerned.get("matching", 1)
    return LimitFilter(
        categories=CategorySet.of(concerned.get("categories", [])),
        countries=frozenset(concerned.get("countries", [])),
        merchants=MerchantSet.of(concerned.get("merchants", []), matching),
        cash_only=concerned.get("cash_only", False),
        except_categories=CategorySet.of(concerned.get("except_categories", [])),
        except_countries=frozenset(concerned.get("except_countries", [])),
        except_merchants=MerchantSet.of(concerned.get("except_merchants", []), matching),
        card_presences=frozenset(concerned.get("card_presences", [])),
        authorization_methods=frozenset(concerned.get("authorization_methods", [])),
        key=hashlib.sha256(canonical.encode()).hexdigest()[:32],
        text=canonical,
    )
