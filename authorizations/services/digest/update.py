"""Fills the digest, which lists and charts read, from decisions soon after they are written.

Works off the decision path, a piece at a time, each in a short transaction, and takes each
decision once. Transactions draw the ids of their requests before they commit, so an id can appear
after a higher one. The digest therefore advances only to an id below which all transactions have
ended. Every INSERT locks the table of requests before it draws an id, until its transaction ends:
once the transactions that held that lock when the last id was read have ended, no id up to that
one is still to appear.
"""

import time
from collections.abc import Callable
from typing import Any

from django.db import connection, transaction

from authorizations.models import DigestMark, Stretch
from authorizations.services.digest import statements as sql

PIECE = 5_000
"""Maximum decisions per digest transaction."""

_LOCK = 0x64696765  # "dige": the number of an advisory lock
_PROGRESS_S = 0.5
_SETTLE_TIMEOUT_S = 0.1
_WAIT_S = 0.005


def catch_up(budget_s: float) -> int:
    """Digest until all decisions are digested or the time is used up; returns the mark.

    The decisions of requests up to the mark are in the digest, those above are not. Waits briefly
    for transactions that are writing requests, for nothing else. Does nothing inside a transaction
    of the caller's, which would hold the digest's locks for too long.
    """
    if not connection.in_atomic_block:
        deadline = time.monotonic() + budget_s
        settled = _settled(min(deadline, time.monotonic() + _SETTLE_TIMEOUT_S))
        while _digest_piece(settled) and time.monotonic() < deadline:
            pass
    return mark()


def mark() -> int:
    """The id of the webhook request up to which decisions are digested."""
    return DigestMark.objects.values_list("digested", flat=True).first() or 0


def last_drawn() -> int:
    """The highest id any webhook request has drawn, committed or not."""
    [number] = _row(sql.LAST_DRAWN)
    return int(number)


def digest_all(advance: Callable[[int], object]) -> int:
    """Digest all decisions there are now, waiting for open transactions; returns the mark.

    Calls `advance` with the mark twice a second. Raises TransactionManagementError inside a
    transaction, which would wait for itself.
    """
    if connection.in_atomic_block:
        raise transaction.TransactionManagementError("Call digest_all outside a transaction.")
    goal = last_drawn()
    while (done := catch_up(_PROGRESS_S)) < goal:
        advance(done)
        time.sleep(_WAIT_S)
    advance(done)
    return done


def empty() -> None:
    """Empty the digest, so that it is made again; waits for a process that is adding to it."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute(sql.EMPTY)


def lock() -> None:
    """Keep other processes from adding to the digest until the transaction ends."""
    _row("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def add(statements: tuple[str, ...], above: int, up_to: int) -> None:
    """Run `statements` over the decisions of requests above `above`, up to `up_to`."""
    span = {"above": above, "up_to": up_to, "length": Stretch.LENGTH}
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, span)


def _settled(until: float) -> int:
    """An id up to which no further request will appear; 0 if it is not known by `until`."""
    last, writers = last_drawn(), _writers()
    while writers:
        if time.monotonic() >= until:
            return 0
        time.sleep(_WAIT_S)
        writers &= _writers()
    return last


def _writers() -> set[str]:
    """The transactions that hold the table of requests locked for writing."""
    with connection.cursor() as cursor:
        cursor.execute(sql.WRITERS)
        return {transaction_id for [transaction_id] in cursor.fetchall()}


def _digest_piece(settled: int) -> bool:
    """Digest the next piece, up to `settled`; returns whether there was one.

    Leaves it to a process that is doing so already.
    """
    with transaction.atomic():
        if not _row("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])[0]:
            return False
        digested = mark()
        if digested >= settled:
            return False
        span = {"above": digested, "settled": settled, "size": PIECE}
        decisions, last = _row(sql.PIECE, span)
        up_to = last if decisions == PIECE else settled
        add((sql.NAMES,), digested, up_to)
        if decisions:
            add((sql.LISTED, *sql.SUMS), digested, up_to)
        with connection.cursor() as cursor:
            cursor.execute(sql.MOVE_MARK, {"up_to": up_to})
    return True


def _row(statement: str, parameters: Any = None) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone()
