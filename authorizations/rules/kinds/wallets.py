"""The wallets through which a card may pay."""

from dataclasses import dataclass

from authorizations.rules.basics.parsing import one_of
from authorizations.rules.basics.words import code_title, code_words
from authorizations.rules.decision.rule import FieldKind, ReasonTexts, Section
from authorizations.rules.decision.values import Check, DeclineReason
from authorizations.rules.kinds.lists import WordsRule, pair, words_of
from authorizations.rules.purchases.events import AuthorizationRequest

_WALLETS = ("apple_pay", "google_pay", "samsung_pay")


@dataclass(frozen=True, slots=True)
class Wallets(WordsRule):
    """Stripe's values of wallet; a purchase without a wallet is on no list."""

    reason = DeclineReason.WALLET_NOT_ALLOWED
    texts = ReasonTexts(
        "Wallet not allowed",
        "The policy does not allow this wallet, or allows certain wallets only.",
        "This card can only be used through certain mobile wallets. Please try another way to "
        "pay with it.",
    )
    settings = pair(
        "wallets",
        Section.HOW,
        FieldKind.CHOICES,
        words_of(one_of("wallet", _WALLETS)),
        code_title,
        labels=("Only with these wallets", "Not with these wallets"),
        nouns=("Wallet", "Wallets"),
        help="When set, the card pays through these wallets only.",
        choices=((wallet, code_title(wallet)) for wallet in _WALLETS),
    )
    asks = {"wallet": "wallet"}
    noun, plural = "Wallet", "wallets"
    missing = "No wallet was used"
    preposition = "with"

    @classmethod
    def subject(cls, request: AuthorizationRequest) -> str:
        return request.wallet or ""

    @classmethod
    def for_cardholder(cls, request: AuthorizationRequest) -> str:
        if not request.wallet:
            return cls.texts.cardholder
        through = code_words(request.wallet)
        return f"This card cannot be used through {through}. Please pay with it another way."

    @classmethod
    def in_headline(cls, check: Check) -> str:
        return code_words(check.found)
