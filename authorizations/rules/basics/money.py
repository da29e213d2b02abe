"""Formats and parses amounts: "€1,250.00" for 125000 in euro.

Internally, an amount is an integer in the smallest unit of its currency. The unit follows Stripe's
list in currencies.csv, not ISO 4217 or CLDR, which differ.
"""

import csv
import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files

MAX_AMOUNT = 2**53 - 1
"""The largest amount, in the smallest unit: the largest integer exact in every JSON parser."""

_MINUS = "\N{MINUS SIGN}"
# Thousands are separated by commas or spaces, including both no-break spaces.
_FIGURES = re.compile(
    r"(?P<whole>[0-9]{1,3}(?:(?:,[0-9]{3})+|(?:[ \u00a0\u202f][0-9]{3})+)|[0-9]+)"
    r"(?:\.(?P<decimals>[0-9]+))?"
)
_COMMA_DECIMALS = re.compile(r"[0-9]+(?:\.[0-9]{3})*,[0-9]+")
_MOST_FIGURES = 24  # more than any amount needs; int() of a very long text is slow


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency with Stripe's number of decimals; `symbol` is empty if the code is shown."""

    code: str
    decimals: int
    symbol: str
    name: str


@cache
def known_currencies() -> dict[str, Currency]:
    """Stripe's currencies by lower-case code.

    Source: Stripe, "Supported currencies" with its zero-decimal and three-decimal lists. ISK and
    UGX have no decimals any more, HUF and TWD have none in payouts; Stripe's API keeps counting
    all four in hundredths, so two decimals is right for them.
    """
    text = files(__package__).joinpath("currencies.csv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines())
    return {
        row["currency"]: Currency(row["currency"], int(row["decimals"]), row["symbol"], row["name"])
        for row in rows
    }


def exponent(currency: str) -> int:
    """The currency's number of decimals at Stripe: 0, 2 or 3; 2 for an unknown currency."""
    return _currency(currency).decimals


def format_money(amount: int, currency: str) -> str:
    """An amount for people: €1,250.00, or KWD 1.250 for a currency without a symbol."""
    known = _currency(currency)
    whole, decimals = divmod(abs(amount), 10**known.decimals)
    figures = f"{whole:,}"
    if known.decimals:
        figures += f".{decimals:0{known.decimals}}"
    unit = known.symbol or f"{known.code.upper()} ".lstrip()
    return f"{_MINUS if amount < 0 else ''}{unit}{figures}"


def in_units(amount: int, currency: str) -> Decimal:
    """An exact amount in whole units of its currency: 1250.00 for 125000 in euro."""
    return Decimal(amount).scaleb(-_currency(currency).decimals)


def parse_money(text: str, currency: str) -> int:
    """Parse "1250", "1,250.00", "€1,250.00" or "1 250"; return the amount in the smallest unit.

    Raises ValueError with one sentence for the person who typed it.
    """
    known = _currency(currency)
    figures = text.strip()
    for unit in (known.symbol, known.code.upper(), known.code):  # in front or behind
        if unit and unit in figures:
            figures = figures.removeprefix(unit).removesuffix(unit).strip()
            break
    if figures.startswith(("-", _MINUS)):
        raise ValueError("Amounts can't be negative: write it without the minus.")
    match = _FIGURES.fullmatch(figures)
    if match is None or len(figures) > _MOST_FIGURES:
        raise ValueError(_unreadable(figures, known))
    decimals = match["decimals"] or ""
    if len(decimals) > known.decimals:
        raise ValueError(_too_fine(known))
    amount = int(re.sub(r"[^0-9]", "", match["whole"]) + decimals.ljust(known.decimals, "0"))
    if amount > MAX_AMOUNT:
        raise ValueError(_too_large(known))
    return amount


def _currency(code: str) -> Currency:
    """An unknown currency has its code as its name, and two decimals."""
    lower = code.lower()
    return known_currencies().get(lower) or Currency(lower, 2, "", code.upper())


def _unreadable(figures: str, known: Currency) -> str:
    example = format_money(1250 * 10**known.decimals, known.code)
    if len(figures) > _MOST_FIGURES and figures.isdecimal():
        return _too_large(known)
    if _COMMA_DECIMALS.fullmatch(figures):
        return f"Write thousands with a comma and decimals with a point, such as {example}."
    return f"Write the amount in figures, such as {example}."


def _too_fine(known: Currency) -> str:
    if not known.code:
        return "Choose the currency first: it says how many decimals an amount has."
    if not known.decimals:
        return f"{known.name} amounts have no decimals: write it without the point."
    decimals = {2: "two", 3: "three"}[known.decimals]
    fewer = format_money(12345 * 10 ** (known.decimals - 2), known.code)
    return f"{known.name} amounts have at most {decimals} decimals, such as {fewer}."


def _too_large(known: Currency) -> str:
    return f"The amount is too large: {format_money(MAX_AMOUNT, known.code)} is the most."
