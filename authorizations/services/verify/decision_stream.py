"""Reads decisions as they were recorded, in the order they were written, in pieces."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import NamedTuple

import msgspec

from authorizations.models import Decision
from authorizations.models.ledger import AFTER_DECIDING
from authorizations.rules.basics.controls import scope_key
from authorizations.rules.basics.filters import LimitFilter, Merchant
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.values import PurchaseContext, Window, WindowUsage
from authorizations.rules.purchases.counted import CountedUsage
from authorizations.services.runtime.codec import DAMAGED
from authorizations.services.store.decision_row import UnreadableRowError, applied_of
from authorizations.services.verify.checking import Difference, estimated_count, fetch
from authorizations.services.verify.ranges import WHOLE, Ids, Range, entries_in, requests_in
from authorizations.services.verify.running_sums import LedgerChange
from authorizations.services.verify.windows_as_of import WindowQuery

SIZE = 1_000
"""Decisions read at once."""

_SAMPLED = 10_000

_DECISIONS = """
SELECT
    webhook_request_id, id, position, extract(epoch FROM decided_at)::float8, approved_amount,
    request::text, context::text, usage::text, policies::text, exception_id,
    (
        -- What the event itself reports is counted before it is decided.
        SELECT json_agg(json_build_array(
            entry.amount, entry.cash_amount, entry.refunded_amount, entry.count, entry.cash_count
        ))
        FROM authorizations_ledgerentry AS entry
        WHERE entry.authorization_id = decision.authorization_id
            AND entry.event_id = decision.id AND entry.id > decision.position
            AND entry.cause <> ALL(%s)
    )::text AS reported
FROM authorizations_decision AS decision
WHERE webhook_request_id > %s AND webhook_request_id <= %s
    -- The others were decided without policies.
    AND decided_by = 'desk' AND position > 0
