"""The methods by which a card may pay: chip, keyed in and so on."""

from dataclasses import dataclass

from authorizations.rules.basics.parsing import one_of
from authorizations.rules.basics.words import code_title, code_words
from authorizations.rules.decision.rule import FieldKind, ReasonTexts, Section
from authorizations.rules.decision.values import Check, DeclineReason
from authorizations.rules.kinds.lists import WordsRule, pair, words_of
from authorizations.rules.purchases.events import AuthorizationRequest

AUTHORIZATION_METHODS = ("chip", "contactless", "keyed_in", "online", "swipe")
authorization_method = one_of("authorization method", AUTHORIZATION_METHODS)


@dataclass(frozen=True, slots=True)
class AuthorizationMethods(WordsRule):
    """Stripe's values of authorization_method."""

    reason = DeclineReason.AUTHORIZATION_METHOD_NOT_ALLOWED
    texts = ReasonTexts(
        "This way of paying not allowed",
        "The policy does not allow this authorization method.",
        "This card cannot be used in this way. Please try another way to pay with it.",
    )
    settings = pair(
        "authorization_methods",
        Section.HOW,
        FieldKind.CHOICES,
        words_of(authorization_method),
        code_title,
        labels=("Only by these methods", "Not by these methods"),
        nouns=("Method", "Methods"),
        choices=((method, code_title(method)) for method in AUTHORIZATION_METHODS),
    )
    asks = {"authorization_method": "authorization method"}
    filter_key, counts_unreported = "authorization_methods", True
    noun, plural = "Authorization method", "authorization methods"
    missing = "The authorization method was not reported"
    preposition = "by"

    @classmethod
    def subject(cls, request: AuthorizationRequest) -> str:
        return request.authorization_method

    @classmethod
    def in_headline(cls, check: Check) -> str:
        return code_words(check.found)
