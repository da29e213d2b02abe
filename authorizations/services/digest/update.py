"""The digest: what lists and charts read, made from decisions a moment after they were written.

Off the decision path, a piece at a time, each in a short transaction of its own, and each decision
once. Requests draw their numbers before they commit, so a number can turn up after a higher one:
the digest goes only up to a number that all who drew a lower one are done with. Whoever writes
a request locks the table, as every INSERT does, before drawing a number, and until the end of
their transaction: once those who held that lock when a number was read are gone, nothing up to
this number is still to come.
"""

import time
from collections.abc import Callable
from typing import Any

from django.db import connection, transaction

from authorizations.models import DigestMark, Stretch
from authorizations.services.digest import statements as sql

PIECE = 5_000
"""So many decisions are digested in one transaction."""

_LOCK = 0x64696765  # "dige": any number nobody else uses
_PROGRESS_S = 0.5
_PATIENCE_S = 0.1
_WAIT_S = 0.005


def catch_up(budget_s: float) -> int:
    """Digest until all is digested or the time is used; returns the mark.

    The decisions of requests up to the mark are in the digest, those above are not. Waits for
    nobody but those who are writing requests at this moment, and not long for them. Inside a
    transaction of the caller's it does nothing: it would hold its locks for too long.
    """
    if not connection.in_atomic_block:
        deadline = time.monotonic() + budget_s
        settled = _settled(min(deadline, time.monotonic() + _PATIENCE_S))
        while _digest_piece(settled) and time.monotonic() < deadline:
            pass
    return mark()


def mark() -> int:
    """How far the digest has come."""
    return DigestMark.objects.values_list("digested", flat=True).first() or 0


def last_drawn() -> int:
    """The highest number any request has drawn, committed or not."""
    [number] = _row(sql.LAST_DRAWN)
    return int(number)


def digest_all(advance: Callable[[int], object]) -> int:
    """Digest all there is now, waiting for transactions that are not over; returns the mark.

    `advance` is told the mark again and again. Raises TransactionManagementError inside a
    transaction, which would wait for itself.
    """
    if connection.in_atomic_block:
        raise transaction.TransactionManagementError("Digest outside of transactions.")
    goal = last_drawn()
    while (done := catch_up(_PROGRESS_S)) < goal:
        advance(done)
        time.sleep(_WAIT_S)
    advance(done)
    return done


def empty() -> None:
    """Throw the digest away; waits for whoever is adding to it. It is made again from nothing."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute(sql.EMPTY)


def hold() -> None:
    """Keep everybody from adding to the digest until the transaction ends."""
    _row("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def add(statements: tuple[str, ...], above: int, up_to: int) -> None:
    """Run statements of digest_sql over the decisions above one number and up to another."""
    span = {"above": above, "up_to": up_to, "length": Stretch.LENGTH}
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, span)


def _settled(until: float) -> int:
    """A number that nobody will come below any more; 0 where that takes too long to know."""
    last, writers = last_drawn(), _writers()
    while writers:
        if time.monotonic() >= until:
            return 0
        time.sleep(_WAIT_S)
        writers &= _writers()
    return last


def _writers() -> set[str]:
    """The transactions that have locked the table of requests for writing."""
    with connection.cursor() as cursor:
        cursor.execute(sql.WRITERS)
        return {transaction_id for [transaction_id] in cursor.fetchall()}


def _digest_piece(settled: int) -> bool:
    """Digest some more, up to what is settled; whether there was anything to do."""
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
