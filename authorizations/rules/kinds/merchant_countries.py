"""The countries where a card may pay."""

from collections.abc import Sequence
from dataclasses import dataclass

from authorizations.rules.basics.parsing import country
from authorizations.rules.basics.words import country_words
from authorizations.rules.decision.rule import FieldKind, ReasonTexts, Section
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
    filter_key = "countries"

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
