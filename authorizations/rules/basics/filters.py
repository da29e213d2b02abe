"""What a purchase is made of, and what a rule or a limit concerns.

One meaning of "matches" for the whole program: rules, limits and sums over the past all ask here.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import TypeAlias

from authorizations.rules.basics.folding import folded

MATCHING = 2
"""How merchants are matched by their names now. Decisions and the filters of limits name it.

1 compared lower-case names as they came, and nothing is decided by it any more; it stays for what
was. Any other meaning needs a number of its own: a decision's row must decide the same for ever,
and sums of one meaning must not be taken for sums of another.
"""


def refuse_unknown(matching: int) -> None:
    """ValueError for a way of matching that is unknown here."""
    if matching not in range(1, MATCHING + 1):
        raise ValueError(f"merchants can't be matched by rule {matching}")


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

    def names_another_than(self, other: "Merchant") -> bool:
        """Whether something it tells differs; what it leaves out does not."""
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

    def begun_at(self, first: "Merchant") -> "Merchant":
        """Where a purchase is made, as limits know it: by what it began with; all else stays."""
        return replace(
            self,
            category=first.category,
            category_code=first.category_code,
            country=first.country,
            name=first.name,
            network_id=first.network_id,
        )

    @property
    def is_cash(self) -> bool:
        """Whether everything taken here is cash."""
        return self.category_code in CASH_CATEGORY_CODES


@dataclass(frozen=True, slots=True)
class UnknownMerchant(Merchant):
    """Where a purchase began that this host has not heard of: it may be any merchant.

    So every limit concerns it, those on cash too. No limit that asks who it is grants it anything.
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


class Manner(StrEnum):
    """How an entry of a policy names merchants."""

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
"""An entry of a normal document: "Uber", or one pair such as {"begins_with": "Uber"}."""


def manner_and_text(entry: MerchantEntry) -> tuple[Manner, str]:
    if isinstance(entry, str):
        return Manner.ID_OR_CONTAINS, entry
    [(manner, text)] = entry.items()
    return Manner(manner), text


def merchant_words(entry: MerchantEntry) -> str:
    """An entry as people read it: "Uber", "network id 1234567890"."""
    manner, text = manner_and_text(entry)
    return _MANNERS[manner].format(text)


@dataclass(frozen=True, slots=True)
class MerchantSet:
    """Merchants by their network ids and names, which are folded as `matching` says.

    `words` are the entries as people read them, in the policy's order.
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

    @classmethod
    def of(cls, entries: Iterable[MerchantEntry], matching: int = MATCHING) -> "MerchantSet":
        """Build from entries that were checked before. ValueError for an unknown `matching`."""
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
    """What a limit concerns; everything when nothing is set.

    `key` names the filter in the usage table, `text` is its canonical JSON; both are empty for
    the filter that lets everything through. Where `cash_only`, only the cash part is measured.
    """

    categories: CategorySet = NO_CATEGORIES
    countries: frozenset[str] = frozenset()
    merchants: MerchantSet = NO_MERCHANTS
    cash_only: bool = False
    key: str = ""
    text: str = ""

    def concerns(self, merchant: Merchant) -> bool:
        """Whether purchases at this merchant count (of those with `cash_only`, their cash)."""
        return self is EVERYTHING or (
            (
                (not self.categories or self.categories.holds(merchant))
                and (not self.countries or merchant.country in self.countries)
                and (not self.merchants or self.merchants.holds(merchant))
            )
            or isinstance(merchant, UnknownMerchant)
        )


EVERYTHING = LimitFilter()