ORDER BY webhook_request_id
LIMIT %s
"""

_LAST_POSITION = "SELECT last_value FROM authorizations_ledgerentry_id_seq"

# The decisions after which to cut, estimated from some pages of the table.
_CUTS = """
SELECT percentile_disc(%s::float8[]) WITHIN GROUP (ORDER BY webhook_request_id)
FROM authorizations_decision TABLESAMPLE SYSTEM (%s)
"""

# The lowest position of the first decisions of a span: none of their entries has a lower id.
_BEGINNING = """
SELECT coalesce(min(position), %s) FROM (
    SELECT position FROM authorizations_decision
    WHERE webhook_request_id > %s AND webhook_request_id <= %s
        AND decided_by = 'desk' AND position > 0
    ORDER BY webhook_request_id
    LIMIT %s
) AS first
"""

_AFTER_DECIDING = [cause.value for cause in AFTER_DECIDING]


class Request(msgspec.Struct, frozen=True):
    """The part of a request that limits measure; `redecide` reads all of it."""

    created: int
    currency: str
    amount: int
    merchant: Merchant
    cashback_amount: int = 0


_decode_request = msgspec.json.Decoder(Request).decode
_decode_context = msgspec.json.Decoder(PurchaseContext).decode
_decode_usage = msgspec.json.Decoder(list[tuple[Window, WindowUsage]]).decode
_decode_reported = msgspec.json.Decoder(list[tuple[int, int, int, int, int]]).decode


class Row(NamedTuple):
    """A decision as _DECISIONS reads it; JSON as text, `decided_at` in Unix seconds."""

    webhook_request_id: int
    id: str
    position: int
    decided_at: float
    approved_amount: int
    request: str
    context: str
    usage: str
    policies: str
    exception_id: int | None
    reported: str | None


class _Policies(NamedTuple):
    """The policies in force for a decision, and the filters of their limits by key."""

    applied: tuple[AppliedControls, ...]
    filters: dict[str, LimitFilter]


class RecordedDecision(NamedTuple):
    """A decision's row, decoded.

    `queries` are the windows of `usage`, in the same order; `reported` are the changes that its
    own event reported, which were in the ledger before it was decided.
    """

    row: Row
    request: Request
    context: PurchaseContext
    applied: tuple[AppliedControls, ...]
    usage: list[tuple[Window, WindowUsage]]
    queries: list[WindowQuery]
    reported: list[LedgerChange]


class Span(NamedTuple):
    """A part of the record.

    The decisions of webhook requests above `after` up to `last`, and the ledger entries from
    `begin` up to, not including, `end`.
    """

    after: int
    last: int
    begin: int
    end: int


def spans(shares: Sequence[float] = (), part: Range = WHOLE) -> list[Span]:
    """The decisions and ledger entries there are now, cut after about these shares of them."""
    requests, entries = requests_in(part), entries_in(part)
    [(position,)] = fetch(_LAST_POSITION, [])
    end = position + 1 if part.until is None else entries.up_to + 1
    cuts = [requests.above, *_cuts(shares, requests, part), requests.up_to]
    begins = [
        int(fetch(_BEGINNING, [position + 1, after, last, SIZE])[0][0])
        for after, last in pairwise(cuts)
    ]
    begins[0] = min(begins[0], entries.above + 1) if requests.above else 0
    begins = list(accumulate(begins, max))
    ends = [*begins[1:], max(end, begins[-1])]
    return [Span(*span) for span in zip(cuts, cuts[1:], begins, ends, strict=False)]


def _cuts(shares: Sequence[float], requests: Ids, part: Range) -> list[int]:
    """The webhook request that each span but the last ends with."""
    if not part.is_whole:
        return [requests.above + int(share * requests.number) for share in shares]
    percent = min(100, 100 * _SAMPLED / max(estimated_count(Decision) or 0, 1))
    [(found,)] = fetch(_CUTS, [list(shares), percent])
    return [min(cut, requests.up_to) for cut in found or [0] * len(shares)]


def pieces(span: Span) -> Iterator[list[Row]]:
    """The span's decisions, up to SIZE at a time."""
    after = span.after
    while True:
        found = fetch(_DECISIONS, [_AFTER_DECIDING, after, span.last, SIZE])
        if not found:
            return
        rows = [Row(*row) for row in found]
        yield rows
        after = rows[-1].webhook_request_id


def read(row: Row) -> RecordedDecision | Difference:
    """Decode a row; a Difference says which part of it cannot be read."""
    try:
        request = _decode_request(row.request)
        policies = _policies(row.policies)
        usage = _decode_usage(row.usage)
        queries = []
        for window, _ in usage:
            concern = policies.filters.get(window.filter_key)
            if concern is None:
                what = f"filter of {window_words(window)}"
                raise UnreadableRowError(what, window.filter_key, "a limit's")
            length_s = request.created - window.start + 1 if window.rolling else 0
            queries.append((window, concern, length_s))
        return RecordedDecision(
            row=row,
            request=request,
            context=_decode_context(row.context),
            applied=policies.applied,
            usage=usage,
            queries=queries,
            reported=[
                LedgerChange(
                    request.created, request.currency, request.merchant, CountedUsage(*figures)
                )
                for figures in _decode_reported(row.reported or "[]")
            ],
        )
    except UnreadableRowError as damage:
        return Difference(f"decision {row.id}", damage.what, damage.kept, damage.found)
    except (*DAMAGED, msgspec.ValidationError) as problem:
        return Difference(f"decision {row.id}", "content", problem, "readable")


@lru_cache(maxsize=8192)
def _policies(text: str) -> _Policies:
    applied = applied_of(msgspec.json.decode(text))
    limits = (limit for policy in applied for limit in policy.controls.spending_limits)
    return _Policies(applied, {limit.filter.key: limit.filter for limit in limits})


def window_words(window: Window) -> str:
    of = window.currency or "count"
    return f"{scope_key(window.scope)}, {window.start} to {window.end}, {of}"
