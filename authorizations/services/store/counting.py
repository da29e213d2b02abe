"""Busy scopes are counted in the background: a piece at a time, each in a transaction of its own.

Lock the scope, add up the purchases of some days, hours or minutes, keep them as pieces, commit.
Whatever changes a purchase meanwhile changes the pieces that are there, and finds no piece where
none is yet: so nothing is lost and nothing counts twice, wherever counting stands. A lock is held
for less than 100 ms at a time, and not at all for as long again. Any process may go on where
another stopped.

No minute is counted in parts. One that alone takes longer than 100 ms (20,000 purchases and more,
330 a second on one card, cardholder or group) holds its lock for as long as it takes.
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
from authorizations.services.store import locks, statements, uncounted, window_sums
from authorizations.services.store.statements import drive
from authorizations.services.store.window_sums import DAY_S, HOUR_S, MINUTE_S, Asked, UsagePiece

logger = logging.getLogger(__name__)

_FEWEST, _MOST = 500, 10_000

_OF = {
    ScopeKind.CARD: statements.of_chain("%(id)s"),
    ScopeKind.CARDHOLDER: "cardholder_id = %(id)s",
    ScopeKind.GROUP: "group_id = %(id)s::bigint",
}
_IN_SPAN = """
FROM authorizations_authorization
WHERE {of} AND created >= to_timestamp(%(start)s) AND created < to_timestamp(%(end)s)"""

_HOW_MANY = {kind: f"SELECT count(*){_IN_SPAN.format(of=of)}" for kind, of in _OF.items()}

_IN_TURN = {kind: f"SELECT created{_IN_SPAN.format(of=of)}" for kind, of in _OF.items()}
# Card by card, each in the order of its index: or the whole chain would be sorted.
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
    """How many purchases are added up at a time: as many as take 40 ms."""

    purchases: int = 1_000

    def took(self, seconds: float, counted: int) -> None:
        """Learn from a piece that had so many purchases; one that had none teaches nothing."""
        if counted:
            wanted = int(counted * budget.COUNTING_AIM_MS / 1000 / max(seconds, 0.001))
            self.purchases = max(_FEWEST, min(wanted, 2 * self.purchases, _MOST))

    def was_too_much(self) -> None:
        self.purchases = max(_FEWEST, self.purchases // 4)


_pace = Pace()


def some(budget_s: float, pace: Pace = _pace) -> int:
    """Count for so long, but one piece at least; returns how many pieces of work it did.

    To be called often, outside of transactions, by every process. Never raises for what a busy
    database does: then it is tried again next time.
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
        logger.info("Counting goes on later: %s", error)
    return done


def _in_turn() -> Iterator[UncountedWindow]:
    """The oldest note of each scope, again and again: those of one scope come one after another."""
    while True:
        notes: dict[str, UncountedWindow] = {}
        for note in UncountedWindow.objects.order_by("asked_at", "pk"):
            notes.setdefault(note.scope, note)
        if not notes:
            return
        yield from notes.values()


def _counted(note: UncountedWindow, pace: Pace) -> bool:
    """One piece of work; False where another process is at this scope."""
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
            cardholders=[key] if kind is ScopeKind.CARDHOLDER else [],
            groups=[int(key)] if kind is ScopeKind.GROUP else [],
        )
        began = time.monotonic()
        if pace.purchases > _FEWEST:  # or nothing might ever be done
            cursor.execute(f"SET LOCAL statement_timeout = {budget.COUNTING_LIMIT_MS}")
        current = UncountedWindow.objects.filter(pk=note.pk).first()
        counted = _count(current, pace.purchases) if current is not None else 0
        cursor.execute("SET LOCAL statement_timeout TO DEFAULT")
    took_s = time.monotonic() - began
    pace.took(took_s, counted)
    time.sleep(took_s)
    return True


def how_many(note: UncountedWindow) -> int:
    """About how many purchases there are, so that people can be told how long it takes."""
    kind, key = _scope_of(note)
    with connection.cursor() as cursor:
        cursor.execute(
            _HOW_MANY[kind], {"id": key, "start": note.window_start, "end": note.window_end}
        )
        return int(cursor.fetchone()[0])


def _count(note: UncountedWindow, most: int) -> int:
    """Go on with about so many purchases, and say how many; with the last the window is counted."""
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
    """Remember the window itself, from its pieces."""
    [found] = drive(window_sums.reckon([asked]))
    if found.used is None:  # pieces were forgotten meanwhile
        note.counted, note.counted_to = 0, uncounted.first_minute(note.window_start)
        note.save(update_fields=["counted", "counted_to"])
        return
    window = UsagePiece(note.window_start, note.window_end, found.used)
    UsageRow.objects.bulk_create([_row(note, window, seconds=0)], ignore_conflicts=True)
    note.delete()


def _stop(note: UncountedWindow, start: int, end: int, most: int) -> int:
    """Up to which whole day, or else hour, or else minute, there are no more purchases than that.

    A minute at least, however many purchases it has.
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
    """An hour or a day of which the first part was counted before, from its pieces.

    Only longer windows need fewer rows with it: none where its pieces were forgotten meanwhile.
    """
    window = asked.window._replace(start=start, end=end, rolling=False)
    [found] = drive(window_sums.reckon([asked._replace(window=window)]))
    return [] if found.used is None else [UsagePiece(start, end, found.used)]


def _keep(note: UncountedWindow, pieces: Iterable[UsagePiece]) -> None:
    """Those that are there already are right."""
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
