"""Every decision's usage figures against the ledger as of that decision, and against its limits.

A decision draws a number from the ledger's own sequence under the lock of card, cardholder and
group (`Decision.position`): entries of these scopes with lower numbers were there before it. So
the ledger is read once, in order, beside the decisions.

Decisions are read in the order they were written. Two of different scopes may have drawn their
numbers the other way round; then the only entries of a decision's scopes that were read too early
are its own, which its figures never hold but for what the event itself told.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

import msgspec
from django.db import connection

from authorizations.rules.controls import AppliedControls
from authorizations.rules.counted import Counted
from authorizations.rules.filters import LimitFilter
from authorizations.rules.limits import limit_checks
from authorizations.rules.sentences import limit_words
from authorizations.rules.values import AuthorizationRequest, Standing, Usage, Window
from authorizations.services.checking import Checked, Difference
from authorizations.services.decided import UnreadableError, applied_of
from authorizations.services.ledger_along import LedgerAlong
from authorizations.services.rehung import was_rehung_since
from authorizations.services.running_sums import Change, Used
from authorizations.services.usage import scope_key
from authorizations.services.windows_as_of import Asked, Sum, WindowsAsOf

DECISIONS, ENTRIES = "decisions", "ledger entries"

_SIZE = 1_000

_DECISIONS = """
SELECT
    webhook_request_id, id, position, decided_at, approved, approved_amount,
    request::text, standing::text, usage::text, policies::text,
    (
        -- What the event itself told was counted before it was decided.
        SELECT json_agg(json_build_array(
            entry.amount, entry.cash_amount, entry.refunded_amount, entry.count, entry.cash_count
        ))
        FROM authorizations_ledgerentry AS entry
        WHERE entry.authorization_id = decision.authorization_id
            AND entry.event_id = decision.id
            AND entry.cause NOT IN ('hold', 'increment', 'kept', 'answered')
    )::text AS told
FROM authorizations_decision AS decision
WHERE webhook_request_id > %s AND webhook_request_id <= %s
    -- Others asked no policy.
    AND decided_by = 'desk' AND position > 0
ORDER BY webhook_request_id
LIMIT %s
"""

_BOUNDS = """
SELECT
    coalesce(min(webhook_request_id), 0), coalesce(max(webhook_request_id), 0),
    (SELECT last_value FROM authorizations_ledgerentry_id_seq)
