"""Whether a card may pay in person or remotely."""

from collections.abc import Sequence
from dataclasses import dataclass

from authorizations.rules.basics.parsing import one_of
from authorizations.rules.basics.words import code_title, code_words, presence_words
from authorizations.rules.decision.rule import FieldKind, ReasonTexts, Section
from authorizations.rules.decision.values import Check, DeclineReason
from authorizations.rules.kinds.lists import WordsRule, pair, words_of
from authorizations.rules.purchases.events import AuthorizationRequest

CARD_PRESENCES = {"present": "Present, in person", "not_present": "Not present, such as online"}
card_presence = one_of("card presence", CARD_PRESENCES)
_FOR_CARDHOLDER = {
    "present": "This card cannot be used in person. Please pay another way.",
    "not_present": "This card cannot be used online, by phone or by mail. Please pay another way.",
}


@dataclass(frozen=True, slots=True)
class CardPresences(WordsRule):
    """Some of "present" and "not_present"."""

    reason = DeclineReason.CARD_PRESENCE_NOT_ALLOWED
    texts = ReasonTexts(
        "Online or in person not allowed",
        "The policy does not allow this card presence.",
        "This card cannot be used in this way. Please pay another way.",
    )
    settings = pair(
        "card_presences",
        Section.HOW,
        FieldKind.CHOICES,
        words_of(card_presence),
        code_title,
        labels=("Only when the card is", "Not when the card is"),
        nouns=("Entry", "Entries"),
        choices=CARD_PRESENCES.items(),
    )
    asks = {"card_presence": "card presence"}
    filter_key, counts_unreported = "card_presences", True
    noun, plural = "Card presence", "card presences"
    missing = "Whether the card was present was not reported"

    @classmethod
    def subject(cls, request: AuthorizationRequest) -> str:
        return request.card_presence or ""

    @classmethod
    def for_cardholder(cls, request: AuthorizationRequest) -> str:
        return _FOR_CARDHOLDER.get(cls.subject(request), cls.texts.cardholder)

    @classmethod
    def in_headline(cls, check: Check) -> str:
        return code_words(check.found)

    @classmethod
    def summary_words(cls, entries: Sequence[str]) -> list[str]:
        return presence_words(entries)
