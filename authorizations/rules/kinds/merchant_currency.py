"""Whether a card may pay merchants that charge in another currency than the card's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from authorizations.rules.decision.rule import ReasonTexts, Rule, Ruling, Section, switch
from authorizations.rules.decision.values import Check, DeclineReason
from authorizations.rules.purchases.events import AuthorizationRequest


@dataclass(frozen=True, slots=True)
class CardCurrencyOnly(Rule):
    """The merchant charges in the card's currency; a purchase that does not report it fails."""

    reason = DeclineReason.MERCHANT_CURRENCY_NOT_ALLOWED
    texts = ReasonTexts(
        "Merchant currency not allowed",
        "The policy allows only merchants that charge in the card's currency.",
        "This card can only be used with merchants that charge in its own currency.",
    )
    settings = (
        switch(
            "card_currency_only",
            Section.WHERE,
            "Only in the card's currency",
            help="Merchants that charge in another currency are declined.",
        ),
    )
    asks = {"merchant_currency": "merchant currency"}

    @classmethod
    def of(cls, normal: Mapping[str, Any], matching: int) -> Self | None:
        return cls() if normal["card_currency_only"] else None

    def check(self, request: AuthorizationRequest) -> Ruling:
        charged_in, currency = request.merchant_currency or None, request.currency
        return Ruling(charged_in == currency, charged_in, currency)

    @classmethod
    def for_staff(cls, check: Check, request: AuthorizationRequest) -> str:
        own = check.limit.upper()
        if check.passed:
            return f"The merchant charges in the card's currency, {own}."
        only = f"the policy allows only the card's currency, {own}"
        if check.found is None:
            return f"The merchant's currency was not reported; {only}."
        return f"The merchant charges in {check.found.upper()}; {only}."

    @classmethod
    def in_headline(cls, check: Check) -> str:
        return str(check.found).upper()

    def in_summary(self, beside: Sequence[Rule]) -> str:
        return "only where the merchant charges in the card's currency"
