"""Exceptions: a purchase that an operator lets through, whatever certain rules say."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from authorizations.rules.basics.filters import MATCHING, Merchant
from authorizations.rules.basics.stops import is_at

_BLOCKABLE = ("merchant", "category", "country")


@dataclass(frozen=True, slots=True)
class Waiver:
    """A rule that need not pass: each rule with this decline reason, as far as the rest names it.

    `policy` is a policy's id, which it keeps whatever it is called, and `version` that of its
    version which applies to the purchase; None where none does, and nothing of it is waived.
    `limit` is the key of one of its limits, which is waived for any reason. `block` is what a block
    is about: one pair, as in a policy file.
    """

    reason: str
    policy: int | None = None
    limit: str = ""
    block: Mapping[str, Any] | None = None
    version: int | None = None

    def covers(self, other: "Waiver") -> bool:
        """Whether it waives what `other` names in full, its policy by the version that applies."""
        return (
            (self.reason == other.reason or bool(self.limit))
            and (self.policy is None or self.version is not None)
            and self.version in (None, other.version)
            and self.limit in ("", other.limit)
            and self.block in (None, other.block)
        )


@dataclass(frozen=True, slots=True)
class PurchaseException:
    """One purchase of one card, let through up to a time, although the rules in `waives` fail.

    `id` is that of its row, `up_to` in the smallest unit of `currency`, `until` in Unix seconds. It
    is for any merchant unless it has a `merchant` or a `category`. `matching` is how merchants are
    matched: see filters.MATCHING.
    """

    id: int
    card_id: str
    up_to: int
    currency: str
    until: int
    waives: tuple[Waiver, ...]
    merchant: str | dict[str, str] | None = None
    category: str = ""
    author: str = ""
    reason: str = ""
    matching: int = MATCHING

    def for_versions(self, versions: Mapping[int, int]) -> "PurchaseException":
        """With the version that each waiver goes by; `versions` has those that apply, by policy."""
        if all(one.policy is None for one in self.waives):
            return self
        waives = (
            one if one.policy is None else replace(one, version=versions.get(one.policy))
            for one in self.waives
        )
        return replace(self, waives=tuple(waives))

    def concerns(self, card_id: str, merchant: Merchant, amount: int, currency: str) -> bool:
        """Whether it is for this card and merchant, and for so much in this currency."""
        return (
            (self.card_id, self.currency) == (card_id, currency)
            and amount <= self.up_to
            and is_at(merchant, self.merchant, self.category, self.matching)
        )


def block_terms(told: Mapping[str, Any]) -> dict[str, Any] | None:
    """The pair of a block in the `limit` of its check; None if that is not of a block."""
    return {name: told[name] for name in _BLOCKABLE if told.get(name)} or None
