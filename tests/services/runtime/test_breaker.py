"""When the database is no longer asked, and when again."""

import threading
from dataclasses import dataclass, field
from time import sleep

import pytest

from authorizations.services.runtime.breaker import GOOD_PROBES, MISSES, WITHIN_S, Breaker


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


BAD, GOOD = False, (True,) * GOOD_PROBES


def miss(breaker: Breaker, times: int = MISSES) -> None:
    """So many misses, and what the database was asked because of them."""
    for _ in range(times):
        breaker.miss()
    while breaker.is_probing:
        sleep(0.001)


def test_it_opens_where_a_probe_fails_after_three_misses_within_five_seconds(
    world: World,
) -> None:
    breaker = world.breaker(BAD, *GOOD)
    miss(breaker, MISSES - 1)
    assert (breaker.opened, len(world.answers)) == (0, 1 + GOOD_PROBES)
    miss(breaker, 1)
    assert world.closed.wait(10)
    assert breaker.opened == 1


def test_misses_of_a_database_that_answers_its_probe_do_not_open_it(world: World) -> None:
    breaker = world.breaker(True, True)
    miss(breaker)
    assert (breaker.opened, world.answers) == (0, [True])
    miss(breaker, MISSES - 1)  # counted from the probe on
    assert world.answers == [True]
    miss(breaker, 1)
    assert (breaker.opened, breaker.is_open, world.answers) == (0, False, [])


def test_misses_that_are_long_apart_ask_nothing(world: World) -> None:
    breaker = world.breaker()
    for _ in range(10):
        miss(breaker, 1)
        world.now += WITHIN_S / (MISSES - 1) + 0.1
    assert (breaker.is_open, breaker.opened) == (False, 0)


def test_it_closes_after_two_good_probes_in_a_row(world: World) -> None:
    breaker = world.breaker(BAD, False, True, False, *GOOD)
    miss(breaker)
    assert world.closed.wait(10)
    assert (breaker.is_open, world.answers, world.recoveries) == (False, [], 1)


def test_misses_while_it_probes_or_is_open_start_nothing_more(world: World) -> None:
    goes_on, held = threading.Event(), threading.Event()
    breaker = world.breaker(BAD, *GOOD)

    def probe() -> None:
        goes_on.wait(10)
        world.probe()

    def wait(_: float) -> None:
        held.wait(10)

    breaker.probe, breaker.pause = probe, wait
    for _ in range(MISSES * 3):
        breaker.miss()
    goes_on.set()
    miss(breaker)
    assert (breaker.is_open, breaker.opened) == (True, 1)
    held.set()
    assert world.closed.wait(10)
    assert world.answers == []


def test_it_can_open_again(world: World) -> None:
    breaker = world.breaker(BAD, *GOOD, BAD, *GOOD)
    for times in (1, 2):
        world.closed.clear()
        miss(breaker)
        assert world.closed.wait(10)
        assert breaker.opened == times


def test_a_recovery_that_fails_leaves_it_closed(world: World) -> None:
    breaker = world.breaker(BAD, *GOOD)

    def fail() -> None:
        world.recovered()
        raise RuntimeError

    breaker.recovered = fail
    miss(breaker)
    assert world.closed.wait(10)
    assert not breaker.is_open
