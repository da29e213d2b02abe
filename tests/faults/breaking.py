"""Ways to break something until `Stage.over` is set; `World.heal` puts all of it right."""

import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import Random

from tests.faults.database import send
from tests.faults.flags import HANGS
from tests.faults.proxy import COMMITTED
from tests.faults.shoppers import Shoppers
from tests.faults.world import WORKERS, World, wait_until


@dataclass(frozen=True)
class Stage:
    """What a fault works with: `over` is set when it is to end."""

    world: World
    shoppers: Shoppers
    chance: Random
    over: threading.Event
    seconds: float

    def wait(self, seconds: float) -> bool:
        """Whether it is over; waits no longer than that."""
        return self.over.wait(seconds)


def nothing(stage: Stage) -> None:
    stage.wait(stage.seconds)


# --- the database


def stopped(how: signal.Signals) -> Callable[[Stage], None]:
    def play(stage: Stage) -> None:
        stage.world.database.stop(how)
        stage.wait(stage.seconds)
        if how == signal.SIGTERM:  # waits for its clients for ever
            stage.world.database.stop(signal.SIGINT)
        stage.world.database.wait_until_gone()

    return play


def restarted(stage: Stage) -> None:
    while not stage.wait(stage.seconds / 4):
        stage.world.database.stop(signal.SIGINT)
        stage.world.database.wait_until_gone()
        stage.world.database.start()


def frozen(stage: Stage) -> None:
    stage.world.database.freeze()
    stage.wait(stage.seconds)


def frozen_for_moments(stage: Stage) -> None:
    """Around the deadline: some answers are a little too late, some not."""
    while not stage.over.is_set():
        stage.world.database.freeze()
        stage.wait(stage.chance.uniform(0.4, 1.1))
        stage.world.database.thaw()
        stage.wait(stage.chance.uniform(0.2, 1.0))


def killed(stage: Stage) -> None:
    for pid in reversed(stage.world.database.pids()):
        send(pid, signal.SIGKILL)
    stage.world.database.wait_until_gone()
    stage.wait(stage.seconds)


def postmaster_killed(stage: Stage) -> None:
    send(stage.world.database.pids()[0], signal.SIGKILL)
    stage.world.database.wait_until_gone()
    stage.wait(stage.seconds)


def backends_ended(how: signal.Signals, times: int) -> Callable[[Stage], None]:
    def play(stage: Stage) -> None:
        while not stage.wait(stage.seconds / times):
            if found := stage.world.database.backends():
                send(stage.chance.choice(found), how)

    return play


# --- the wire


def wire(**how: object) -> Callable[[Stage], None]:
    def play(stage: Stage) -> None:
        for name, value in how.items():
            setattr(stage.world.proxy, name, value)
        stage.wait(stage.seconds)

    return play


def wire_resets(stage: Stage) -> None:
    while not stage.wait(stage.chance.uniform(0.1, stage.seconds / 4)):
        stage.world.proxy.reset()


def wire_refuses(stage: Stage) -> None:
    stage.world.proxy.is_refusing = True
    stage.world.proxy.reset()
    stage.wait(stage.seconds)


def commit_reply_cut(stage: Stage) -> None:
    """At every byte in turn, with time between for the desk to recover."""
    proxy = stage.world.proxy
    places = list(range(len(COMMITTED) + 1))
    stage.chance.shuffle(places)
    for place in places:
        cuts, proxy.cut_reply_at = proxy.cuts, place
        wait_until(partial(_is_cut, stage, cuts))  # each, even where that takes longer
        stage.wait(stage.seconds / len(places) / 2)


def _is_cut(stage: Stage, before: int) -> bool:
    return stage.world.proxy.cuts > before


def commit_dropped(stage: Stage) -> None:
    proxy = stage.world.proxy
    while not stage.wait(stage.seconds / 10):
        proxy.drops_commit = True


# --- the spool's disk; the database is away as well, or nobody would ask the spool


def disk_full(stage: Stage) -> None:
    stage.world.proxy.is_refusing = True
    stage.world.proxy.reset()
    if stage.world.is_mounted:
        with (
            suppress(OSError),
            (stage.world.spool_dir / "ballast").open("wb", buffering=0) as ballast,
        ):
            while True:
                ballast.write(bytes(65536))
    else:  # never the whole machine's disk
        stage.world.break_disk("ENOSPC")
    stage.wait(stage.seconds)


def disk(how: str, *, database: str) -> Callable[[Stage], None]:
    def play(stage: Stage) -> None:
        if database == "frozen":
            stage.world.database.freeze()
        elif database == "away":
            stage.world.proxy.is_refusing = True
            stage.world.proxy.reset()
        stage.wait(stage.seconds / 3)
        stage.world.break_disk(how)
        stage.wait(stage.seconds / 3)
        stage.world.break_disk("")
        stage.wait(stage.seconds / 3)

    return play


# --- clock, load, the desk's own processes


def clock_steps(database: str) -> Callable[[Stage], None]:
    def play(stage: Stage) -> None:
        if database == "away":
            stage.world.proxy.is_refusing = True
            stage.world.proxy.reset()
        while not stage.wait(stage.seconds / 5):
            seconds = stage.chance.choice([-3600, -120, -1, 1, 120, 1800])
            with stage.shoppers.stepping(seconds):
                stage.world.step_clock(seconds)

    return play


def overload(times: float) -> Callable[[Stage], None]:
    """So many times what the desk can decide, which is found out first."""

    def play(stage: Stage) -> None:
        stage.shoppers.rate = times * stage.shoppers.capacity()
        stage.wait(stage.seconds)

    return play


def reloaded(stage: Stage) -> None:
    """SIGHUP, as after a change of settings."""
    old = set(stage.world.workers())
    stage.world.desk.send_signal(signal.SIGHUP)
    wait_until(lambda: not old & set(stage.world.workers()))


def workers_replaced(stage: Stage) -> None:
    """One by one, each in good order: SIGTERM to a worker, and the supervisor starts another."""
    for pid in stage.world.workers():
        send(pid, signal.SIGTERM)
        wait_until(partial(_are_all_new, stage.world, pid))


def _are_all_new(world: World, old: int) -> bool:
    workers = world.workers()
    return old not in workers and len(workers) == WORKERS and all(map(world.is_served_by, workers))


def workers_killed(stage: Stage) -> None:
    """One after the other; with all of them gone at once nobody could answer."""
    while not stage.wait(stage.seconds / 5):
        pid = stage.chance.choice(stage.world.workers())
        send(pid, signal.SIGKILL)
        wait_until(partial(_are_all_new, stage.world, pid))


def swizzle(stage: Stage) -> None:
    """Stop all there is at random, one after the other, and let it go again in another order."""
    world, chance = stage.world, stage.chance
    while not stage.over.is_set():
        stops: list[tuple[Callable[[], None], Callable[[], None]]] = [
            (partial(send, pid, signal.SIGSTOP), partial(send, pid, signal.SIGCONT))
            for pid in world.database.pids()
        ]
        stops.append((partial(world.break_disk, HANGS), partial(world.break_disk, "")))
        stops.append((partial(setattr, world.proxy, "is_holding", True), world.proxy.heal))
        chosen = chance.sample(stops, chance.randrange(1, len(stops) + 1))
        for stop, _ in chosen:
            stop()
            stage.wait(chance.uniform(0, 0.2))
        chance.shuffle(chosen)
        for _, go_on in chosen:
            go_on()
            stage.wait(chance.uniform(0, 0.2))
        stage.wait(chance.uniform(0, 1.5))
