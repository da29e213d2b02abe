"""What every life needs: somebody with a card, a clock, and a server that is asked.

A life is a generator of Stripe's events. What a server answered to a request is sent back in;
None where it gave no answer that Stripe could use, or where nothing was asked.
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
Told: TypeAlias = Generator[Json, bytes | None, str | None]
"""Events that return the name of the ending, where it is another than was drawn."""

MINUTE, HOUR, DAY = 60, 3_600, 86_400
_ANSWERED_WITHIN_SECONDS = 1


class Clock:
    """Unix seconds that only go forward; no pause takes longer than `longest_pause_seconds`.

    So a life of weeks is over in a minute, while what came later still has the later time.
    """

    def __init__(self, now: int, *, longest_pause_seconds: int | None = None) -> None:
        self.now = now
        self._longest = longest_pause_seconds

    def after(self, seconds: int) -> int:
        """The instant so many seconds on, and at least one."""
        pause = seconds if self._longest is None else min(seconds, self._longest)
        self.now += max(1, pause)
        return self.now


@dataclass(frozen=True, slots=True)
class Scene:
    """Who lives, and what their days are drawn from."""

    member: CardOf
    chance: Random
    clock: Clock

    @property
    def card(self) -> Json:
        return self.member.as_stripe_has_it(self.clock.now)

    def buys(self, *mccs: str) -> Purchase:
        """Something in a shop of one of these kinds."""
        kinds = mccs or shopping.EVERYDAY
        return shopping.purchase(self.member, self.chance, self.clock.now, kinds)

    def life_of(self, purchase: Purchase) -> Life:
        """Nobody has asked about it yet."""
        # Some accounts' events list balance transactions, others' none.
        balances = purchase.authorization_id[-1] < "M"
        return Life(purchase, self.card, chance=self.chance, balances=balances)

    def within(self, longest_seconds: int) -> int:
        """The instant after a drawn pause."""
        return self.clock.after(self.chance.randint(longest_seconds // 10, longest_seconds))

    def part(self, amount: int, least: float, most: float) -> int:
        """A drawn share of an amount, never nothing."""
        return max(1, round(amount * self.chance.uniform(least, most)))


def question(
    scene: Scene, life: Life, amount: int | None = None
) -> Generator[Json, bytes | None, bool]:
    """Stripe asks, does as it is told, and tells so; returns whether it was approved."""
    answer = heard((yield life.ask(amount, at=scene.clock.after(0))))
    at = scene.clock.after(_ANSWERED_WITHIN_SECONDS)
    if answer is None:
        message = "The response is not one that approves or declines."
        yield life.answered(approved=False, reason="webhook_error", reason_message=message, at=at)
        return False
    yield life.answered(approved=answer.approved, amount=answer.amount, at=at)
    return answer.approved


def heard(reply: bytes | None) -> Answer | None:
    """An answer as Stripe reads it; None where it says neither yes nor no."""
    try:
        return None if reply is None else Answer.of(reply)
    except ValueError:
        return None
