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
    """The exempt merchants of a policy; `entries` are as in the document."""

    entries: tuple[MerchantEntry, ...] = field(hash=False)
    merchants: MerchantSet

    @classmethod
    def of(cls, entries: Sequence[MerchantEntry], matching: int) -> Self | None:
        return cls(tuple(entries), MerchantSet.of(entries, matching)) if entries else None

    def entry_for(self, request: AuthorizationRequest) -> MerchantEntry | None:
        """The first entry that names the merchant; None if it is not exempt.

        A merchant whose name or network id is unreadable is not exempt: it could be any merchant.
        """
        merchant = request.asked_at
        if not self.merchants.holds(merchant) or {"name", "network_id"} & {*request.unreadable}:
            return None
        matching = self.merchants.matching
        return next(it for it in self.entries if MerchantSet.of([it], matching).holds(merchant))


def exempt_by(check: Check) -> MerchantEntry | None:
    """The entry by which the merchant is exempt from the check's rule, which it does not meet."""
    entry: MerchantEntry | None
    entry = check.limit.get(EXEMPT) if isinstance(check.limit, dict) else None
    return entry
