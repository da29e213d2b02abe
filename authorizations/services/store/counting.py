"""Counts busy scopes in the background, piece by piece, each in a transaction of its own.

Each step locks the scope, sums the purchases of some days, hours or minutes, stores the sums as
pieces, and commits. A purchase that changes meanwhile also changes the pieces that exist, so that
nothing is lost or counted twice. The lock is held for less than 100 ms at a time, followed by a
pause of the same length. Any process can continue where another stopped.

A minute is never divided. If one alone takes longer than 100 ms (20,000 purchases, 330 a second on
one card, cardholder or group), the lock is held for as long as that takes.
"""

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db import OperationalError, connection, transaction

from authorizations.models import UncountedWindow
from authorizations.models import Usage as UsageRow
from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.rules.decision.values import Window
from authorizations.rules.policy.document import filter_of
from authorizations.services.runtime import budget
from authorizations.services.store import locks, sum_statements, uncounted, window_sums
from authorizations.services.store.plans import drive
from authorizations.services.store.window_sums import DAY_S, HOUR_S, MINUTE_S, Asked, UsagePiece

logger = logging.getLogger(__name__)

_FEWEST, _MOST = 500, 10_000

_OF = {
    ScopeKind.CARD: sum_statements.of_chain("%(id)s"),
    ScopeKind.CARDHOLDER: "cardholder_id = %(id)s",
    ScopeKind.GROUP: "group_id = %(id)s::bigint",
    ScopeKind.MEMBER: sum_statements.of_member("%(id)s::text"),
}
_IN_SPAN = """
FROM authorizations_authorization
WHERE {of} AND created >= to_timestamp(%(start)s) AND created < to_timestamp(%(end)s)"""

_HOW_MANY = {kind: f"SELECT count(*){_IN_SPAN.format(of=of)}" for kind, of in _OF.items()}

_IN_TURN = {kind: f"SELECT created{_IN_SPAN.format(of=of)}" for kind, of in _OF.items()}
# Card by card, each in the order of its index. Otherwise the whole chain would be sorted.
_IN_TURN[ScopeKind.CARD] = f"""
SELECT created FROM authorizations_card AS card CROSS JOIN LATERAL (
    SELECT created{_IN_SPAN.format(of="card_id = card.id")}
    ORDER BY created LIMIT %(beyond)s + 1
) AS purchase
WHERE card.root_id = %(id)s"""  # noqa: S608 - all of it is written here

_FIRST_BEYOND = {
    kind: f"""
SELECT extract(epoch FROM created)::bigint FROM ({in_turn}) AS purchase
ORDER BY created OFFSET %(beyond)s LIMIT 1"""  # noqa: S608 - all of it is written here
    for kind, in_turn in _IN_TURN.items()
}


@dataclass(slots=True)
class Pace:
    """The number of purchases to sum at a time, adapted so that a step takes 40 ms."""

    purchases: int = 1_000

    def took(self, seconds: float, counted: int) -> None:
        """Adapt to the time that a step with this many purchases took."""
        if counted:
            wanted = int(counted * budget.COUNTING_AIM_MS / 1000 / max(seconds, 0.001))
            self.purchases = max(_FEWEST, min(wanted, 2 * self.purchases, _MOST))

    def was_too_much(self) -> None:
        """Reduce the number after a step that was cancelled."""
        self.purchases = max(_FEWEST, self.purchases // 4)


_pace = Pace()


def some(budget_s: float, pace: Pace = _pace) -> int:
    """Count for up to `budget_s` seconds, at least one step; returns the number of steps.

    Every process calls it often, outside of transactions. If a busy database cancels a step, the
    next call tries again.
    """
    until = time.monotonic() + budget_s
    done = 0
    try:
        for note in _in_turn():
            if _counted(note, pace):
                done += 1
            if time.monotonic() >= until:
                break
    except OperationalError as error:
        pace.was_too_much()
        logger.info("Counting continues later: %s", error)
    return done


def _in_turn() -> Iterator[UncountedWindow]:
    """Cycle through the oldest note of each scope, until there are none."""
    while True:
        notes: dict[str, UncountedWindow] = {}
        for note in UncountedWindow.objects.order_by("asked_at", "pk"):
            notes.setdefault(note.scope, note)
        if not notes:
            return
        yield from notes.values()


def _counted(note: UncountedWindow, pace: Pace) -> bool:
    """Do one step; returns False if another process is counting this scope."""
    if not note.purchases:
        UncountedWindow.objects.filter(pk=note.pk).update(purchases=how_many(note))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [note.scope])
        if not cursor.fetchone()[0]:
            time.sleep(budget.COUNTING_AIM_MS / 1000)
            return False
        kind, key = _scope_of(note)
        locks.hold(
            cards=[key] if kind is ScopeKind.CARD else [],
            # Of a member the cardholder: each of the member's purchases locks both.
            cardholders=[key.partition(":")[2] if kind is ScopeKind.MEMBER else key]
            if kind in (ScopeKind.CARDHOLDER, ScopeKind.MEMBER)
            else [],
            groups=[int(key)] if kind is ScopeKind.GROUP else [],
        )
        began = time.monotonic()
        if pace.purchases > _FEWEST:  # the smallest step has no limit, so that it can succeed
            cursor.execute(f"SET LOCAL statement_timeout = {budget.COUNTING_LIMIT_MS}")
        current = UncountedWindow.objects.filter(pk=note.pk).first()
        counted = _count(current, pace.purchases) if current is not None else 0
        cursor.execute("SET LOCAL statement_timeout TO DEFAULT")
    took_s = time.monotonic() - began
    pace.took(took_s, counted)
    time.sleep(took_s)
    return True


