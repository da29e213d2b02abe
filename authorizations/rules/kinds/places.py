"""The base class of lists of states, cities or postal codes."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from authorizations.rules.basics.card_numbers import mask_text
from authorizations.rules.basics.fields import quoted
from authorizations.rules.basics.filters import Merchant
from authorizations.rules.basics.folding import folded
from authorizations.rules.basics.parsing import text
from authorizations.rules.decision.values import Check, Json
from authorizations.rules.kinds.lists import ListRule, ListSide
from authorizations.rules.purchases.events import AuthorizationRequest

_text = text(100)


def place(
    noun: str, example: str, compared: Callable[[str], str] = folded
) -> Callable[[object], str]:
    """Reads an entry of the list: upper case with single spaces, as networks write it.

    An entry of which nothing is left to be `compared` is refused.
    """

    def convert(given: object) -> str:
        written = " ".join(mask_text(_text(given)).upper().split())
        if not compared(written):
            raise ValueError(
                f'Write a {noun} as networks do, such as "{example}"; {quoted(given)} is not one.'
            )
        return written

    return convert


@dataclass(frozen=True, slots=True)
class PlaceRule(ListRule):
    """Free texts of Stripe's merchant_data, compared as merchant names are."""

    spares_exempt = True

    @classmethod
    def listing(cls, written: Sequence[str], matching: int, *, allows: bool) -> ListSide:
        return ListSide.of(written, frozenset(map(folded, written)), allows=allows)

    @classmethod
    def subject(cls, request: AuthorizationRequest) -> str:
        return cls.place_of(request.asked_at).strip()

    @classmethod
    def holds(cls, members: Any, subject: str) -> bool:
        return folded(subject) in members

    @classmethod
    @abstractmethod
    def place_of(cls, merchant: Merchant) -> str:
        """The place that the request reports; "" if none."""

    @classmethod
    def entry_words(cls, entry: str) -> str:
        return entry

    @classmethod
    def found_words(cls, found: Json) -> str:
        return str(found)

    @classmethod
    def in_headline(cls, check: Check) -> str:
        return str(check.found)

    @classmethod
    def summary_words(cls, entries: Sequence[str]) -> list[str]:
        return [*entries]
