"""Merchants, and the filters of rules and limits that match them.

Rules, limits and sums over past purchases all match merchants here.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import TypeAlias

from authorizations.rules.basics.folding import folded

MATCHING = 2
"""The current version of matching merchants by name; decisions and limit filters store it.

Version 1 compared lower-case names without folding. It decides no new purchases and remains for
old decisions. Any change needs a new version: a stored decision must always give the same result,
and sums of one version must not be used for another.
"""


def refuse_unknown(matching: int) -> None:
    """Raise ValueError for an unknown version of matching."""
    if matching not in range(1, MATCHING + 1):
        raise ValueError(f"unknown version {matching} of matching merchants")


CASH_CATEGORY_CODES = frozenset({"6010", "6011"})
"""MCCs of cash withdrawals: manual cash disbursement and cash machines."""


@dataclass(frozen=True, slots=True)
class Merchant:
    """Where a purchase is made, and how the card is used there.

    A field is empty if it is not reported. Rules judge a request by its own `card_presence` and
    `authorization_method`; limits by these, of the request that the purchase began with.
    """

    category: str = ""
    category_code: str = ""
    country: str = ""
    name: str = ""
    network_id: str = ""
    card_presence: str = ""
    authorization_method: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    terminal_id: str = ""
    url: str = ""

    def is_elsewhere(self, other: "Merchant") -> bool:
        """Whether a reported field of the merchant itself differs; a missing field does not."""
        return any(
            mine and mine != theirs
            for mine, theirs in (
                (self.category, other.category),
                (self.category_code, other.category_code),
                (self.country, other.country),
                (self.name, other.name),
                (self.network_id, other.network_id),
            )
        )

    def differs_from(self, other: "Merchant") -> bool:
        """Whether it is elsewhere, or the card is reported to be used in another way."""
        return (
            self.is_elsewhere(other)
            or self.card_presence not in ("", other.card_presence)
            or self.authorization_method not in ("", other.authorization_method)
        )

    def begun_at(self, first: "Merchant") -> "Merchant":
        """This merchant with the fields that limits read taken from `first`."""
        return replace(
            self,
            category=first.category,
            category_code=first.category_code,
            country=first.country,
            name=first.name,
            network_id=first.network_id,
            card_presence=first.card_presence,
            authorization_method=first.authorization_method,
        )

    @property
    def is_cash(self) -> bool:
        """Whether everything taken here is cash."""
        return self.category_code in CASH_CATEGORY_CODES


@dataclass(frozen=True, slots=True)
class UnknownMerchant(Merchant):
    """The merchant of a purchase that began before this host knew of it: it may be any merchant.

    Every limit therefore applies to it, including limits on cash. A limit with a filter grants it
    nothing.
    """

    @property
    def is_cash(self) -> bool:
        return True


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
    rentals) are not in the table; rules name them by code.
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
        """The entries as a policy names them, sorted."""
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

    def examples(self) -> Iterator[Merchant]:
        """One merchant for each name and each code."""
        for name in self.names:
            yield Merchant(category=name, category_code=known_categories()[name].code)
        codes = set(self.codes)
        for first, last in self.ranges:
            codes.update(f"{code:04}" for code in range(int(first), int(last) + 1))
        for code in codes:
            yield Merchant(category_code=code)

    @classmethod
    def of(cls, words: tuple[str, ...] | list[str]) -> "CategorySet":
        """Build from validated words: names, "5812", "3000-3299".

        A name also matches its MCC, as Stripe may rename the category.
        """
        known = known_categories()
        names = frozenset(word for word in words if not word[0].isdigit())
        codes = {known[name].code for name in names if name in known} - {""}
        codes |= {word for word in words if word.isdigit()}
        ranges = (word.split("-") for word in words if word[0].isdigit() and "-" in word)
        return cls(names, frozenset(codes), tuple((first, last) for first, last in ranges))


class Manner(StrEnum):
    """How an entry of a policy matches merchants."""

    NETWORK_ID = "network_id"
    IS = "is"
    BEGINS_WITH = "begins_with"
    CONTAINS = "contains"
    ID_OR_CONTAINS = "id_or_contains"  # a plain string


_MANNERS = {
    Manner.NETWORK_ID: "network id {}",
    Manner.IS: "name is “{}”",
    Manner.BEGINS_WITH: "name begins with “{}”",
    Manner.CONTAINS: "name contains “{}”",
    Manner.ID_OR_CONTAINS: "{}",
}

MerchantEntry: TypeAlias = str | Mapping[str, str]
"""An entry of a normal document: "Uber", or a single pair such as {"begins_with": "Uber"}."""


def manner_and_text(entry: MerchantEntry) -> tuple[Manner, str]:
    if isinstance(entry, str):
        return Manner.ID_OR_CONTAINS, entry
    [(manner, text)] = entry.items()
    return Manner(manner), text


def merchant_words(entry: MerchantEntry) -> str:
    """An entry in words: "Uber", "network id 1234567890"."""
    manner, text = manner_and_text(entry)
    return _MANNERS[manner].format(text)


@dataclass(frozen=True, slots=True)
class MerchantSet:
    """Merchants by their network ids and names, which are folded as `matching` says.

    `words` are the entries in words, in the policy's order.
    """

    network_ids: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    beginnings: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    matching: int = MATCHING

    def __bool__(self) -> bool:
        return bool(self.words)

    def holds(self, merchant: Merchant) -> bool:
        name, network_id = merchant.name.casefold(), merchant.network_id
        if self.matching > 1:
            name, network_id = folded(merchant.name), network_id.strip()
        return (
            network_id in self.network_ids
            or name in self.names
            or name.startswith(self.beginnings)
            or any(part in name for part in self.parts)
        )

    def covers(self, other: "MerchantSet") -> bool:
        """Whether each merchant that `other` holds is held here too."""

        def contains(text: str) -> bool:
            return any(part in text for part in self.parts)

        def begins(text: str) -> bool:
            return text.startswith(self.beginnings) or contains(text)

        return (
            other.network_ids <= self.network_ids
            and all(name in self.names or begins(name) for name in other.names)
            and all(map(begins, other.beginnings))
            and all(map(contains, other.parts))
        )

    @classmethod
    def of(cls, entries: Iterable[MerchantEntry], matching: int = MATCHING) -> "MerchantSet":
        """Build from validated entries. Raises ValueError for an unknown `matching`."""
        refuse_unknown(matching)
        fold = str.casefold if matching == 1 else folded
        by_manner: dict[Manner, list[str]] = {manner: [] for manner in Manner}
        words = []
        for entry in entries:
            manner, text = manner_and_text(entry)
            by_manner[manner].append(text)
            words.append(merchant_words(entry))
        plain = by_manner[Manner.ID_OR_CONTAINS]
        return cls(
            network_ids=frozenset([*by_manner[Manner.NETWORK_ID], *plain]),
            names=frozenset(map(fold, by_manner[Manner.IS])),
            beginnings=tuple(map(fold, by_manner[Manner.BEGINS_WITH])),
            parts=tuple(map(fold, [*by_manner[Manner.CONTAINS], *plain])),
            words=tuple(words),
            matching=matching,
        )


NO_CATEGORIES = CategorySet()
NO_MERCHANTS = MerchantSet()


@dataclass(frozen=True, slots=True)
class LimitFilter:
    """The purchases that a limit applies to, or that meet a condition: all if nothing is set.

    A purchase must be on each of the first three lists that is set, and on none of the `except_`
    lists. What is not reported is on no list. But a purchase of which it is not reported how the
    card is used counts in spite of `card_presences` and `authorization_methods`: Stripe tells it of
    no transaction, and not always of an authorization. See `is_told_by`. `key` identifies the
    filter in the usage table, and `text` is its canonical JSON; both are empty for the filter that
    matches every purchase. If `cash_only`, only cash is measured.
    """

    categories: CategorySet = NO_CATEGORIES
    countries: frozenset[str] = frozenset()
    merchants: MerchantSet = NO_MERCHANTS
    cash_only: bool = False
    except_categories: CategorySet = NO_CATEGORIES
    except_countries: frozenset[str] = frozenset()
    except_merchants: MerchantSet = NO_MERCHANTS
    card_presences: frozenset[str] = frozenset()
    authorization_methods: frozenset[str] = frozenset()
    key: str = ""
    text: str = ""

    def concerns(self, merchant: Merchant) -> bool:
        """Whether purchases at this merchant count (only their cash, if `cash_only`)."""
        return self is EVERYTHING or (
            (
                (not self.categories or self.categories.holds(merchant))
                and (not self.countries or merchant.country in self.countries)
                and (not self.merchants or self.merchants.holds(merchant))
                and not (self.except_categories and self.except_categories.holds(merchant))
                and merchant.country not in self.except_countries
                and not (self.except_merchants and self.except_merchants.holds(merchant))
                and not (
                    self.card_presences
                    and merchant.card_presence
                    and merchant.card_presence not in self.card_presences
                )
                and not (
                    self.authorization_methods
                    and merchant.authorization_method
                    and merchant.authorization_method not in self.authorization_methods
                )
            )
            or isinstance(merchant, UnknownMerchant)
        )

    def is_told_by(self, merchant: Merchant) -> bool:
        """Whether it is reported how the card is used, as far as the filter names that.

        A limit grants no purchase that it counts only because this is not reported.
        """
        return bool(
            (not self.card_presences or merchant.card_presence)
            and (not self.authorization_methods or merchant.authorization_method)
        )

    @property
    def all_left_out(self) -> str:
        """Which of "categories", "countries" and "merchants" are all left out again; "" if none.

        The filter then applies to no purchase.
        """
        if self.categories and all(map(self.except_categories.holds, self.categories.examples())):
            return "categories"
        if self.countries and self.countries <= self.except_countries:
            return "countries"
        if self.merchants and self.except_merchants.covers(self.merchants):
            return "merchants"
        return ""

    def asked_fields(self) -> Iterator[str]:
        """The fields of a request that it reads, as unreadable.py calls them."""
        if self.categories or self.except_categories:
            yield from ("category", "category_code")
        if self.countries or self.except_countries:
            yield "country"
        if self.merchants or self.except_merchants:
            yield from ("name", "network_id")
        if self.card_presences:
            yield "card_presence"
        if self.authorization_methods:
            yield "authorization_method"
        if self.cash_only:
            yield "category_code"


EVERYTHING = LimitFilter()
