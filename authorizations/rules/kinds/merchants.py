"""The merchants where a card may pay."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from authorizations.rules.basics.filters import MerchantEntry, MerchantSet, merchant_words
from authorizations.rules.basics.merchant_entries import merchants
from authorizations.rules.basics.words import merchant_place
from authorizations.rules.decision.rule import FieldKind, ReasonTexts, Ruling, Section
from authorizations.rules.decision.values import DeclineReason, Json
from authorizations.rules.kinds.lists import ListRule, limit_of, pair
from authorizations.rules.purchases.events import AuthorizationRequest


@dataclass(frozen=True, slots=True)
class Merchants(ListRule):
    """Network ids and names, as in the document; a trace has the request's merchant name."""

    listed: MerchantSet

    reason = DeclineReason.MERCHANT_NOT_ALLOWED
    texts = ReasonTexts(
        "Merchant not allowed",
        "The policy does not allow this merchant.",
        "This card cannot be used at this merchant.",
    )
    settings = pair(
        "merchants",
        Section.WHERE,
        FieldKind.MERCHANTS,
        merchants,
        merchant_words,
        labels=("Only these merchants", "Not these merchants"),
        nouns=("Merchant", "Merchants"),
        help="Network ids are best; each purchase's page has one. In names, case, accents and "
        "spaces make no difference.",
    )
    asks = {"name": "merchant name", "network_id": "merchant's network id"}
    noun, plural = "Merchant", "merchants"
    missing = "The merchant's name was not reported"
    preposition = "at"

    @classmethod
    def listing(cls, written: Sequence[MerchantEntry], matching: int, *, allows: bool) -> Self:
        entries = tuple(written)
        limit = limit_of(entries, allows=allows)
        return cls(allows, entries, limit, MerchantSet.of(entries, matching))

    def check(self, request: AuthorizationRequest) -> Ruling:
        merchant = request.asked_at
        passed = self.listed.holds(merchant) is self.allows
        return Ruling(passed, merchant.name or None, self.limit)

    @classmethod
    def entry_words(cls, entry: MerchantEntry) -> str:
        return merchant_words(entry)

    @classmethod
    def found_words(cls, found: Json) -> str:
        return str(found)

    def summary_words(self) -> list[str]:
        return [merchant_place(merchant_words(entry)) for entry in self.entries]
