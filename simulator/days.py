"""Many lives at once, told in the order of time, as a busy program's webhook hears them."""

import heapq
import json
from collections.abc import Generator, Iterable

from simulator.lives import Step, Steps


def told_in_time(lives: Iterable[Steps], until: int) -> Generator[tuple[int, Step], bytes | None]:
    """Each event with its time in Unix seconds, up to `until`; send the server's answer back.

    What comes later is not told: those lives go on.
    """
    waiting: list[tuple[int, int, Step, Steps]] = []
    for place, life in enumerate(lives):
        _wait(waiting, place, life, None)
    while waiting:
        at, place, step, life = heapq.heappop(waiting)
        if at >= until:
            return
        reply = yield at, step
        _wait(waiting, place, life, reply)


def _wait(
    waiting: list[tuple[int, int, Step, Steps]], place: int, life: Steps, reply: bytes | None
) -> None:
    try:
        step = life.send(reply)
    except StopIteration:
        return
    heapq.heappush(waiting, (json.loads(step.body)["created"], place, step, life))
