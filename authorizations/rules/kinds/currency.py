"""A policy with amount limits declines every currency without one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from authorizations.rules.basics.words import ASK
from authorizations.rules.decision.rule import ReasonTexts, Rule, Ruling
from authorizations.rules.decision.values import Check, DeclineReason
from authorizations.rules.purchases.events import AuthorizationRequest


@dataclass(frozen=True, slots=True)
class Currencies(Rule):
    """The currencies of the policy's amount limits, sorted; the rule has no setting of its own."""

    currencies: list[str] = field(hash=False)

    reason = DeclineReason.CURRENCY_NOT_ALLOWED
    texts = ReasonTexts(
        "Currency not allowed",
        "The policy has amount limits, but none in the currency of this card.",
        f"This card cannot be used for purchases in this currency. {ASK}",
    )

    @classmethod
    def of(cls, normal: Mapping[str, Any], matching: int) -> Self | None:
        amounts = [it for it in normal["spending_limits"] if it.get("amount") is not None]
        currencies = {limit["currency"] or normal["currency"] or "" for limit in amounts}
        return cls(sorted(currencies)) if currencies else None

    def check(self, request: AuthorizationRequest) -> Ruling:
        return Ruling(request.currency in self.currencies, request.currency, self.currencies)

    @classmethod
    def for_staff(cls, check: Check, request: AuthorizationRequest) -> str:
        asked = check.found.upper()
        if check.passed:
            return f"The policy has amount limits in {asked}."
        others = ", ".join(check.limit).upper()
        return f"The policy has no amount limit in {asked}, only in {others}."

    @classmethod
    def for_cardholder(cls, request: AuthorizationRequest) -> str:
        return f"This card cannot be used for purchases in {request.currency.upper()}. {ASK}"

    @classmethod
    def in_headline(cls, check: Check) -> str:
        return str(check.found).upper()

    def in_summary(self, beside: Sequence[Rule]) -> str:
        return ""  # the limits name their currencies