FROM authorizations_decision
"""

# The lowest number of the decisions that come first: nothing of theirs is in the ledger below it.
_BEGINNING = """
SELECT coalesce(min(position), %s) FROM (
    SELECT position FROM authorizations_decision
    WHERE webhook_request_id > %s AND webhook_request_id <= %s
        AND decided_by = 'desk' AND position > 0
    ORDER BY webhook_request_id
    LIMIT %s
) AS first
"""

_decode_request = msgspec.json.Decoder(AuthorizationRequest).decode
_decode_standing = msgspec.json.Decoder(Standing).decode
_decode_usage = msgspec.json.Decoder(list[tuple[Window, Usage]]).decode
_decode_told = msgspec.json.Decoder(list[tuple[int, int, int, int, int]]).decode


class _Row(NamedTuple):
    """A decision as _DECISIONS reads it; JSON as text."""

    webhook_request_id: int
    id: str
    position: int
    decided_at: datetime
    approved: bool
    approved_amount: int
    request: str
    standing: str
    usage: str
    policies: str
    told: str | None


class _Policies(NamedTuple):
    """What was in force for a decision, and the filters of its limits by their keys."""

    applied: tuple[AppliedControls, ...]
    filters: dict[str, LimitFilter]


class _Decided(NamedTuple):
    """A decision as values; `asked` are the windows of `usage`, `told` what its event told."""

    row: _Row
    request: AuthorizationRequest
    standing: Standing
    applied: tuple[AppliedControls, ...]
    usage: list[tuple[Window, Usage]]
    asked: list[Asked]
    told: list[Change]


class Span(NamedTuple):
    """A part of the record: decisions by webhook request, and the ledger from `begin` to `end`.

    `after` and `begin` are the lowest, `last` is the highest one, `end` the next.
    """

    after: int
    last: int
    begin: int
    end: int


def spans(number: int) -> list[Span]:
    """All decisions and ledger entries there are now, in so many parts."""
    with connection.cursor() as cursor:
        cursor.execute(_BOUNDS)
        first, last, position = cursor.fetchone()
        cuts = [0, *(first + (last - first) * place // number for place in range(1, number)), last]
        begins = [0]
        for cut in cuts[1:-1]:
            cursor.execute(_BEGINNING, [position + 1, cut, last, _SIZE])
            begins.append(max(begins[-1], cursor.fetchone()[0]))
    ends = [*begins[1:], position + 1]
    return [Span(*span) for span in zip(cuts, cuts[1:], begins, ends, strict=False)]


def verify_decisions(span: Span) -> Iterator[Checked]:
    """Each decision, and whether each entry of the ledger is of a purchase."""
    along = _Along(span)
    for rows in _pieces(span):
        yield along.check(rows)
        yield along.entries()
    yield from along.finish()


def _pieces(span: Span) -> Iterator[list[_Row]]:
    after = span.after
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_DECISIONS, [after, span.last, _SIZE])
            rows = [_Row(*row) for row in cursor.fetchall()]
        if not rows:
            return
        yield rows
        after = rows[-1].webhook_request_id


class _Along:
    """Where the check is: in the ledger, and in every window somebody asked about."""

    def __init__(self, span: Span) -> None:
        self._end = span.end
        self._ledger = LedgerAlong(span.begin)
        self._windows = WindowsAsOf()
        # By event, of the entries read lately: those of decisions that come a little later.
        self._early: dict[str, list[Change]] = {}
        self._earlier: dict[str, list[Change]] = {}
        self._entries = 0
        self._strays: list[Difference] = []

    def check(self, rows: Sequence[_Row]) -> Checked:
        """Some decisions, in the order they were written."""
        self._early, self._earlier = {}, self._early
        read = [_decided(row) for row in rows]
        decided = [one for one in read if isinstance(one, _Decided)]
        differences = [one for one in read if isinstance(one, Difference)]
        asked = (window for one in decided for window in one.asked)
        sums = iter(self._windows.prepare(asked, self._ledger.before))
        unchecked = 0
        for one in decided:
            self._read_up_to(one.row.position)
            found, unknown = self._check(one, islice(sums, len(one.asked)))
            differences += found
            unchecked += unknown
        self._windows.tidy()
        return Checked(DECISIONS, len(rows), differences, unchecked)

    def entries(self) -> Checked:
        """Those read since this was asked last; what lies beyond the span is left to others."""
        found = Checked(ENTRIES, self._entries, self._strays)
        self._entries, self._strays = 0, []
        return found

    def finish(self) -> Iterator[Checked]:
        """The entries after the last decision."""
        while self._ledger.before < self._end:
            self._read_up_to(min(self._ledger.before + _SIZE, self._end))
            yield self.entries()

    def _read_up_to(self, position: int) -> None:
        for entry in self._ledger.up_to(position):
            if entry.id < self._end:
                self._entries += 1
                if entry.difference:
                    self._strays.append(entry.difference)
            if entry.change:
                self._windows.add(entry.change, entry.scopes)
                self._early.setdefault(entry.event_id, []).append(entry.change)

    def _check(self, decided: _Decided, sums: Iterable[Sum]) -> tuple[list[Difference], int]:
        """What is wrong with a decision, and how many of its windows nobody can tell."""
        row = decided.row
        own = [*self._early.get(row.id, ()), *self._earlier.get(row.id, ())]
        differences, unknown = [], 0
        usage = dict(decided.usage)
        for (window, recorded), asked, running in zip(
            decided.usage, decided.asked, sums, strict=True
        ):
            used = running.used(window)
            if own or decided.told:
                used = _as_of(used, asked, own, decided.told)
            kept = Used(recorded.amount, recorded.refunded, recorded.count)
            if used == kept:
                continue
            if was_rehung_since(window.scope, row.decided_at):
                unknown += 1
                continue
            usage[window] = Usage(*used)
            what = f"usage of {_words(window)}"
            differences.append(Difference(f"decision {row.id}", what, kept, used))
        return [*differences, *_exceeded(decided, usage)], unknown


def _decided(row: _Row) -> _Decided | Difference:
    """Or what of the row can't be read."""
    try:
        request = _decode_request(row.request)
        policies = _policies(row.policies)
        usage = _decode_usage(row.usage)
        return _Decided(
            row=row,
            request=request,
            standing=_decode_standing(row.standing),
            applied=policies.applied,
            usage=usage,
            asked=[_asked(window, request, policies) for window, _ in usage],
            told=_told(row, request) if row.told else [],
        )
    except msgspec.ValidationError as problem:
        return Difference(f"decision {row.id}", "a part of it", problem, "readable")
    except UnreadableError as damage:
        return Difference(f"decision {row.id}", damage.what, damage.kept, damage.found)


@lru_cache(maxsize=8192)
def _policies(text: str) -> _Policies:
    applied = applied_of(msgspec.json.decode(text))
    limits = (limit for policy in applied for limit in policy.controls.spending_limits)
    return _Policies(applied, {limit.filter.key: limit.filter for limit in limits})


def _asked(window: Window, request: AuthorizationRequest, policies: _Policies) -> Asked:
    concern = policies.filters.get(window.filter_key)
    if concern is None:
        raise UnreadableError(f"filter of {_words(window)}", window.filter_key, "a limit's")
    return Asked(window, concern, request.created - window.start + 1 if window.rolling else 0)


def _told(row: _Row, request: AuthorizationRequest) -> list[Change]:
    return [
        Change(request.created, request.currency, request.merchant, Counted(*figures))
        for figures in _decode_told(row.told or "[]")
    ]


def _as_of(used: Used, asked: Asked, own: Sequence[Change], told: Sequence[Change]) -> Used:
    """Without the decision's own entries, but for those of what its event told."""
    for change in own:
        used = used.minus(change.seen_in(asked.window.currency, asked.concern))
    for change in told:
        used = used.plus(change.seen_in(asked.window.currency, asked.concern))
    return used


def _words(window: Window) -> str:
    of = window.currency or "count"
    return f"{scope_key(window.scope)}, {window.start} to {window.end}, {of}"


def _exceeded(decided: _Decided, usage: dict[Window, Usage]) -> Iterator[Difference]:
    """The limits that what was approved goes beyond, after the ledger as it was then."""
    row, approved = decided.row, decided.request
    if not row.approved_amount:
        return
    if row.approved_amount != approved.amount:
        approved = replace(approved, amount=row.approved_amount)
    try:
        for policy in decided.applied:
            for check in limit_checks(approved, decided.standing, policy, usage):
                if check.figures and not check.passed:
                    figures = check.figures
                    name = f"{policy.controls.name} ({scope_key(policy.scope)})"
                    what = f"policy {name}, {limit_words(figures)}: usage with what it approved"
                    used, most = figures.used + figures.asked, f"at most {figures.limit}"
                    yield Difference(f"decision {row.id}", what, used, most)
    except KeyError as missing:
        yield Difference(f"decision {row.id}", "usage", "none", missing)
