"""The merchants where a card may pay."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from authorizations.rules.basics.controls import LimitControl
from authorizations.rules.basics.fields import Problem
from authorizations.rules.basics.filters import Merchant, MerchantEntry, MerchantSet, merchant_words
from authorizations.rules.basics.merchant_entries import merchants
from authorizations.rules.basics.words import merchant_place
from authorizations.rules.decision.rule import FieldKind, ReasonTexts, Rule, Section
from authorizations.rules.decision.values import DeclineReason, Json
from authorizations.rules.kinds.lists import ListRule, ListSide, pair


@dataclass(frozen=True, slots=True)
class Merchants(ListRule):
    """Network ids and names, as in the document; a trace has the request's merchant name."""

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
    spares_exempt = True
    noun, plural = "Merchant", "merchants"
    missing = "The merchant's name was not reported"
    preposition = "at"

    @classmethod
    def listing(cls, written: Sequence[MerchantEntry], matching: int, *, allows: bool) -> ListSide:
        return ListSide.of(written, MerchantSet.of(written, matching), allows=allows)

    @classmethod
    def found(cls, subject: Merchant) -> Json:
        return subject.name or None

    @classmethod
    def entry_words(cls, entry: MerchantEntry) -> str:
        return merchant_words(entry)

    @classmethod
    def found_words(cls, found: Json) -> str:
        return str(found)

    @classmethod
    def summary_words(cls, entries: Sequence[MerchantEntry]) -> list[str]:
        return [merchant_place(merchant_words(entry)) for entry in entries]

    def warnings(self, beside: Sequence[Rule], limits: Sequence[LimitControl]) -> Iterator[Problem]:
        """Merchants on both lists, and limits that leave out all that the policy allows."""
        yield from ListRule.warnings(self, beside, limits)
        allowed = self.members(allows=True)
        for place, limit in enumerate(limits):
            if allowed and limit.filter.except_merchants.covers(allowed):
                message = (
                    "This limit has no effect: it leaves out all merchants that the policy allows."
                )
                yield Problem(("spending_limits", place, "except_merchants"), message)
