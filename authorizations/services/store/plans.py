"""Plans: generators that say what they ask of the database, and receive the answers.

`drive` runs one on this thread's connection, pipes.py on an event loop.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

from authorizations.services.runtime import pipeline
from authorizations.services.runtime.pipeline import Statement

T = TypeVar("T")


class Call(NamedTuple):
    """A function that uses Django's ORM or may wait; answered with what it returns.

    `within_s` is how long an event loop waits for it, if not to the end of the plan's time.
    """

    work: Callable[[], Any]
    within_s: float | None = None


Plan: TypeAlias = Generator[Sequence[Statement | Call], list[Any], T]
"""A generator that yields what it asks of the database, and returns the result of it all.

It yields a list of statements and calls, and is sent a list of answers. It holds no connection. A
database error is raised at the `yield`.
"""


def ask(text: str, **parameters: Any) -> Plan[list[tuple[Any, ...]]]:
    """Run one statement; returns its rows."""
    [rows] = yield [Statement(text, parameters)]
    return cast("list[tuple[Any, ...]]", rows)


def call(work: Callable[[], T], within_s: float | None = None) -> Plan[T]:
    """Call a function that uses the ORM or may wait; returns its result."""
    [result] = yield [Call(work, within_s)]
    return cast("T", result)


def drive(plan: Plan[T]) -> T:
    """Run a plan on this thread's connection; the statements of one list in one round trip.

    Returns what the plan returns. Raises django.db.Error as pipeline.run does, and whatever the
    plan raises.
    """
    try:
        asked = next(plan)
        while True:
            try:
                answers = _answers(asked)
            except Exception as error:  # noqa: BLE001 - the plan may handle it
                asked = plan.throw(error)
            else:
                asked = plan.send(answers)
    except StopIteration as done:
        return cast("T", done.value)
    finally:
        plan.close()


def _answers(asked: Sequence[Statement | Call]) -> list[Any]:
    statements = [one for one in asked if isinstance(one, Statement)]
    if len(statements) == len(asked):
        return pipeline.run(statements)
    return [one.work() if isinstance(one, Call) else pipeline.run([one])[0] for one in asked]
