"""The highest network risk score that is approved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from authorizations.rules.basics.parsing import whole_number
from authorizations.rules.basics.words import ASK
from authorizations.rules.decision.rule import (
    FieldKind,
    ReasonTexts,
    Rule,
    Ruling,
    Section,
    Setting,
)
from authorizations.rules.decision.values import Check, DeclineReason
from authorizations.rules.purchases.events import AuthorizationRequest

_score = whole_number(1, 99, "Give the highest score as a whole number from 1 to 99.")


@dataclass(frozen=True, slots=True)
class NetworkRisk(Rule):
    """`highest` is from 1 to 99; a purchase without a score passes."""

    highest: int

    reason = DeclineReason.NETWORK_RISK_TOO_HIGH
    texts = ReasonTexts(
        "Network risk too high",
        "The card network's risk score is above what the policy allows.",
        f"This purchase was declined for security reasons. {ASK}",
    )
    settings = (
        Setting(
            "max_network_risk_score",
            Section.HOW,
            "Highest network risk score",
            FieldKind.WHOLE_NUMBER,
            lambda fields, key: fields.value(key, _score, None),
            str,
            help="From 1 to 99; purchases above it are declined.",
        ),
    )
    asks = {"network_risk_score": "network risk score"}

    @classmethod
    def of(cls, normal: Mapping[str, Any], matching: int) -> Self | None:
        highest = normal["max_network_risk_score"]
        return None if highest is None else cls(highest)

    def check(self, request: AuthorizationRequest) -> Ruling:
        score = request.network_risk_score
        return Ruling(score is None or score <= self.highest, score, self.highest)

    @classmethod
    def for_staff(cls, check: Check, request: AuthorizationRequest) -> str:
        if check.found is None:
            return f"No network risk score was reported; the highest allowed is {check.limit}."
        verdict = "is not above" if check.passed else "is above"
        return f"Network risk score {check.found} {verdict} the highest allowed, {check.limit}."

    @classmethod
    def in_headline(cls, check: Check) -> str:
        return str(check.found)

    def in_summary(self, beside: Sequence[Rule]) -> str:
        return f"network risk score at most {self.highest}"
