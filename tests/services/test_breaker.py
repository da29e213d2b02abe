"""When the database is no longer asked, and when again."""

import threading
from dataclasses import dataclass, field

import pytest

from authorizations.services.breaker import GOOD_PROBES, MISSES, WITHIN_S, Breaker


@dataclass
class World:
    """A database that answers or not, and a clock that stands until it is moved."""

    answers: list[bool] = field(default_factory=list)
    now: float = 100.0
    recoveries: int = 0
    closed: threading.Event = field(default_factory=threading.Event)

    def probe(self) -> None:
        if not self.answers.pop(0):
            raise OSError

    def recovered(self) -> None:
        self.recoveries += 1
        self.closed.set()

    def breaker(self, *answers: bool) -> Breaker:
        self.answers = list(answers)
        self.closed.clear()
        return Breaker(self.probe, self.recovered, clock=lambda: self.now, pause=lambda _: None)


@pytest.fixture
def world() -> World:
    return World()


GOOD = (True,) * GOOD_PROBES


def test_it_opens_at_the_third_miss_within_five_seconds(world: World) -> None:
    breaker = world.breaker(*GOOD)
    for _ in range(MISSES - 1):
        breaker.miss()
    assert breaker.opened == 0
    breaker.miss()
    assert breaker.opened == 1


def test_misses_that_are_long_apart_do_not_open_it(world: World) -> None:
    breaker = world.breaker()
    for _ in range(10):
        breaker.miss()
        world.now += WITHIN_S / (MISSES - 1) + 0.1
    assert (breaker.is_open, breaker.opened) == (False, 0)


def test_it_closes_after_two_good_probes_in_a_row(world: World) -> None:
    breaker = world.breaker(False, True, False, *GOOD)
    for _ in range(MISSES):
        breaker.miss()
    assert world.closed.wait(10)
    assert (breaker.is_open, world.answers, world.recoveries) == (False, [], 1)


def test_misses_while_it_is_open_start_nothing_more(world: World) -> None:
    held = threading.Event()
    breaker = world.breaker(*GOOD)

    def wait(_: float) -> None:
        held.wait(10)

    breaker.pause = wait
    for _ in range(MISSES * 3):
        breaker.miss()
    assert (breaker.is_open, breaker.opened) == (True, 1)
    held.set()
    assert world.closed.wait(10)


def test_it_can_open_again(world: World) -> None:
    breaker = world.breaker(*GOOD, *GOOD)
    for times in (1, 2):
        world.closed.clear()
        for _ in range(MISSES):
            breaker.miss()
        assert world.closed.wait(10)
        assert breaker.opened == times


def test_a_recovery_that_fails_leaves_it_closed(world: World) -> None:
    def fail() -> None:
        world.recovered()
        raise RuntimeError

    breaker = world.breaker(*GOOD)
    breaker.recovered = fail
    for _ in range(MISSES):
        breaker.miss()
    assert world.closed.wait(10)
    assert not breaker.is_open
