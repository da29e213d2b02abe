"""A sequence of authorization requests, as Stripe would send them.

Most are new purchases. Hotels and fuel pumps request increments on an authorization, whose history
then has the server's earlier answers; and some events are sent twice.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import TypeAlias

from simulator import shopping
from simulator.cast import CAST, CardOf, extras
from simulator.door import Answer
from simulator.stripe.sample_lives import Life
from simulator.stripe.samples import Purchase, identifier, request_event, to_bytes

Maker: TypeAlias = Callable[[Random, int], tuple[CardOf, Purchase]]
"""Makes a new purchase at an instant; returns it with its card."""

_INCREMENTS, _REPEATS = 0.15, 0.04
_MAX_REQUESTS = 4  # of one authorization
_MAX_REMEMBERED = 200


class Kind(StrEnum):
    PURCHASE = "new purchase"
    INCREMENT = "increment"
    REPEAT = "repeat"


@dataclass(frozen=True, slots=True)
class Question:
    """A request to send; `answered` is the earlier answer to a repeated one."""

    kind: Kind
    member: CardOf
    purchase: Purchase
    asked_at: int
    body: bytes
    answered: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Open:
    """An approved authorization whose shop may request an increment."""

    last: Question
    approved: int


def outcome_event(question: Question, answer: Answer) -> bytes:
    """The event that Stripe sends a second later, to the other endpoint, with the outcome."""
    purchase = question.purchase
    chance = Random(f"{purchase.authorization_id}/{len(purchase.history)}")  # noqa: S311
    life = Life(purchase, question.member.as_stripe_has_it(question.asked_at), chance=chance)
    at = question.asked_at + 1
    return to_bytes(life.answered(approved=answer.approved, amount=answer.amount, at=at))


class Street:
    """A sequence of requests. The same seed and answers give the same requests and ids."""

    def __init__(self, seed: str, maker: Maker, *, repeats: bool = True) -> None:
        self._seed = seed
        self._maker = maker
        self._repeats = repeats
        self._open: deque[_Open] = deque(maxlen=_MAX_REMEMBERED)
        self._sent: deque[tuple[Question, bytes]] = deque(maxlen=_MAX_REMEMBERED)

    def question(self, number: int, now: int) -> Question:
        """The request with this number in the sequence, from 0."""
        chance = Random(f"{self._seed}/{number}")  # noqa: S311 - nothing secret
        draw = chance.random()
        if self._repeats and self._sent and draw < _REPEATS:
            question, answered = chance.choice(self._sent)
            return replace(question, kind=Kind.REPEAT, answered=answered)
        if self._open and draw < _REPEATS + _INCREMENTS:
            index = chance.randrange(len(self._open))
            opened = self._open[index]
            del self._open[index]
            before = opened.last
            extra = shopping.additional_amount(before.purchase, chance)
            at = before.asked_at
            purchase = before.purchase.increment(extra, approved=opened.approved, at=at)
            event_id = identifier("evt", chance)
            return _question(Kind.INCREMENT, before.member, purchase, event_id, now)
        member, purchase = self._maker(chance, now - 1)
        return _question(Kind.PURCHASE, member, purchase, identifier("evt", chance), now)

    def hear(self, question: Question, answer: Answer) -> None:
        """Note an answer, which the history of later requests contains."""
        if question.kind is Kind.REPEAT:
            return
        self._sent.append((question, answer.body))
        purchase = question.purchase
        approved = (answer.amount or purchase.amount) if answer.approved else 0
        is_new = question.kind is Kind.PURCHASE
        may_grow = len(purchase.history) + 1 < _MAX_REQUESTS and shopping.grows(purchase)
        if may_grow and (approved or not is_new):
            self._open.append(_Open(question, approved))


def anybody(seed: str, strangers: int = 0) -> Maker:
    """Makes purchases with the demo's cards, and with this many unknown ones."""
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
