"""Which facts of the merchant a purchase has to report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from authorizations.rules.basics.parsing import one_of
from authorizations.rules.basics.words import all_of
from authorizations.rules.decision.rule import (
    FieldKind,
    ReasonTexts,
    Rule,
    Ruling,
    Section,
    Setting,
)
from authorizations.rules.decision.values import Check, DeclineReason
from authorizations.rules.kinds.categories import Categories
from authorizations.rules.kinds.lists import ListRule, words_of
from authorizations.rules.kinds.merchant_countries import MerchantCountries
from authorizations.rules.purchases.events import AuthorizationRequest

_CHOICES = {"category": "Merchant category", "country": "Merchant country"}
_SETTING = Setting(
    "required_merchant_data",
    Section.WHERE,
    "Must be reported",
    FieldKind.CHOICES,
    words_of(one_of("fact of the merchant", _CHOICES)),
    _CHOICES.__getitem__,
    help="Purchases that do not report it are declined. A list of blocked ones lets them pass.",
    nouns=("Fact", "Facts"),
    choices=tuple(_CHOICES.items()),
)


@dataclass(frozen=True, slots=True)
class _FactRequired(Rule):
    """A fact that must be reported, whatever it is; `listed` are the rules that judge it."""

    settings = (_SETTING,)
    spares_exempt = True

    fact: ClassVar[str]
    listed: ClassVar[type[ListRule]]

    @classmethod
    def of(cls, normal: Mapping[str, Any], matching: int) -> Self | None:
        return cls() if cls.fact in normal[_SETTING.key] else None

    def check(self, request: AuthorizationRequest) -> Ruling:
        found = self.listed.found(self.listed.subject(request))
        return Ruling(found is not None, found, None)

    @classmethod
    def for_staff(cls, check: Check, request: AuthorizationRequest) -> str:
        if check.found is None:
            return f"{cls.listed.missing}, and the policy requires it."
        return f"{cls.listed.noun} {cls.listed.found_words(check.found)} was reported."

    def in_summary(self, beside: Sequence[Rule]) -> str:
        required = [rule for rule in beside if isinstance(rule, _FactRequired)]
        if required[0] != self:
            return ""
        facts = all_of([f"its {rule.fact}" for rule in required[::-1]])
        return f"only if the merchant reports {facts}"


@dataclass(frozen=True, slots=True)
class MerchantCountryRequired(_FactRequired):
    """The merchant's country."""

    reason = DeclineReason.MERCHANT_COUNTRY_REQUIRED
    texts = ReasonTexts(
        "Merchant country not reported",
        "The policy requires that the merchant's country is reported.",
        "This merchant does not say which country it is in. Please pay another way.",
    )
    asks = MerchantCountries.asks
    fact, listed = "country", MerchantCountries


@dataclass(frozen=True, slots=True)
class CategoryRequired(_FactRequired):
    """The merchant's category, by name or by code."""

    reason = DeclineReason.CATEGORY_REQUIRED
    texts = ReasonTexts(
        "Merchant category not reported",
        "The policy requires that the merchant's category is reported.",
        "This merchant does not say what kind of merchant it is. Please pay another way.",
    )
    asks = Categories.asks
    fact, listed = "category", Categories
