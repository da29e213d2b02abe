"""Parses single values of a policy file.

Each function takes a JSON value of any type and returns its normal form, or raises ValueError with
one sentence that says what to write instead.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from functools import cache
from zoneinfo import available_timezones

from authorizations.rules.basics.card_numbers import mask_text
from authorizations.rules.basics.clocks import zone
from authorizations.rules.basics.countries import known_countries
from authorizations.rules.basics.fields import Fields, nearest, quoted
from authorizations.rules.basics.filters import known_categories
from authorizations.rules.basics.money import MAX_AMOUNT, known_currencies

_ASCII_DIGITS = "0123456789"
CATEGORY_RANGE = re.compile(r"([0-9]{4})\s*[-\N{EN DASH}]\s*([0-9]{4})")
CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})")
DAY_OF_YEAR = re.compile(r"([0-9]{1,9})-([0-9]{1,9})")
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
ID = re.compile(r"[!-~]{1,255}")
_COMMON_YEAR = 2001  # without a 29 February
YEARS = range(2000, 2200)  # wide enough for any policy, narrow enough to catch a slip
_NO_ZONES = {"localtime", "Factory"}  # the setting of this machine, and a placeholder


def flag(given: object) -> bool:
    if not isinstance(given, bool):
        raise ValueError("Write true or false, without quotes.")
    return given


def text(max_length: int) -> Callable[[object], str]:
    """Trimmed text of 1 to `max_length` characters on one line."""

    def convert(given: object) -> str:
        words = _string(given)
        if not words:
            raise ValueError("Write something, or leave it out.")
        if len(words) > max_length:
            raise ValueError(f"This has {len(words):,} characters: keep it to {max_length}.")
        # PostgreSQL refuses NUL, and UTF-8 has no lone surrogates.
        if any(unicodedata.category(character) in {"Cc", "Cs"} for character in words):
            raise ValueError("Leave out line breaks and other characters that can't be seen.")
        return words

    return convert


def masked_text(max_length: int) -> Callable[[object], str]:
    """Text as its row will have it: a card number in it is masked."""
    convert = text(max_length)
    return lambda given: mask_text(convert(given))


def stripe_id(given: object) -> str:
    """An id of Stripe's, of any kind."""
    if not isinstance(given, str) or not ID.fullmatch(given.strip()):
        raise ValueError('Give Stripe\'s id as text, such as "ic_1MnnZGLcWs".')
    return given.strip()


def whole_number(lowest: int, highest: int, wrong: str) -> Callable[[object], int]:
    """An integer from `lowest` to `highest`; `wrong` is the message for other types."""

    def convert(given: object) -> int:
        if isinstance(given, bool) or not isinstance(given, int):
            raise ValueError(wrong)
        if not lowest <= given <= highest:
            raise ValueError(f"Give a whole number from {lowest} to {highest:,}.")
        return given

    return convert


def amount(given: object) -> int:
    """An amount in the smallest unit of its currency; 0 means that nothing may be spent."""
    if isinstance(given, bool) or not isinstance(given, int):
        raise ValueError(
            "Give the amount as a whole number in the smallest unit, such as 50000 for €500.00."
        )
    if given < 0:
        raise ValueError("An amount can't be negative: use 0 if nothing may be spent.")
    if given > MAX_AMOUNT:
        raise ValueError(f"The amount is too large: {MAX_AMOUNT} is the most.")
    return given


def money(fields: Fields, key: str) -> int | None:
    """An amount above 0 in the smallest unit of the policy's currency, or None."""
    wrong = "Give the amount as a whole number in the smallest unit, such as 500 for €5.00."
    if fields.has(key) and not fields.has("currency"):
        fields.problem(key, 'Say in which currency: give the policy a "currency".')
    return fields.value(key, whole_number(1, MAX_AMOUNT, wrong), None)


def one_of(kind: str, known: Iterable[str]) -> Callable[[object], str]:
    """One of the `known` words, in lower case; `kind` is their noun, such as "day"."""
    names = {word: word for word in known}

    def convert(given: object) -> str:
        word = _string(given).lower()
        if word not in names:
            hint = nearest(word, names) or f" Use one of {', '.join(names)}."
            raise ValueError(f"There is no {kind} {quoted(given)}.{hint}")
        return word

    return convert


def currency(given: object) -> str:
    """A lower-case currency code."""
    code = _string(given).lower()
    if code not in known_currencies():
        names = {entry.name: entry.code for entry in known_currencies().values()}
        hint = nearest(code, names) or " Use its three-letter code, such as eur."
        raise ValueError(f"There is no currency {quoted(given)}.{hint}")
    return code


