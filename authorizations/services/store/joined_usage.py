"""Joins the stored usage of two cards that turn out to belong to one chain.

Runs under the lock of both roots, before their cards are joined. Sums that both have are added. If
only one has a sum, the other's usage in that time is summed from its pieces and purchases, if that
is quick. Otherwise a limit's window is counted in the background, and any other sum is deleted.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, chain
from math import gcd
from typing import Any, NamedTuple, TypeAlias

from django.db.models import F
from msgspec import structs

from authorizations.models import UncountedWindow
from authorizations.models import Usage as UsageRow
from authorizations.rules.basics.controls import Scope, ScopeKind, scope_key
from authorizations.rules.decision.values import Window
from authorizations.rules.policy.document import filter_of
from authorizations.services.runtime import codec
from authorizations.services.store import (
    plans,
    uncounted,
    window_sums,
    write_statements,
)
from authorizations.services.store.plans import drive
from authorizations.services.store.usage import Remembered, UsageKey, remembered_since
from authorizations.services.store.window_sums import (
    DAY_S,
    HOUR_S,
    Asked,
    UsagePiece,
    WindowPart,
    gaps,
)
from authorizations.services.store.window_totals import NOTHING_USED, Used, minus, plus, total

_MAX_ROWS = 2_000
"""Maximum sums of each side to keep besides current windows; the newest stay.

A day is needed in the middle of windows of up to 400 days, an hour mostly at the edge of one, so
hours are deleted first.
"""

_LAST_OF_USE = F("window_end") + 400 * F("piece_seconds")

_TIMES_AT_ONCE = 10
"""How many times AT_ONCE purchases of each side may be read: 20 ms, or 100 ms by merchant."""

_DELETE = """
DELETE FROM authorizations_usage AS usage
USING jsonb_to_recordset(%(keys)s::jsonb) AS gone(
    scope text, piece_seconds int, window_end bigint, window_start bigint, filter_key text,
    currency text
)
WHERE usage.scope = gone.scope AND usage.piece_seconds = gone.piece_seconds
    AND usage.window_end = gone.window_end AND usage.window_start = gone.window_start
    AND usage.filter_key = gone.filter_key AND usage.currency = gone.currency
