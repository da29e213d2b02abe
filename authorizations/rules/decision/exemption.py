"""Merchants that are exempt from where their policy lets a card pay.

At such a merchant the policy's rules on categories, countries and other places, and on merchants
give way; its limits and all other rules hold, and so do other policies.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from authorizations.rules.basics.filters import MerchantEntry, MerchantSet
from authorizations.rules.decision.values import Check
from authorizations.rules.purchases.events import AuthorizationRequest

EXEMPT = "exempt"
"""The key of a check's `limit` that has the entry by which the merchant is exempt."""


@dataclass(frozen=True, slots=True)
class Exemption:
    """The exempt merchants of a policy; `entries` are as in the document, `each` matches one."""

    entries: tuple[MerchantEntry, ...] = field(hash=False)
    merchants: MerchantSet
    each: tuple[MerchantSet, ...]

    @classmethod
    def of(cls, entries: Sequence[MerchantEntry], matching: int) -> Self | None:
        if not entries:
            return None
        each = tuple(MerchantSet.of([entry], matching) for entry in entries)
        return cls(tuple(entries), MerchantSet.of(entries, matching), each)

    def entry_for(self, request: AuthorizationRequest) -> MerchantEntry | None:
        """The first entry that names the merchant; None if it is not exempt.

        A merchant whose name or network id is unreadable is not exempt: it could be any merchant.
        """
        merchant = request.asked_at
        if not self.merchants.holds(merchant) or {"name", "network_id"} & {*request.unreadable}:
            return None
        named = zip(self.entries, self.each, strict=True)
        return next(entry for entry, one in named if one.holds(merchant))


def exempt_by(check: Check) -> MerchantEntry | None:
    """The entry by which the merchant is exempt from the check's rule, which it does not meet."""
    entry: MerchantEntry | None
    entry = check.limit.get(EXEMPT) if isinstance(check.limit, dict) else None
    return entry
