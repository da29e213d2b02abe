"""The network's checks of the cardholder that must have matched."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from authorizations.rules.basics.controls import LimitControl
from authorizations.rules.basics.fields import Problem
from authorizations.rules.basics.parsing import one_of
from authorizations.rules.basics.words import all_of, code_words
from authorizations.rules.decision.rule import (
    FieldKind,
    ReasonTexts,
    Rule,
    Ruling,
    Section,
    Setting,
    rule_of,
)
from authorizations.rules.decision.values import Check, DeclineReason
from authorizations.rules.kinds.authorization_methods import AuthorizationMethods
from authorizations.rules.kinds.card_presences import CardPresences
from authorizations.rules.kinds.lists import words_of
from authorizations.rules.purchases.events import AuthorizationRequest

_CHOICES = {"cvc": "CVC", "postal_code": "Postal code", "three_d_secure": "3-D Secure"}
_SETTING = Setting(
    "required_verification",
    Section.HOW,
    "Must be verified by",
    FieldKind.CHOICES,
    words_of(one_of("verification", _CHOICES)),
    _CHOICES.__getitem__,
    help="Purchases without a match are declined.",
    nouns=("Check", "Checks"),
    choices=tuple(_CHOICES.items()),
)


@dataclass(frozen=True, slots=True)
class _Required(Rule):
    """A result that must match. In person there usually is no result, so only a mismatch fails.

    The trace has the results that pass; the first of them is a match.
    """

    settings = (_SETTING,)

    result: ClassVar[str]
    match: ClassVar[str]
    summary: ClassVar[str]

    @classmethod
    def of(cls, normal: Mapping[str, Any], matching: int) -> Self | None:
        return cls() if cls.result in normal[_SETTING.key] else None

    def check(self, request: AuthorizationRequest) -> Ruling:
        found = getattr(request.verification, self.result) or None
        if request.card_presence == "present":
            passing = [self.match, "not_provided"]
            return Ruling(found is None or found in passing, found, passing)
        return Ruling(found == self.match, found, [self.match])

    @classmethod
    def for_staff(cls, check: Check, request: AuthorizationRequest) -> str:
        found = "not reported" if check.found is None else code_words(check.found)
        if len(check.limit) == 1:
            wanted = f"the policy requires {check.limit[0]}"
        elif check.passed:
            wanted = "not needed in person"
        else:
            wanted = "in person it may be missing, but not wrong"
        return f"{_CHOICES[cls.result]} result: {found}; {wanted}."

    def in_summary(self, beside: Sequence[Rule]) -> str:
        required = _all_required(beside)
        if required[0] != self:
            return ""
        return f"only with {all_of([rule.summary for rule in required])}"

    def warnings(self, beside: Sequence[Rule], limits: Sequence[LimitControl]) -> Iterator[Problem]:
        """Charges of stored cards, which rarely have these results."""
        presences, methods = rule_of(CardPresences, beside), rule_of(AuthorizationMethods, beside)
        is_open = (not presences or presences.lets("not_present")) and (
            not methods or methods.lets("online")
        )
        if is_open and _all_required(beside)[0] == self:
            yield Problem(
                (_SETTING.key,),
                "Subscription renewals and other charges to stored cards are declined: they hardly "
                "ever have a CVC, a postal code or 3-D Secure.",
            )


def _all_required(rules: Sequence[Rule]) -> list[_Required]:
    return [rule for rule in rules if isinstance(rule, _Required)]


@dataclass(frozen=True, slots=True)
class CvcRequired(_Required):
    """The security code printed on the card."""

    reason = DeclineReason.CVC_REQUIRED
    texts = ReasonTexts(
        "CVC required",
        "The policy requires a matching security code (CVC).",
        "The security code (CVC) was missing or did not match. Please check it and try again.",
    )
    asks = {"cvc": "CVC result"}
    result, match, summary = "cvc", "match", "a matching CVC"


@dataclass(frozen=True, slots=True)
class PostalCodeRequired(_Required):
    """The postal code of the billing address."""

    reason = DeclineReason.POSTAL_CODE_REQUIRED
    texts = ReasonTexts(
        "Postal code required",
        "The policy requires a matching postal code.",
        "The billing postal code was missing or did not match. Please check it and try again.",
    )
    asks = {"postal_code": "postal code result"}
    result, match, summary = "postal_code", "match", "a matching postal code"


@dataclass(frozen=True, slots=True)
class ThreeDSecureRequired(_Required):
    """3-D Secure authentication; an attempt is not enough."""

    reason = DeclineReason.THREE_D_SECURE_REQUIRED
    texts = ReasonTexts(
        "3-D Secure required",
        "The policy requires 3-D Secure authentication.",
        "This purchase was not confirmed with 3-D Secure. Please try again and confirm it when "
        "you are asked.",
    )
    asks = {"three_d_secure": "3-D Secure result"}
    result, match, summary = "three_d_secure", "authenticated", "3-D Secure"
