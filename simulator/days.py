"""The events of many lives at once, in the order of time, as a busy webhook receives them."""

import heapq
import json
from collections.abc import Generator, Iterable
from contextlib import suppress

from simulator.lives import Step, Steps


def in_order_of_time(
    lives: Iterable[Steps], until: int
) -> Generator[tuple[int, Step], bytes | None]:
    """Yield each event before `until` with its time, in Unix seconds.

    Send the server's answer to an event back in. Later events are omitted: those lives go on.
    """
    waiting: list[tuple[int, int, Step, Steps]] = []

    def queue_next(number: int, life: Steps, reply: bytes | None) -> None:
        with suppress(StopIteration):
            step = life.send(reply)
            heapq.heappush(waiting, (json.loads(step.body)["created"], number, step, life))

    for number, life in enumerate(lives):
        queue_next(number, life, None)
    while waiting:
        at, number, step, life = heapq.heappop(waiting)
        if at >= until:
            return
        reply = yield at, step
        queue_next(number, life, reply)
