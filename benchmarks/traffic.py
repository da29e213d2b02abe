"""Prepared traffic: fresh, signed events over a set of cards."""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from authorizations.wire.signature import sign
from simulator.stripe import samples
from simulator.stripe.sample_lives import Life

GROUP = "Bench"
"""The card group that the cards of GROUPED are in."""


@dataclass(frozen=True)
class Cards:
    """Who pays: `count` cards named after `name`, each with its own cardholder or all with one."""

    name: str
    count: int
    one_holder: bool = False

    def ids(self) -> list[str]:
        return [f"ic_{self.name}{number}" for number in range(self.count)]

    def made(self, now: int) -> list[samples.Json]:
        return [self._card(number, card_id, now) for number, card_id in enumerate(self.ids())]

    def _card(self, number: int, card_id: str, now: int) -> samples.Json:
        holder_id = f"ich_{self.name}{0 if self.one_holder else number}"
        holder = samples.cardholder(cardholder_id=holder_id, name="Grace Hopper", created=now)
        return samples.card(card_id=card_id, holder=holder, created=now)


SPREAD = Cards("bench", 200)
HOT_CARD = Cards("hotcard", 1)
HOT_HOLDER = Cards("hotholder", 100, one_holder=True)
GROUPED = Cards("grouped", 100)


def requests(cards: Cards, count: int, seed: int, *, in_turn: bool = False) -> Iterator[str]:
    """Bodies of `count` requests of these cards; with `in_turn` one card after the other."""
    chance = Random(seed)
    now = int(time.time())
    made = cards.made(now)
    for place in range(count):
        event_id = samples.identifier("evt", chance)
        card = made[place % len(made)] if in_turn else chance.choice(made)
        event = samples.request_event(
            _purchase(chance, now), event_id=event_id, created=now, card=card
        )
        yield json.dumps(event)


def lives(cards: Cards, count: int, seed: int) -> list[list[str]]:
    """Bodies of whole purchases, each four events: the request, created, the capture's
    transaction, and the update that closes it.
    """
    chance = Random(seed)
    now = int(time.time())
    made = cards.made(now)
    lives = []
    for _ in range(count):
        life = Life(_purchase(chance, now), chance.choice(made), chance=chance)
        asked = life.ask(at=now)
        created = life.answered(approved=True, at=now)
        captured, closed = life.capture(at=now)
        lives.append([json.dumps(event) for event in (asked, created, captured, closed)])
    return lives


def _purchase(chance: Random, now: int) -> samples.Purchase:
    return samples.Purchase(
        authorization_id=samples.identifier("iauth", chance),
        created=now,
        amount=chance.randrange(100, 2_000),
        merchant=chance.choice(samples.MERCHANTS),
    )


def write(path: Path, secret: str, bodies: Iterable[str]) -> None:
    """Two lines each: the signature header and the body. They can be sent for five minutes."""
    now = int(time.time())
    with path.open("w") as lines:
        for body in bodies:
            lines.write(f"{sign(body.encode(), secret, now)}\n{body}\n")


def write_due(path: Path, secret: str, due: Iterable[tuple[float, str]]) -> None:
    """Three lines each: when it is due (ms after the start), the signature header, the body."""
    now = int(time.time())
    with path.open("w") as lines:
        for due_ms, body in due:
            lines.write(f"{due_ms}\n{sign(body.encode(), secret, now)}\n{body}\n")
