"""The cities where a card may pay."""

from dataclasses import dataclass

from authorizations.rules.basics.filters import Merchant
from authorizations.rules.decision.rule import FieldKind, ReasonTexts, Section
from authorizations.rules.decision.values import DeclineReason
from authorizations.rules.kinds.lists import pair, words_of
from authorizations.rules.kinds.places import PlaceRule, place


@dataclass(frozen=True, slots=True)
class MerchantCities(PlaceRule):
    """Cities as in Stripe's merchant_data.city.

    A merchant writes its city as it likes: "PARIS", "PARIS 18", and online often a telephone
    number or a website.
    """

    reason = DeclineReason.MERCHANT_CITY_NOT_ALLOWED
    texts = ReasonTexts(
        "Merchant city not allowed",
        "The policy does not allow the merchant's city.",
        "This card cannot be used with merchants in this city.",
    )
    settings = pair(
        "merchant_cities",
        Section.WHERE,
        FieldKind.FREE_WORDS,
        words_of(place("city", "PARIS")),
        str,
        labels=("Only these cities", "Not these cities"),
        nouns=("City", "Cities"),
        help="The whole name, as purchases have it, such as PARIS. Choose the country as well: two "
        "countries can have a city of the same name.",
    )
    asks = {"city": "merchant city"}
    noun, plural = "Merchant city", "cities"
    missing = "The merchant's city was not reported"
    preposition = "in the cities"

    @classmethod
    def place_of(cls, merchant: Merchant) -> str:
        return merchant.city
