"""A street full of shoppers: one question after the other, as Stripe would ask them.

Most are new purchases. Hotels and fuel pumps ask again for more on the same authorization, whose
history then tells what the server answered before; and now and then an event comes twice.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TypeAlias

from simulator import shopping
from simulator.cast import CAST, CardOf, extras
from simulator.door import Answer
from simulator.stripe.sample_lives import Life
from simulator.stripe.samples import Purchase, identifier, request_event, to_bytes

Maker: TypeAlias = Callable[[Random, int], tuple[CardOf, Purchase]]
"""Makes a new purchase at an instant, and says whose."""

_INCREMENTS, _REPEATS = 0.15, 0.04
_MOST_REQUESTS = 4  # of one authorization
_REMEMBERED = 200


class Kind(StrEnum):
    PURCHASE = "new purchase"
    INCREMENT = "increment"
    REPEAT = "repeat"


@dataclass(frozen=True, slots=True)
class Question:
    """One event to send; `answered` is what a repeated one was answered with before."""

    kind: Kind
    member: CardOf
    purchase: Purchase
    asked_at: int
    body: bytes
    answered: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Open:
    """An approved authorization whose shop may ask for more."""

    last: Question
    approved: int


def told_afterwards(question: Question, answer: Answer) -> bytes:
    """What Stripe tells a second later, at its other endpoint: what became of the question."""
    purchase = question.purchase
    chance = Random(f"{purchase.authorization_id}/{len(purchase.history)}")  # noqa: S311
    life = Life(purchase, question.member.as_stripe_has_it(question.asked_at), chance=chance)
    at = question.asked_at + 1
    return to_bytes(life.answered(approved=answer.approved, amount=answer.amount, at=at))


class Street:
    """The same seed gives the same questions with the same ids, as far as answers allow."""

    def __init__(self, seed: str, maker: Maker, *, repeats: bool = True) -> None:
        self._seed = seed
        self._maker = maker
        self._repeats = repeats
        self._open: deque[_Open] = deque(maxlen=_REMEMBERED)
        self._sent: deque[tuple[Question, bytes]] = deque(maxlen=_REMEMBERED)

    def question(self, place: int, now: int) -> Question:
        """The question in this place of the sequence, from 0."""
        chance = Random(f"{self._seed}/{place}")  # noqa: S311 - nothing secret
        draw = chance.random()
        if self._repeats and self._sent and draw < _REPEATS:
            return self._again(chance)
        if self._open and draw < _REPEATS + _INCREMENTS:
            return self._more(chance, now)
        member, purchase = self._maker(chance, now - 1)
        return _question(Kind.PURCHASE, member, purchase, identifier("evt", chance), now)

    def hear(self, question: Question, answer: Answer) -> None:
        """Take note of an answer: later questions tell of it."""
        if question.kind is Kind.REPEAT:
            return
        self._sent.append((question, answer.body))
        purchase = question.purchase
        approved = (answer.amount or purchase.amount) if answer.approved else 0
        is_new = question.kind is Kind.PURCHASE
        asks_more = len(purchase.history) + 1 < _MOST_REQUESTS and shopping.grows(purchase)
        if asks_more and (approved or not is_new):
            self._open.append(_Open(question, approved))

    def _again(self, chance: Random) -> Question:
        question, answered = chance.choice(self._sent)
        return Question(
            Kind.REPEAT,
            question.member,
            question.purchase,
            question.asked_at,
            question.body,
            answered,
        )

    def _more(self, chance: Random, now: int) -> Question:
        place = chance.randrange(len(self._open))
        opened = self._open[place]
        del self._open[place]
        before = opened.last
        extra = shopping.additional_amount(before.purchase, chance)
        at = before.asked_at
        purchase = before.purchase.increment(extra, approved=opened.approved, at=at)
        event_id = identifier("evt", chance)
        return _question(Kind.INCREMENT, before.member, purchase, event_id, now)


def anybody(seed: str, strangers: int = 0) -> Maker:
    """Purchases of the cast, and of so many cards that nobody has heard of."""
    chance = Random(seed)  # noqa: S311 - nothing secret
    members = [*CAST, *extras(strangers, chance)]

    def make(chance: Random, at: int) -> tuple[CardOf, Purchase]:
        member = chance.choice(members)
        return member, shopping.purchase(member, chance, at)

    return make


def _question(kind: Kind, member: CardOf, purchase: Purchase, event_id: str, now: int) -> Question:
    card = member.as_stripe_has_it(now)
    event = request_event(purchase, event_id=event_id, created=now, card=card)
    return Question(kind, member, purchase, now, to_bytes(event))