def how_many(note: UncountedWindow) -> int:
    """The approximate number of purchases in the window, for estimating how long it takes."""
    kind, key = _scope_of(note)
    with connection.cursor() as cursor:
        cursor.execute(
            _HOW_MANY[kind], {"id": key, "start": note.window_start, "end": note.window_end}
        )
        return int(cursor.fetchone()[0])


def _count(note: UncountedWindow, most: int) -> int:
    """Count up to `most` further purchases; returns how many. The last step stores the window."""
    asked = Asked(_window_of(note), filter_of(note.filter), has_pieces=True)
    start, end = note.counted_to, note.window_end // MINUTE_S * MINUTE_S
    counted = 0
    stop = _stop(note, start, end, most)
    if start < stop:
        minutes = drive(window_sums.minutes(asked, start, stop))
        over = stop if stop < end or not minutes else minutes[-1].since
        _keep(note, window_sums.new_pieces(start, over, [], minutes, few=0))
        for seconds in (HOUR_S, DAY_S):
            begun = start // seconds * seconds
            if note.window_start <= begun < start and begun + seconds <= over:
                _keep(note, _begun_before(asked, begun, begun + seconds))
        counted = sum(minute.purchases for minute in minutes)
        note.counted += counted
        note.counted_to = stop
    if stop < end:
        note.save(update_fields=["counted", "counted_to"])
    elif note.rolling:
        note.delete()
    else:
        _finish(note, asked)
    return counted


def _finish(note: UncountedWindow, asked: Asked) -> None:
    """Store the window itself, summed from its pieces."""
    [found] = drive(window_sums.reckon([asked]))
    if found.used is None:  # pieces were deleted meanwhile
        note.counted, note.counted_to = 0, uncounted.first_minute(note.window_start)
        note.save(update_fields=["counted", "counted_to"])
        return
    window = UsagePiece(note.window_start, note.window_end, found.used)
    UsageRow.objects.bulk_create([_row(note, window, seconds=0)], ignore_conflicts=True)
    note.delete()


def _stop(note: UncountedWindow, start: int, end: int, most: int) -> int:
    """The last start of a day, hour or minute up to which there are at most `most` purchases.

    At least one minute after `start`, however many purchases that minute has.
    """
    kind, key = _scope_of(note)
    with connection.cursor() as cursor:
        cursor.execute(_FIRST_BEYOND[kind], {"id": key, "start": start, "end": end, "beyond": most})
        found = cursor.fetchone()
    if found is None:
        return end
    whole = (found[0] // seconds * seconds for seconds in (DAY_S, HOUR_S, MINUTE_S))
    return next((stop for stop in whole if stop > start), start + MINUTE_S)


def _begun_before(asked: Asked, start: int, end: int) -> list[UsagePiece]:
    """The piece of an hour or day whose first part was counted in an earlier step.

    It only makes summing longer windows faster, so there is none if its parts were deleted.
    """
    window = asked.window._replace(start=start, end=end, rolling=False)
    [found] = drive(window_sums.reckon([asked._replace(window=window)]))
    return [] if found.used is None else [UsagePiece(start, end, found.used)]


def _keep(note: UncountedWindow, pieces: Iterable[UsagePiece]) -> None:
    """Store these pieces, except those that exist already, which are correct."""
    rows = [_row(note, piece, seconds=piece.end - piece.start) for piece in pieces]
    UsageRow.objects.bulk_create(rows, ignore_conflicts=True)


def _row(note: UncountedWindow, piece: UsagePiece, *, seconds: int) -> UsageRow:
    amount, refunded, count = piece.used
    return UsageRow(
        scope=note.scope,
        piece_seconds=seconds,
        window_start=piece.start,
        window_end=piece.end,
        filter_key=note.filter_key,
        currency=note.currency,
        filter=note.filter,
        amount=amount,
        refunded_amount=refunded,
        count=count,
    )


def _window_of(note: UncountedWindow) -> Window:
    return Window(
        _scope_of(note),
        note.window_start,
        note.window_end,
        note.filter_key,
        note.currency,
        note.rolling,
    )


def _scope_of(note: UncountedWindow) -> Scope:
    kind, _, key = note.scope.partition(":")
    return Scope(ScopeKind(kind), key)
