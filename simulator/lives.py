"""Whole lives of purchases, from the first request to the last transaction, as event bodies.

A life is a generator; its events are delivered over HTTP, in a load test, or as demo data.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import NamedTuple, TypeAlias

from simulator import endings, overruled, shopping
from simulator.cast import CardOf
from simulator.scene import Clock, EndingEvents, Events, Scene, question
from simulator.stripe.sample_lives import Life
from simulator.stripe.samples import to_bytes

DECLINED = "declined"
"""The ending of a life whose request was declined, with any ending drawn."""


class Step(NamedTuple):
    """One event: its type as Stripe names it, and the body to deliver."""

    kind: str
    body: bytes


Steps: TypeAlias = Generator[Step, bytes | None, str]
"""Send the body of the server's answer to each step, or None; returns the ending's name."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a life ends: its label in tables, and its weight among the endings."""

    words: str
    weight: int
    play: Callable[[Scene], EndingEvents | Events]


def life(chance: Random, mix: Mapping[str, int], members: Sequence[CardOf], clock: Clock) -> Steps:
    """A life with a card among `members`, its ending drawn from `mix` (name to weight)."""
    name = chance.choices(list(mix), list(mix.values()))[0]
    events = ENDINGS[name].play(Scene(chance.choice(members), chance, clock))
    reply: bytes | None = None
    while True:
        try:
            event = events.send(reply)
        except StopIteration as over:
            return over.value or name
        reply = yield Step(event["type"], to_bytes(event))


def _approved(then: Callable[[Scene, Life], Events], *mccs: str) -> Callable[[Scene], EndingEvents]:
    """A purchase in a shop with one of these MCCs, which continues with `then` if approved."""

    def play(scene: Scene) -> EndingEvents:
        life = scene.life_of(scene.buys(*mccs))
        if not (yield from question(scene, life)):
            return DECLINED
        yield from then(scene, life)
        return None

    return play


def _verified(scene: Scene) -> EndingEvents:
    """A request over 0, by which a shop verifies the card."""
    purchase = replace(scene.buys(), amount=0, cashback=None)
    approved = yield from question(scene, scene.life_of(purchase))
    return None if approved else DECLINED


ENDINGS: Mapping[str, Ending] = {
    "capture": Ending("Captured in full", 40, _approved(endings.captured)),
    "partial_capture": Ending("Captured in part, closed", 4, _approved(endings.captured_in_part)),
    "several_captures": Ending("Captured in turns", 4, _approved(endings.captured_in_turns)),
    "tip": Ending(
        "Captured with a tip on top", 8, _approved(endings.tipped, *shopping.RESTAURANTS)
    ),
    "increments": Ending(
        "Grown, then captured", 6, _approved(endings.grown, *shopping.HOTELS_AND_RENTALS)
    ),
    "partial_reversal": Ending("Reversed in part", 4, _approved(endings.reversed_in_part)),
    "void": Ending("Voided", 6, _approved(endings.voided)),
    "lowered": Ending("Lowered to 0, raised again", 1, _approved(endings.lowered_and_raised)),
    "expiry": Ending("Expired", 3, _approved(endings.expired)),
    "late_capture": Ending("Captured after its expiry", 2, _approved(endings.captured_late)),
    "forgotten": Ending(
        "Approved, then nothing is heard", 1, _approved(endings.forgotten, shopping.BAKERY)
    ),
    "refund": Ending("Captured, refunded", 4, _approved(endings.refunded)),
    "fuel": Ending("Fuel from a pump", 5, _approved(endings.fuelled, shopping.FUEL_PUMP)),
    "cash": Ending(
        "Cash withdrawn",
        4,
        _approved(endings.captured, shopping.CASH_MACHINE, shopping.MANUAL_CASH),
    ),
    "verification": Ending("Verified with amount 0", 2, _verified),
    "declined_capture": Ending("Captured though declined", 2, overruled.captured_though_declined),
    "force_capture": Ending("Captured without asking", 2, overruled.captured_unasked),
    "unlinked_refund": Ending("Refund of nothing known", 2, overruled.refunded_unlinked),
    "stripe_decline": Ending("Declined by Stripe alone", 3, overruled.declined_by_stripe),
    "card_active": Ending("Approved by Stripe alone", 2, overruled.approved_by_stripe),
    "webhook_timeout": Ending("Our answer came too late", 2, overruled.too_late),
    "webhook_error": Ending("Our answer was not understood", 1, overruled.not_understood),
    "network_fallback": Ending("Overruled by the network", 2, overruled.decided_by_network),
}
"""The endings by name, as used in a mix."""
