"""The states, provinces or regions where a card may pay."""

from dataclasses import dataclass

from authorizations.rules.basics.filters import Merchant
from authorizations.rules.decision.rule import FieldKind, ReasonTexts, Section
from authorizations.rules.decision.values import DeclineReason
from authorizations.rules.kinds.lists import pair, words_of
from authorizations.rules.kinds.places import PlaceRule, place


@dataclass(frozen=True, slots=True)
class MerchantStates(PlaceRule):
    """States as in Stripe's merchant_data.state.

    A state does not say which country it is in: "CA" is California, but also Cagliari.
    """

    reason = DeclineReason.MERCHANT_STATE_NOT_ALLOWED
    texts = ReasonTexts(
        "Merchant state not allowed",
        "The policy does not allow the merchant's state.",
        "This card cannot be used with merchants in this state or region.",
    )
    settings = pair(
        "merchant_states",
        Section.WHERE,
        FieldKind.FREE_WORDS,
        words_of(place("state", "CA")),
        str,
        labels=("Only these states", "Not these states"),
        nouns=("State", "States"),
        help="As purchases have them, such as CA. Choose the country as well: two countries can "
        "have a state of the same name.",
    )
    asks = {"state": "merchant state"}
    noun, plural = "Merchant state", "states"
    missing = "The merchant's state was not reported"
    preposition = "in the states"

    @classmethod
    def place_of(cls, merchant: Merchant) -> str:
        return merchant.state
