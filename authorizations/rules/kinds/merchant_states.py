"""The states, provinces or regions where a card may pay."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from authorizations.rules.basics.card_numbers import mask_text
from authorizations.rules.basics.fields import quoted
from authorizations.rules.basics.folding import folded
from authorizations.rules.basics.parsing import text
from authorizations.rules.decision.rule import FieldKind, ReasonTexts, Ruling, Section
from authorizations.rules.decision.values import Check, DeclineReason, Json
from authorizations.rules.kinds.lists import ListRule, limit_of, pair, words_of
from authorizations.rules.purchases.events import AuthorizationRequest

_text = text(100)


def _state(given: object) -> str:
    """Upper case with single spaces, as networks write it: "CA", "NEW SOUTH WALES"."""
    state = " ".join(mask_text(_text(given)).upper().split())
    if not folded(state):
        raise ValueError(f'Write a state as networks do, such as "CA"; {quoted(given)} is not one.')
    return state


@dataclass(frozen=True, slots=True)
class MerchantStates(ListRule):
    """States as in Stripe's merchant_data.state, a free text; compared as merchant names are.

    A state does not say which country it is in: "CA" is California, but also Cagliari.
    """

    states: frozenset[str]

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
        words_of(_state),
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
    def listing(cls, written: Sequence[str], matching: int, *, allows: bool) -> Self:
        limit = limit_of(written, allows=allows)
        return cls(allows, tuple(written), limit, frozenset(map(folded, written)))

    def check(self, request: AuthorizationRequest) -> Ruling:
        state = request.asked_at.state.strip()
        return Ruling((folded(state) in self.states) is self.allows, state or None, self.limit)

    @classmethod
    def entry_words(cls, entry: str) -> str:
        return entry

    @classmethod
    def found_words(cls, found: Json) -> str:
        return str(found)

    @classmethod
    def in_headline(cls, check: Check) -> str:
        return str(check.found)

    def summary_words(self) -> list[str]:
        return [*self.entries]
