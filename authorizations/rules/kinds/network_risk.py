"""The highest network risk score that is approved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from authorizations.rules.basics.fields import Fields
from authorizations.rules.basics.parsing import whole_number
from authorizations.rules.basics.words import ASK
from authorizations.rules.decision.rule import (
    FieldKind,
    ReasonTexts,
    Rule,
    Ruling,
    Section,
    Setting,
    switch,
)
from authorizations.rules.decision.values import Check, DeclineReason, Json
from authorizations.rules.purchases.events import AuthorizationRequest

_CONFIRMED, _DESPITE_CHALLENGE = "verified_by_fraud_challenge", "network_risk_despite_challenge"
_SCORES = (1, 99)
_score = whole_number(*_SCORES, "Give the highest score as a whole number from 1 to 99.")


@dataclass(frozen=True, slots=True)
class NetworkRisk(Rule):
    """`highest` is from 1 to 99; a purchase without a score passes.

    So does one that the cardholder confirmed in a fraud challenge of Stripe's, unless the policy
    says `despite_challenge`. A trace then has both facts instead of the score alone.

    Source: https://docs.stripe.com/issuing/controls/fraud-challenges
    """

    highest: int
    despite_challenge: bool = False

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
            help="From 1 to 99; purchases above it are declined, but not those that the cardholder "
            "confirmed to Stripe.",
            range=_SCORES,
        ),
        switch(
            _DESPITE_CHALLENGE,
            Section.HOW,
            "Risk score also for confirmed purchases",
            help="Declines above the highest score even if the cardholder confirmed such a "
            "purchase at this merchant in a fraud challenge.",
        ),
    )
    asks = {
        "network_risk_score": "network risk score",
        _CONFIRMED: "result of a fraud challenge",
    }

    @classmethod
    def of(cls, normal: Mapping[str, Any], matching: int) -> Self | None:
        highest = normal["max_network_risk_score"]
        return None if highest is None else cls(highest, normal[_DESPITE_CHALLENGE])

    @classmethod
    def refuse(cls, fields: Fields, normal: Mapping[str, Any]) -> None:
        if normal[_DESPITE_CHALLENGE] and not fields.has("max_network_risk_score"):
            problem = "Only with a highest network risk score: give that too, or leave this out."
            fields.problem(_DESPITE_CHALLENGE, problem)

    def check(self, request: AuthorizationRequest) -> Ruling:
        score = request.network_risk_score
        if score is None or not request.verified_by_fraud_challenge:
            return Ruling(score is None or score <= self.highest, score, self.highest)
        passed = score <= self.highest or not self.despite_challenge
        return Ruling(passed, {"score": score, _CONFIRMED: True}, self.highest)

    @classmethod
    def for_staff(cls, check: Check, request: AuthorizationRequest) -> str:
        if check.found is None:
            return f"No network risk score was reported; the highest allowed is {check.limit}."
        score = _score_of(check.found)
        verdict = "is above" if score > check.limit else "is not above"
        sentence = f"Network risk score {score} {verdict} the highest allowed, {check.limit}"
        if score == check.found or score <= check.limit:
            return f"{sentence}."
        if check.passed:
            return f"{sentence}, but the cardholder confirmed the purchase in a fraud challenge."
        return f"{sentence}, and the policy declines it even if the cardholder confirmed it."

    @classmethod
    def in_headline(cls, check: Check) -> str:
        return str(_score_of(check.found))

    def in_summary(self, beside: Sequence[Rule]) -> str:
        also = ", even if the cardholder confirmed the purchase" if self.despite_challenge else ""
        return f"network risk score at most {self.highest}{also}"


def _score_of(found: Json) -> int:
    """The score in a trace, where it may stand beside the fraud challenge."""
    score: int = found["score"] if isinstance(found, dict) else found
    return score
