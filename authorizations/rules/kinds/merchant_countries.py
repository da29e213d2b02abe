"""The countries where a card may pay."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from authorizations.rules.basics.controls import LimitControl
from authorizations.rules.basics.fields import Problem
from authorizations.rules.basics.parsing import country
from authorizations.rules.basics.words import country_words
from authorizations.rules.decision.rule import FieldKind, ReasonTexts, Rule, Section
from authorizations.rules.decision.values import Check, DeclineReason, Json
from authorizations.rules.kinds.lists import WordsRule, pair, words_of
from authorizations.rules.purchases.events import AuthorizationRequest


@dataclass(frozen=True, slots=True)
class MerchantCountries(WordsRule):
    """Upper-case ISO codes."""

    reason = DeclineReason.MERCHANT_COUNTRY_NOT_ALLOWED
    texts = ReasonTexts(
        "Merchant country not allowed",
        "The policy does not allow the merchant's country.",
        "This card cannot be used with merchants in this country.",
    )
    settings = pair(
        "merchant_countries",
        Section.WHERE,
        FieldKind.COUNTRIES,
        words_of(country),
        lambda code: f"{country_words(code)} ({code})",
        labels=("Only these countries", "Not these countries"),
        nouns=("Country", "Countries"),
    )
    asks = {"country": "merchant country"}
    spares_exempt = True
    noun, plural = "Merchant country", "countries"
    missing = "The merchant's country was not reported"
    preposition = "in"

    @classmethod
    def subject(cls, request: AuthorizationRequest) -> str:
        return request.asked_at.country

    @classmethod
    def entry_words(cls, entry: str) -> str:
        return entry

    @classmethod
    def found_words(cls, found: Json) -> str:
        return str(found)

    @classmethod
    def for_cardholder(cls, request: AuthorizationRequest) -> str:
        if not request.asked_at.country:
            return cls.texts.cardholder
        return f"This card cannot be used with merchants in {country_words(cls.subject(request))}."

    @classmethod
    def in_headline(cls, check: Check) -> str:
        return country_words(check.found)

    @classmethod
    def summary_words(cls, entries: Sequence[str]) -> list[str]:
        return sorted(map(country_words, entries))

    def warnings(self, beside: Sequence[Rule], limits: Sequence[LimitControl]) -> Iterator[Problem]:
        """Countries on both lists, and limits on those that the policy does not allow anyway."""
        yield from WordsRule.warnings(self, beside, limits)
        allowed: frozenset[str] = next((it.members for it in self.lists if it.allows), frozenset())
        for place, limit in enumerate(limits):
            concern, left_out = limit.filter, limit.filter.except_countries
            countries = concern.countries or (left_out and allowed)
            if not countries or concern.all_left_out:
                continue
            if any(self.lets(it) and it not in left_out for it in countries):
                continue
            key, message = "countries", "the policy allows none of its countries."
            if not concern.countries:
                key = "except_countries"
                message = "it leaves out all countries that the policy allows."
            yield Problem(("spending_limits", place, key), f"This limit has no effect: {message}")
