"""Freezes and blocks: what operators have stopped, whatever policies allow."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from authorizations.rules.basics.controls import Scope
from authorizations.rules.basics.filters import (
    MATCHING,
    CategorySet,
    Manner,
    Merchant,
    MerchantSet,
    manner_and_text,
)

MAX_CACHED = 16_384
"""Maximum blocks that a process keeps ready: more than are in force at once."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A freeze of a scope; or a block in it, of the one of `merchant`, `category` and `country`.

    `id` is that of its row, `until` in Unix seconds, None for good. `matching` is how merchants are
    matched: see filters.MATCHING.
    """

    id: int
    scope: Scope
    merchant: str | dict[str, str] | None = None
    category: str = ""
    country: str = ""
    until: int | None = None
    author: str = ""
    reason: str = ""
    matching: int = MATCHING

    @property
    def is_freeze(self) -> bool:
        return not (self.merchant or self.category or self.country)

    @property
    def asks(self) -> frozenset[str]:
        """The fields of a request that a block reads."""
        if self.merchant:
            return frozenset({"name", "network_id"})
        if self.category:
            return frozenset({"category", "category_code"})
        return frozenset({"country"} if self.country else ())

    def holds(self, merchant: Merchant) -> bool:
        """Whether a purchase at this merchant is blocked."""
        if self.merchant or self.category:
            return is_at(merchant, self.merchant, self.category, self.matching)
        return merchant.country == self.country

    def concerns(self, merchant: Merchant, unreadable: Iterable[str]) -> bool:
        """Whether it stops a purchase there, also where a field that it reads is unreadable."""
        return self.is_freeze or not self.asks.isdisjoint(unreadable) or self.holds(merchant)


def is_at(
    merchant: Merchant, entry: str | dict[str, str] | None, category: str, matching: int
) -> bool:
    """Whether a merchant is the one of an entry, or in a category; any is, where neither is set."""
    if entry:
        return _merchants(*manner_and_text(entry), matching).holds(merchant)
    return not category or _categories(category).holds(merchant)


@lru_cache(maxsize=MAX_CACHED)
def _merchants(manner: Manner, text: str, matching: int) -> MerchantSet:
    entry = text if manner is Manner.ID_OR_CONTAINS else {manner.value: text}
    return MerchantSet.of([entry], matching)


@lru_cache(maxsize=MAX_CACHED)
def _categories(word: str) -> CategorySet:
    return CategorySet.of((word,))
