"""Work beside the test's own transaction: each task in a thread with a connection of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from time import sleep
from typing import Any, TypeVar

from django.db import connection

from tests.support.timeouts import PATIENCE_S

T = TypeVar("T")


def apart(task: Callable[[], T]) -> Future[T]:
    """Start a task in a thread of its own; what it returns or raises is in the future's result."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(task())
        except BaseException as error:  # noqa: BLE001 - the one who waits is told
            future.set_exception(error)
        finally:
            connection.close()

    threading.Thread(target=run, daemon=True).start()
    return future


def done(task: Callable[[], T]) -> T:
    """What a task returns that is run apart, once it is through."""
    return apart(task).result(PATIENCE_S)


def until_waiting(number: int) -> None:
    """Returns once so many connections to this database wait for a lock."""
    for _ in range(int(PATIENCE_S / 0.01)):
        if _waiting() >= number:
            return
        sleep(0.01)
    raise AssertionError(f"There are never {number} that wait for a lock.")


def _waiting() -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # within a transaction it is kept
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        [number] = cursor.fetchone()
    return number
