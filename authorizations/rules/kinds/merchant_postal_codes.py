"""The postal codes where a card may pay."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from authorizations.rules.basics.filters import Merchant
from authorizations.rules.basics.folding import folded
from authorizations.rules.decision.rule import FieldKind, ReasonTexts, Section
from authorizations.rules.decision.values import DeclineReason
from authorizations.rules.kinds.lists import ListSide, pair, words_of
from authorizations.rules.kinds.places import PlaceRule, place

_REST = "*"
"""At the end of an entry it stands for the rest of the code, or for nothing."""


def _compared(code: str) -> str:
    """Without spaces and hyphens: "SW1A 1AA" is also written "SW1A1AA", "94107-1234" as digits."""
    return folded(code).replace(" ", "").replace("-", "")


def _entry(given: object) -> str:
    code = _place(given)
    if _REST in code.removesuffix(_REST):
        raise ValueError('Write * only at the end, such as "75*" for all codes that begin with 75.')
    return code


_place = place("postal code", "94107", lambda code: _compared(code.removesuffix(_REST)))


class PostalCodes(NamedTuple):
    """The codes of a list, as they are compared."""

    whole: frozenset[str]
    beginnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MerchantPostalCodes(PlaceRule):
    """Postal codes as in Stripe's merchant_data.postal_code, whole or by how they begin."""

    reason = DeclineReason.MERCHANT_POSTAL_CODE_NOT_ALLOWED
    texts = ReasonTexts(
        "Merchant postal code not allowed",
        "The policy does not allow the merchant's postal code.",
        "This card cannot be used with merchants in this area.",
    )
    settings = pair(
        "merchant_postal_codes",
        Section.WHERE,
        FieldKind.FREE_WORDS,
        words_of(_entry),
        str,
        labels=("Only these postal codes", "Not these postal codes"),
        nouns=("Postal code", "Postal codes"),
        help="Such as 94107, or 75* for all that begin with 75. American codes can have four more "
        "digits: 94107* has them too. Choose the country as well.",
    )
    asks = {"merchant_postal_code": "merchant postal code"}
    noun, plural = "Merchant postal code", "postal codes"
    missing = "The merchant's postal code was not reported"
    preposition = "in the postal codes"

    @classmethod
    def listing(cls, written: Sequence[str], matching: int, *, allows: bool) -> ListSide:
        whole = frozenset(_compared(code) for code in written if not code.endswith(_REST))
        parts = [code.removesuffix(_REST) for code in written if code.endswith(_REST)]
        codes = PostalCodes(whole, tuple(map(_compared, parts)))
        return ListSide.of(written, codes, allows=allows)

    @classmethod
    def holds(cls, members: PostalCodes, subject: str) -> bool:
        code = _compared(subject)
        return code in members.whole or code.startswith(members.beginnings)

    @classmethod
    def place_of(cls, merchant: Merchant) -> str:
        return merchant.postal_code
