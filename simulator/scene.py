"""What every life needs: a card and its holder, a clock, and requests to the server.

A life is a generator of Stripe's events. The server's answer to a request is sent back in; None for
other events, and if the answer is not one that Stripe could use.
"""

from collections.abc import Generator
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from simulator import shopping
from simulator.cast import CardOf
from simulator.door import Answer
from simulator.stripe.sample_lives import Life
from simulator.stripe.samples import Json, Purchase

Events: TypeAlias = Generator[Json, bytes | None, None]
EndingEvents: TypeAlias = Generator[Json, bytes | None, str | None]
"""Events that return the name of the ending if it is not the one that was drawn."""

MINUTE, HOUR, DAY = 60, 3_600, 86_400
_ANSWERED_WITHIN_SECONDS = 1


class Clock:
    """Unix seconds that only increase; no pause takes longer than `longest_pause_seconds`.

    So the events of weeks fit into a minute and stay in their order.
    """

    def __init__(self, now: int, *, longest_pause_seconds: int | None = None) -> None:
        self.now = now
        self._longest = longest_pause_seconds

    def after(self, seconds: int) -> int:
        """Advance by this many seconds, at least one; returns the time."""
        pause = seconds if self._longest is None else min(seconds, self._longest)
        self.now += max(1, pause)
        return self.now


@dataclass(frozen=True, slots=True)
class Scene:
    """The card of a life, the source of its random choices, and its clock."""

    member: CardOf
    chance: Random
    clock: Clock

    @property
    def card(self) -> Json:
        return self.member.as_stripe_has_it(self.clock.now)

    def buys(self, *mccs: str) -> Purchase:
        """A purchase in a shop with one of these MCCs."""
        kinds = mccs or shopping.EVERYDAY
        return shopping.purchase(self.member, self.chance, self.clock.now, kinds)

    def life_of(self, purchase: Purchase) -> Life:
        """The life of a purchase, before its first request."""
        # The events of some accounts list balance transactions.
        balances = purchase.authorization_id[-1] < "M"
        return Life(purchase, self.card, chance=self.chance, balances=balances)

    def within(self, longest_seconds: int) -> int:
        """Advance by a random pause up to this long; returns the time."""
        return self.clock.after(self.chance.randint(longest_seconds // 10, longest_seconds))

    def part(self, amount: int, least: float, most: float) -> int:
        """A random share of an amount, at least 1."""
        return max(1, round(amount * self.chance.uniform(least, most)))


def question(
    scene: Scene, life: Life, amount: int | None = None
) -> Generator[Json, bytes | None, bool]:
    """A request and the event of its outcome; returns whether it was approved."""
    answer = heard((yield life.ask(amount, at=scene.clock.after(0))))
    at = scene.clock.after(_ANSWERED_WITHIN_SECONDS)
    if answer is None:
        message = "The response is not one that approves or declines."
        yield life.answered(approved=False, reason="webhook_error", reason_message=message, at=at)
        return False
    yield life.answered(approved=answer.approved, amount=answer.amount, at=at)
    return answer.approved


def heard(reply: bytes | None) -> Answer | None:
    """An answer as Stripe reads it; None if it neither approves nor declines."""
    try:
        return None if reply is None else Answer.of(reply)
    except ValueError:
        return None
