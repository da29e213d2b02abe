"""Delivers events as Stripe does: requests at once, others later, in any order, and some twice."""

from random import Random
from time import monotonic, sleep
from typing import NamedTuple

from authorizations.wire.events import AUTHORIZATION_REQUEST
from simulator.door import Door, UnansweredError
from simulator.lives import Step, Steps
from simulator.report_lives import LivesTally

_TWICE = 0.15
_WINDOW = 20
"""Maximum events that wait to be shuffled, so that those of several lives mix."""


class Pace:
    """Limits a loop to `rate` rounds a second; None for as fast as possible."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._started = monotonic()
        self._taken = 0

    def wait(self) -> None:
        """Wait until the next round is due."""
        if self._rate:
            sleep(max(0.0, self._started + self._taken / self._rate - monotonic()))
        self._taken += 1


class _Letter(NamedTuple):
    step: Step
    is_repeat: bool = False
    answered: bytes | None = None


class Post:
    """Delivers the events of lives; `chance` draws their order, and which are sent twice."""

    def __init__(
        self, door: Door, pace: Pace, chance: Random, *, out_of_order: bool, duplicates: bool
    ) -> None:
        self.tally = LivesTally()
        self._door = door
        self._pace = pace
        self._chance = chance
        self._window = _WINDOW if out_of_order else 0
        self._twice = _TWICE if duplicates else 0.0
        self._waiting: list[_Letter] = []

    def deliver(self, step: Step) -> bytes | None:
        """Deliver an event; returns the answer to a request, else None. Raises UnansweredError."""
        answer = None
        if step.kind == AUTHORIZATION_REQUEST:
            answer = self._send(_Letter(step))  # Stripe waits for it
        else:
            self._waiting.append(_Letter(step))
        if self._chance.random() < self._twice:
            self._waiting.append(_Letter(step, is_repeat=True, answered=answer))
        self._empty(down_to=self._window)
        return answer

    def play(self, steps: Steps) -> None:
        """Deliver a whole life. Raises UnansweredError."""
        answer: bytes | None = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as over:
                self.tally.endings[over.value] += 1
                return
            answer = self.deliver(step)

    def finish(self) -> None:
        """Deliver the events that still wait. Raises UnansweredError."""
        self._empty(down_to=0)

    def _empty(self, *, down_to: int) -> None:
        while len(self._waiting) > down_to:
            place = self._chance.randrange(len(self._waiting)) if self._window else 0
            self._send(self._waiting.pop(place))

    def _send(self, letter: _Letter) -> bytes | None:
        self._pace.wait()
        reply = self._door.deliver(letter.step.body)
        problem = self._door.refusal(reply) if reply.is_refusal else None
        if problem and not self.tally.sent:
            raise UnansweredError(problem)  # nor would any other be taken
        self.tally.add(letter.is_repeat, problem)
        if not problem and letter.answered not in (None, reply.body):
            self.tally.differing += 1
        return None if problem else reply.body
