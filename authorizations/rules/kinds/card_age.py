"""How long a card has to exist before it may pay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from authorizations.rules.basics.parsing import whole_number
from authorizations.rules.basics.words import ASK
from authorizations.rules.decision.rule import (
    FieldKind,
    ReasonTexts,
    Rule,
    Ruling,
    Section,
    Setting,
)
from authorizations.rules.decision.values import Check, DeclineReason
from authorizations.rules.purchases.events import AuthorizationRequest

_KEY = "minimum_card_age_days"
_DAY = 24 * 60 * 60
_DAYS = (1, 3650)
_days = whole_number(*_DAYS, "Give the card's age as a whole number of days, such as 30.")


def _days_words(days: int) -> str:
    return "1 day" if days == 1 else f"{days:,} days"


@dataclass(frozen=True, slots=True)
class CardAge(Rule):
    """`days` of 24 hours between the card's `created` and the event's; unreported, it fails.

    A trace has the card's `created`.
    """

    days: int

    reason = DeclineReason.CARD_TOO_NEW
    texts = ReasonTexts(
        "Card too new",
        "The card has not existed for as long as the policy requires.",
        f"This card is too new for this purchase. {ASK}",
    )
    settings = (
        Setting(
            _KEY,
            Section.WHEN,
            "Minimum age of the card, in days",
            FieldKind.WHOLE_NUMBER,
            lambda fields, key: fields.value(key, _days, None),
            _days_words,
            help="Since it was created at Stripe. A card that replaces another begins anew.",
            range=_DAYS,
        ),
    )
    asks = {"card_created": "date of the card"}

    @classmethod
    def of(cls, normal: Mapping[str, Any], matching: int) -> Self | None:
        return None if normal[_KEY] is None else cls(normal[_KEY])

    def check(self, request: AuthorizationRequest) -> Ruling:
        created = request.card.created
        is_old = created is not None and request.event_created - created >= self.days * _DAY
        return Ruling(is_old, created, self.days)

    @classmethod
    def for_staff(cls, check: Check, request: AuthorizationRequest) -> str:
        wanted = f"the policy requires at least {_days_words(check.limit)}"
        if check.found is None:
            return f"When the card was created was not reported; {wanted}."
        days = (request.event_created - check.found) // _DAY
        age = _days_words(days) if days > 0 else "less than a day"
        return f"The card was {age} old; {wanted}."

    def in_summary(self, beside: Sequence[Rule]) -> str:
        return f"only cards that are at least {_days_words(self.days)} old"
