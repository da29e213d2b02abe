"""The wallets that a card must be used through."""

from dataclasses import dataclass

from authorizations.rules.basics.parsing import one_of
from authorizations.rules.basics.words import code_title, code_words
from authorizations.rules.decision.rule import FieldKind, ReasonTexts, Section, Setting
from authorizations.rules.decision.values import Check, DeclineReason
from authorizations.rules.kinds.lists import WordsRule, words_of
from authorizations.rules.purchases.events import AuthorizationRequest

_WALLETS = ("apple_pay", "google_pay", "samsung_pay")


@dataclass(frozen=True, slots=True)
class Wallets(WordsRule):
    """The allowed wallets; a purchase without a wallet fails."""

    reason = DeclineReason.WALLET_NOT_ALLOWED
    texts = ReasonTexts(
        "Wallet not allowed",
        "The policy allows certain wallets only.",
        "This card can only be used through certain mobile wallets. Please try another way to "
        "pay with it.",
    )
    settings = (
        Setting(
            "allowed_wallets",
            Section.HOW,
            "Only with these wallets",
            FieldKind.CHOICES,
            words_of(one_of("wallet", _WALLETS)),
            code_title,
            help="When set, the card pays through these wallets only.",
            nouns=("Wallet", "Wallets"),
            choices=tuple((wallet, code_title(wallet)) for wallet in _WALLETS),
        ),
    )
    asks = {"wallet": "wallet"}
    noun, plural = "Wallet", "wallets"
    missing = "No wallet was used"
    preposition = "with"

    @classmethod
    def word_of(cls, request: AuthorizationRequest) -> str:
        return request.wallet or ""

    @classmethod
    def in_headline(cls, check: Check) -> str:
        return code_words(check.found)