"""

_Rows: TypeAlias = dict[UsageKey, Remembered]
"""By their key without the scope."""

_Notes: TypeAlias = dict[tuple[Any, ...], UncountedWindow]
"""By their key without the scope."""

_What: TypeAlias = tuple[str, str]
"""The key of a filter, and the currency: what a sum counts of each purchase."""


class _Side(NamedTuple):
    """The stored usage of one root; pieces older than `forgotten_to` were deleted."""

    scope: Scope
    rows: _Rows
    notes: _Notes
    pieces: Mapping[_What, Sequence[Remembered]]
    forgotten_to: int


def join(old_root_id: str, root_id: str, at: int) -> None:
    """Join the stored usage of two roots whose cards are not joined yet.

    `at` is when the event that names both was created; windows that end later are current.
    """
    old, new = _side(old_root_id, at), _side(root_id, at)
    joined = {
        key: _sum(row, _used(old.rows[key]), new.scope)
        for key, row in new.rows.items()
        if key in old.rows
    }
    for side, other in ((old, new), (new, old)):
        alone = {key: row for key, row in side.rows.items() if key not in other.rows}
        found = _spent_besides(alone, other, at)
        joined |= {key: _sum(alone[key], used, new.scope) for key, used in found.items()}
    _keep_notes(old, new, joined, at)
    _keep_rows(old, new, joined)


def forget(root_ids: Sequence[str]) -> None:
    """Delete the usage of these roots, because cards were in a broken chain under them."""
    scopes = [scope_key(Scope(ScopeKind.CARD, root_id)) for root_id in root_ids]
    for model in (UsageRow, UncountedWindow):
        model.objects.filter(scope__in=scopes).delete()


def _side(root_id: str, at: int) -> _Side:
    scope = Scope(ScopeKind.CARD, root_id)
    key = scope_key(scope)
    kept = UsageRow.objects.filter(scope=key).exclude(piece_seconds=0, window_end__gt=at)
    kept = kept.annotate(of_use=_LAST_OF_USE)
    forgotten_to = 0
    if oldest := kept.order_by("-of_use").values_list("of_use", flat=True)[_MAX_ROWS:].first():
        forgotten_to = oldest
        kept.filter(of_use__lte=oldest).delete()
    rows = remembered_since(0, [key])
    pieces: dict[_What, list[Remembered]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.window_start, -row.piece_seconds)):
        if row.piece_seconds:
            pieces[_what(row)].append(row)
    notes = {_note_key(note): note for note in UncountedWindow.objects.filter(scope=key)}
    by_key = {row.key._replace(scope=""): row for row in rows}
    return _Side(scope, by_key, notes, pieces, forgotten_to)


def _what(row: Remembered) -> _What:
    return row.filter_key, row.currency


def _used(row: Remembered) -> Used:
    return row.amount, row.refunded_amount, row.count


def _sum(row: Remembered, more: Used, scope: Scope) -> Remembered:
    amount, refunded, count = plus(_used(row), more)
    return structs.replace(
        row, scope=scope_key(scope), amount=amount, refunded_amount=refunded, count=count
    )


def _spent_besides(alone: _Rows, other: _Side, at: int) -> dict[UsageKey, Used]:
    """The other side's usage in the time of rows that it has not stored itself.

    Rows for which that is too much to sum are left out.
    """
    alike: dict[_What, _Rows] = defaultdict(dict)
    for key, row in alone.items():
        alike[_what(row)][key] = row
    most = _TIMES_AT_ONCE * window_sums.AT_ONCE // max(1, len(alike))
    spent: dict[UsageKey, Used] = {}
    for rows in alike.values():
        spent |= _spent_in(rows, other, at, most)
    return spent


def _spent_in(rows: _Rows, other: _Side, at: int, most: int) -> dict[UsageKey, Used]:
    """As `_spent_besides`, for rows with one filter and currency.

    Sums the other side's pieces and at most `most` of its purchases, the newest.
    """
    one = next(iter(rows.values()))
    its = other.pieces.get(_what(one), ())
    covers = {key: _cover(row, its) for key, row in rows.items()}
    uncovered = {
        key: list(gaps(row.window_start, row.window_end, covers[key])) for key, row in rows.items()
    }
    spans = _merged(span for its_gaps in uncovered.values() for span in its_gaps)
    # So that each part is either completely within a row or completely outside of it.
    grain = gcd(*chain.from_iterable(chain.from_iterable(uncovered.values()))) or 1
    asked = Asked(one.window._replace(scope=other.scope), filter_of(one.filter))
    parts, since = _newest(asked, spans, grain, at, most)
    times = [part.since for part in parts]
    sums = [NOTHING_USED, *accumulate((part.used for part in parts), plus)]
    return {
        key: plus(
            total(piece.used for piece in covers[key]),
            total(
                minus(sums[bisect_left(times, end)], sums[bisect_left(times, start)])
                for start, end in its_gaps
            ),
        )
        for key, its_gaps in uncovered.items()
        if all(start >= since for start, _ in its_gaps)
    }


def _cover(row: Remembered, pieces: Sequence[Remembered]) -> list[UsagePiece]:
    """The longest pieces within the time of a row; `pieces` are sorted, longer ones first."""
    found: list[UsagePiece] = []
    begin, end = row.window_start, row.window_end
    first = bisect_left(pieces, begin, key=lambda piece: piece.window_start)
    for place in range(first, len(pieces)):
        piece = pieces[place]
        if piece.window_start >= end:
            break
        if piece.window_start >= begin and piece.window_end <= end:
            found.append(UsagePiece(piece.window_start, piece.window_end, _used(piece)))
            begin = piece.window_end
    return found


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The union of these spans, earliest first."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def _newest(
    asked: Asked, spans: Sequence[tuple[int, int]], grain: int, at: int, most: int
) -> tuple[list[WindowPart], int]:
    """The sums of these spans, and the time since when they are complete.

    Reads further and further back, as long as there are at most `most` purchases.
    """
    if not spans:
        return [], 0
    found: list[WindowPart] = []
    earliest, until = spans[0][0], spans[-1][1]
    since, length = at, DAY_S
    while until > earliest:
        since = min(since, until) - length
        within = [
            (max(start, since), min(end, until))
            for start, end in spans
            if start < until and end > since
        ]
        parts = drive(window_sums.parts(asked, within, grain, most))
        most -= sum(part.purchases for part in parts)
        if most < 0:
            return found, until
        found = [*parts, *found]
        until, length = since, 4 * length
    return found, earliest


def _keep_notes(old: _Side, new: _Side, joined: _Rows, at: int) -> None:
    """Continue counting for both sides, and start it for sums that are lost."""
    lost = [row for side in (old, new) for key, row in side.rows.items() if key not in joined]
    known = {(row.window_start, row.window_end, *_what(row)) for row in joined.values()}
    notes: _Notes = {}
    for key in {**old.notes, **new.notes}:
        sides = [(side, side.notes.get(key)) for side in (old, new)]
        note = _joined_note([note for _, note in sides if note], new.scope)
        if not note.rolling and key[:4] in known:
            continue
        first = uncounted.first_minute(note.window_start)
        stops = [note.counted_to]
        for side, its in sides:
            if side.forgotten_to > first or not (its or _is_quiet(side, note, first)):
                stops.append(first)
        stops += [
            max(first, row.window_start // HOUR_S * HOUR_S)
            for row in lost
            if row.piece_seconds and _what(row) == key[2:4] and row.window_end > first
        ]
        note.counted_to = min(stops)
        if note.counted_to == first:
            note.counted = 0
        notes[key] = note
    for row in lost:
        if not row.piece_seconds and row.window_end > at:
            window = row.window._replace(scope=new.scope)
            note = uncounted.note_of(Asked(window, filter_of(row.filter)))
            notes.setdefault(_note_key(note), note)
    scopes = [scope_key(side.scope) for side in (old, new)]
    UncountedWindow.objects.filter(scope__in=scopes).delete()
    UncountedWindow.objects.bulk_create(notes.values())


def _note_key(note: UncountedWindow) -> tuple[Any, ...]:
    bounds = (note.window_start, note.window_end)
    return (*bounds, note.filter_key, note.currency, note.rolling)


def _joined_note(notes: Sequence[UncountedWindow], scope: Scope) -> UncountedWindow:
    """The note of one window for both sides, counted up to where both are."""
    names = ("window_start", "window_end", "filter_key", "currency", "rolling", "filter")
    return UncountedWindow(
        scope=scope_key(scope),
        counted_to=min(note.counted_to for note in notes),
        counted=sum(note.counted for note in notes),
        asked_at=min(note.asked_at for note in notes),
        **{name: getattr(notes[0], name) for name in names},
    )


def _is_quiet(side: _Side, note: UncountedWindow, first: int) -> bool:
    """Whether few purchases of a side before `counted_to` are outside of pieces."""
    if note.counted_to <= first:
        return True
    what = (note.filter_key, note.currency)
    window = Window(side.scope, first, note.counted_to, *what)
    asked = Asked(window, filter_of(note.filter), has_pieces=what in side.pieces)
    [found] = drive(window_sums.reckon([asked]))
    return found.used is not None and found.purchases <= window_sums.QUIET


def _keep_rows(old: _Side, new: _Side, joined: _Rows) -> None:
    """Write the joined sums under the new root, and delete all others."""
    gone = [row.key for key, row in new.rows.items() if key not in joined]
    gone += [row.key for key, row in old.rows.items() if key not in joined or key in new.rows]
    if gone:
        keys = codec.to_json([key._asdict() for key in gone])
        drive(plans.ask(_DELETE, keys=keys))
    UsageRow.objects.filter(scope=scope_key(old.scope)).update(scope=scope_key(new.scope))
    before = old.rows | new.rows
    changed = [row for key, row in joined.items() if _used(row) != _used(before[key])]
    if changed:
        usage = codec.to_json(changed)
        drive(
            plans.ask(
                write_statements.WRITE_BOOKS, numbers=0, purchases="[]", entries="[]", usage=usage
            )
        )
