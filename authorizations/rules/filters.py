"""What a purchase is made of, and what a rule or a limit concerns.

One meaning of "matches" for the whole program: rules, limits and sums over the past all ask here.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

CASH_CATEGORY_CODES = frozenset({"6010", "6011"})
"""MCCs that are cash withdrawals as a whole: manual cash disbursement and cash machines."""


@dataclass(frozen=True, slots=True)
class Merchant:
    """Where the purchase is made; the empty string and None mean: not told."""

    category: str = ""
    category_code: str = ""
    country: str = ""
    name: str = ""
    network_id: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    terminal_id: str = ""
    url: str = ""

    @property
    def is_cash(self) -> bool:
        """Whether everything taken here is cash."""
        return self.category_code in CASH_CATEGORY_CODES


@dataclass(frozen=True, slots=True)
class Category:
    """One of Stripe's merchant categories; `code` is its MCC, empty for `miscellaneous`."""

    name: str
    code: str
    label: str


@cache
def known_categories() -> dict[str, Category]:
    """Stripe's categories by name.

    Source: Stripe's merchant categories guide. Codes 3000-3999 (single airlines, hotels and car
    rentals) are in no table; rules name them by code.
    """
    text = files(__package__).joinpath("categories.csv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines())
    return {row["category"]: Category(row["category"], row["mcc"], row["name"]) for row in rows}


@dataclass(frozen=True, slots=True)
class CategorySet:
    """Categories by Stripe's name, by MCC, and by ranges of MCCs (both ends included)."""

    names: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    ranges: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.names or self.codes or self.ranges)

    @property
    def words(self) -> tuple[str, ...]:
        """As the policy names them, sorted."""
        named = {known_categories()[name].code for name in self.names if name in known_categories()}
        ranges = (f"{first}-{last}" for first, last in self.ranges)
        return (*sorted(self.names), *sorted({*(self.codes - named), *ranges}))

    def holds(self, merchant: Merchant) -> bool:
        code = merchant.category_code
        return (
            merchant.category in self.names
            or code in self.codes
            or any(first <= code <= last for first, last in self.ranges)
        )

    @classmethod
    def of(cls, words: tuple[str, ...] | list[str]) -> "CategorySet":
        """Build from words that were checked before: names, "5812", "3000-3299".

        A name also matches its MCC: the category is an open string and can arrive renamed.
        """
        known = known_categories()
        names = frozenset(word for word in words if not word[0].isdigit())
        codes = {known[name].code for name in names if name in known} - {""}
        codes |= {word for word in words if word.isdigit()}
        ranges = (word.split("-") for word in words if word[0].isdigit() and "-" in word)
        return cls(names, frozenset(codes), tuple((first, last) for first, last in ranges))


def merchant_matches(entry: str, merchant: Merchant) -> bool:
    """Whether `entry` is the merchant's network id, or is part of its name in any case."""
    return entry == merchant.network_id or entry.casefold() in merchant.name.casefold()


NO_CATEGORIES = CategorySet()


@dataclass(frozen=True, slots=True)
class LimitFilter:
    """What a limit concerns; everything when nothing is set.

    `key` names the filter in the usage table, `text` is its canonical JSON; both are empty for
    the filter that lets everything through. Where `cash_only`, only the cash part is measured.
    """

    categories: CategorySet = NO_CATEGORIES
    countries: frozenset[str] = frozenset()
    merchants: tuple[str, ...] = ()
    cash_only: bool = False
    key: str = ""
    text: str = ""

    def concerns(self, merchant: Merchant) -> bool:
        """Whether purchases at this merchant count (of those with `cash_only`, their cash)."""
        return self is EVERYTHING or (
            (not self.categories or self.categories.holds(merchant))
            and (not self.countries or merchant.country in self.countries)
            and (
                not self.merchants
                or any(merchant_matches(entry, merchant) for entry in self.merchants)
            )
        )


EVERYTHING = LimitFilter()
