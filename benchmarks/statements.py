"""What a group's statements cost PostgreSQL: `python -m benchmarks.statements`.

Real groups are decided on the desk's tables. Then the statements of one are run again and again on
one connection, in transactions that are rolled back, and the processor time of its backend is
counted: without a server, without waiting, and without the flush of a COMMIT. Beside them stands
what Python takes for such a group, given PostgreSQL's answers.
"""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
from rich.console import Console
from rich.table import Table

from benchmarks import figures, traffic
from benchmarks.database import Database
from benchmarks.scratch import scratch_directory

if TYPE_CHECKING:
    from authorizations.services.authorize.group import Decided, Member
    from authorizations.services.store.plans import Plan

SIZES = (1, 2, 4, 8, 16)
WARM, REPEATS = 1_500, 150


def main() -> None:
    table = Table(
        "decisions in a group",
        "reads",
        "WRITE",
        "together",
        "Python",
        title="Processor time in µs for each decision",
    )
    with scratch_directory() as directory, Database(directory) as database:
        figures.prepare(database, directory)
        os.environ.update(database.environment | {"SPOOL_DIR": str(directory / "spool")})
        django.setup(set_prefix=False)
        bodies = [
            body.encode()
            for body in traffic.requests(traffic.SPREAD, WARM + 40 * sum(SIZES), time.time_ns())
        ]
        for first in range(0, WARM, 10):
            _decided(bodies[first : first + 10])
        del bodies[:WARM]
        for size in SIZES:
            costs = _costs(bodies, size)
            table.add_row(str(size), *(f"{cost / size:.0f}" for cost in costs))
    Console().print(table)


def _costs(bodies: list[bytes], size: int) -> tuple[float, float, float, float]:
    """Microseconds of a group of this size; takes what it needs from `bodies`."""
    from authorizations.services.runtime.pipeline import BEGIN, ROLLBACK

    while True:  # until none of a group needs sums, which few do
        members, asked = _decided(_taken(bodies, size))
        if len(asked) == 2:
            break
    (reads, answers), _ = asked
    python = _python_us(members, answers)
    write = _write_of(_taken(bodies, size))
    reads = [one for one in reads if one != BEGIN]
    nothing = _backend_us([BEGIN, ROLLBACK])
    return (
        _backend_us([BEGIN, *reads, ROLLBACK]) - nothing,
        _backend_us([BEGIN, write, ROLLBACK]) - nothing,
        _backend_us([BEGIN, *reads, write, ROLLBACK]) - nothing,
        python,
    )


def _taken(bodies: list[bytes], size: int) -> list[bytes]:
    taken = bodies[:size]
    del bodies[:size]
    return taken


def _members(bodies: Sequence[bytes]) -> "list[Member]":
    from authorizations.services.authorize.group import Member
    from authorizations.services.runtime.delivery import Delivery, Stopwatch
    from authorizations.wire import events

    members = []
    for body in bodies:
        event = events.read(body)
        delivery = Delivery(datetime.now(UTC), "127.0.0.1", {}, body, "key", event, Stopwatch())
        members.append(Member(events.authorization_request(event), delivery))
    return members


def _decided(bodies: Sequence[bytes]) -> "tuple[list[Member], list[tuple[list[Any], list[Any]]]]":
    """Decide a group; what was asked, round trip by round trip, with the answers."""
    from authorizations.services.authorize.group import decide_together
    from authorizations.services.store.plans import drive

    members, trips = _members(bodies), list[tuple[list[Any], list[Any]]]()

    def noted(plan: "Plan[Decided]") -> "Plan[Decided]":
        asked = next(plan)
        while True:
            answers = yield asked
            trips.append((list(asked), answers))
            try:
                asked = plan.send(answers)
            except StopIteration as done:
                decided: Decided = done.value
                return decided

    drive(noted(decide_together(members)))
    return members, trips


def _write_of(bodies: Sequence[bytes]) -> Any:
    """The statement that would write a group, which is not written."""
    from authorizations.services.authorize.group import decide_together
    from authorizations.services.runtime import pipeline
    from authorizations.services.store import write_statements
    from authorizations.services.store.plans import drive

    def up_to_write(plan: "Plan[Decided]") -> "Plan[Any]":
        asked = next(plan)
        while getattr(asked[0], "text", "") is not write_statements.WRITE:
            asked = plan.send((yield asked))
        plan.close()
        return asked[0]

    write = drive(up_to_write(decide_together(_members(bodies))))
    pipeline.run([pipeline.ROLLBACK])
    return write


def _python_us(members: "list[Member]", answers: list[Any]) -> float:
    """From PostgreSQL's answers to the statement that writes."""
    from authorizations.services.authorize.group import decide_together

    def decide() -> None:
        plan = decide_together(members)
        next(plan)
        plan.send(answers)
        plan.close()

    return min(_elapsed_us(decide, time.thread_time) for _ in range(4 * REPEATS))


def _backend_us(batch: Sequence[Any]) -> float:
    """The median processor time of this connection's backend for a batch of statements."""
    from django.db import connection

    from authorizations.services.runtime import pipeline

    clock = Path(f"/proc/{connection.connection.pgconn.backend_pid}/schedstat")

    def seconds() -> float:
        return int(clock.read_text().split()[0]) / 1e9

    found = [_elapsed_us(lambda: pipeline.run(batch), seconds) for _ in range(REPEATS)]
    return statistics.median(found)


def _elapsed_us(work: Callable[[], object], clock: Callable[[], float]) -> float:
    before = clock()
    work()
    return (clock() - before) * 1e6


if __name__ == "__main__":
    main()
