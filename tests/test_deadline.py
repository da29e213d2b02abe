"""The client's own deadline: it holds where the server can't keep any."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer
from time import monotonic
from typing import Any

import psycopg
import pytest
from django.db import connection

from authz_project.deadline import DeadlineConnection, DeadlineExceededError, ending
from tests.support.timeouts import PATIENCE_S

pytestmark = pytest.mark.django_db

SOON_S = 0.3


@pytest.fixture
def opened() -> Iterator[DeadlineConnection]:
    with connected() as found:
        yield found


def connected() -> DeadlineConnection:
    parameters = connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}
    return DeadlineConnection.connect(**parameters)


@contextmanager
def frozen(backend: int) -> Iterator[None]:
    """The server's process for one connection stands still, as on a machine that hangs.

    It goes on and answers after a minute: whoever waits for it fails, and does not hang.
    """
    goes_on = Timer(PATIENCE_S, os.kill, (backend, signal.SIGCONT))
    goes_on.start()
    os.kill(backend, signal.SIGSTOP)
    try:
        yield
    finally:
        goes_on.cancel()
        os.kill(backend, signal.SIGCONT)


def begin(opened: Any) -> None:
    opened.execute("BEGIN")


def write(opened: Any) -> None:
    opened.execute("BEGIN")
    opened.execute("CREATE TEMPORARY TABLE kept (id int)")


STEPS: dict[str, tuple[Callable[[Any], None], Callable[[Any], None]]] = {
    "before a transaction": (lambda _: None, begin),
    "inside one": (begin, lambda opened: opened.execute("SELECT 1")),
    "before COMMIT": (write, lambda opened: opened.execute("COMMIT")),
    "while much is sent": (
        begin,
        lambda opened: opened.execute("SELECT length(%s)", ["x" * 4_000_000]),
    ),
}


@pytest.mark.parametrize("when", STEPS)
def test_a_server_that_stands_still_is_given_up_at_the_deadline(
    opened: DeadlineConnection, when: str
) -> None:
    before, during = STEPS[when]
    before(opened)
    with frozen(opened.info.backend_pid):
        ends = monotonic() + SOON_S
        with pytest.raises(DeadlineExceededError), ending(ends):
            during(opened)
        assert monotonic() >= ends
        assert opened.closed


def test_a_deadline_is_for_each_connection_that_is_used_until_then(
    opened: DeadlineConnection,
) -> None:
    with (
        connected() as second,
        frozen(opened.info.backend_pid),
        frozen(second.info.backend_pid),
        ending(monotonic() + SOON_S),
    ):
        for connection_ in (opened, second):
            with pytest.raises(DeadlineExceededError):
                connection_.execute("SELECT 1")


def test_what_is_quicker_than_the_deadline_is_not_disturbed(opened: DeadlineConnection) -> None:
    with ending(monotonic() + 60):
        assert opened.execute("SELECT 1").fetchone() == (1,)
    assert opened.execute("SELECT pg_sleep(0.01)").fetchone() is not None


def test_a_deadline_that_has_passed_lets_nothing_more_be_waited_for(
    opened: DeadlineConnection,
) -> None:
    with ending(monotonic() - 1), pytest.raises(DeadlineExceededError):
        opened.execute("SELECT pg_sleep(0.2)")