def country(given: object) -> str:
    """An upper-case country code."""
    word = _string(given)
    # Only ASCII: upper() turns a German sharp s into "SS".
    if not (word.isascii() and word.upper() in known_countries()):
        names = {name: code for code, name in known_countries().items()} | {"UK": "GB"}
        hint = nearest(word, names) or " Use its two-letter code, such as FR."
        raise ValueError(f"There is no country {quoted(given)}.{hint}")
    return word.upper()


def category(given: object) -> str:
    """One of Stripe's category names, a code such as "5812", or a range such as "3000-3299"."""
    word = _string(given).lower()
    if word in known_categories() or (len(word) == 4 and _is_digits(word)):
        return word
    if match := CATEGORY_RANGE.fullmatch(word):
        first, last = match.groups()
        if first > last:
            raise ValueError(f"The range runs backwards: write {last}-{first}.")
        return first if first == last else f"{first}-{last}"
    names = {entry.label: entry.name for entry in known_categories().values()}
    hint = nearest(word, {name: name for name in known_categories()} | names)
    if not hint:
        hint = " Use Stripe's name, a four-digit code such as 5812, or a range such as 3000-3299."
    raise ValueError(f"There is no category {quoted(given)}.{hint}")


def time_zone(given: object) -> str:
    name = _string(given)
    if name not in _time_zones():
        hint = nearest(name, {zone: zone for zone in _time_zones()})
        raise ValueError(
            f"There is no time zone {quoted(given)}.{hint or ' Use a name such as Europe/Paris.'}"
        )
    return name


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones() - _NO_ZONES)


def clock(given: object) -> str:
    """A time of day as "08:00"; "24:00" is the end of the day."""
    match = CLOCK.fullmatch(_string(given))
    if match:
        hour, minute = int(match[1]), int(match[2])
        if minute < 60 and hour * 60 + minute <= 24 * 60:
            return f"{hour:02}:{minute:02}"
    raise ValueError('Write the time as "08:00", from "00:00" to "24:00".')


def day_of_year(given: object) -> str:
    """A day that every year has, as "04-06": the month first."""
    match = DAY_OF_YEAR.fullmatch(_string(given))
    if not match:
        raise ValueError('Write the month and the day, such as "04-06" for 6 April.')
    month, day = int(match[1]), int(match[2])
    if (month, day) == (2, 29):
        raise ValueError("Few years have a 29 February: choose 28 February or 1 March.")
    try:
        return date(_COMMON_YEAR, month, day).isoformat()[-5:]
    except (ValueError, OverflowError):
        raise ValueError("There is no such day: choose one that every year has.") from None


def moment(given: object) -> str:
    """A date, or an instant with its offset from UTC."""
    written = _string(given)
    try:
        if DATE.fullmatch(written) and (day := date.fromisoformat(written)).year in YEARS:
            return day.isoformat()
        if INSTANT.fullmatch(written) and (at := datetime.fromisoformat(written)).year in YEARS:
            return at.isoformat()
    except ValueError:
        pass  # such as the 30th of February
    raise ValueError(
        'Write a date such as "2026-12-31", or with time and offset "2026-12-31T18:00:00+01:00".'
    )


def instant(given: object) -> int:
    """Unix seconds of an instant; of a day, its beginning in UTC."""
    return first_second(moment(given), "UTC")


def first_second(written: str, zone_name: str) -> int:
    """Unix seconds of an instant, or of the beginning of a day in the time zone."""
    return _seconds(written, zone_name, days=0)


def end_second(written: str, zone_name: str) -> int:
    """Unix seconds of an instant, or of the end of a day in the time zone, exclusive."""
    return _seconds(written, zone_name, days=1)


def _seconds(written: str, zone_name: str, days: int) -> int:
    if "T" in written:
        return int(datetime.fromisoformat(written).timestamp())
    day = date.fromisoformat(written) + timedelta(days=days)
    return int(datetime(day.year, day.month, day.day, tzinfo=zone(zone_name)).timestamp())


def _string(given: object) -> str:
    if not isinstance(given, str):
        raise ValueError('Write this as text in "quotes".')
    return given.strip()


def _is_digits(word: str) -> bool:
    """Only 0 to 9: isdigit() also accepts the digits of other scripts."""
    return all(character in _ASCII_DIGITS for character in word)
