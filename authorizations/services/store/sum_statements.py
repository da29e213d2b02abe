"""The named statements that add up purchases: of windows without a stored sum, and in pieces."""

from authorizations.models.ledger import LIMITS_READ
from authorizations.services.store.statements import MERCHANT


def of_chain(root: str) -> str:
    """SQL condition: the purchase was made with a card of the chain of `root`."""
    chain = f"SELECT id FROM authorizations_card WHERE root_id = {root}"  # noqa: S608
    return f"card_id = ANY(ARRAY({chain}))"


def of_member(member: str, is_one: str = "TRUE") -> str:
    """SQL condition: the purchase was made by a member, "3:ich_1", with a card of the group.

    False where `is_one` is: the id of another scope has no group to be read.
    """
    return (
        f"cardholder_id = substr({member}, strpos({member}, ':') + 1) AND group_id = "
        f"CASE WHEN {is_one} THEN split_part({member}, ':', 1)::bigint END"
    )


def within(start: str, end: str) -> str:
    """SQL for the purchases of the scope `needed.kind`, `needed.id` created in [start, end)."""
    span = f"created >= to_timestamp({start}) AND created < to_timestamp({end})"
    return f"""(
        SELECT * FROM authorizations_authorization
        WHERE needed.kind = 'card' AND {of_chain("needed.id")} AND {span}
        UNION ALL
        SELECT * FROM authorizations_authorization
        WHERE needed.kind = 'cardholder' AND cardholder_id = needed.id AND {span}
        UNION ALL
        SELECT * FROM authorizations_authorization
        WHERE group_id = CASE WHEN needed.kind = 'group' THEN needed.id::bigint END AND {span}
        UNION ALL
        SELECT * FROM authorizations_authorization
        WHERE needed.kind = 'member'
            AND {of_member("needed.id", "needed.kind = 'member'")} AND {span}
    )"""  # noqa: S608 - all of it is written here


WITHIN = within("needed.start", 'needed."end"')
"""As `within`, for the columns of `needed`."""

_SPENT = f"""
        FROM unnest(needed.spans) AS span
        CROSS JOIN LATERAL {within("lower(span)", "upper(span)")} AS purchase
"""

_SUMMED = """
        coalesce(sum(counted_amount) FILTER (WHERE is_seen), 0)::bigint,
        coalesce(sum(counted_cash) FILTER (WHERE is_seen), 0)::bigint,
        coalesce(sum(refunded_amount) FILTER (WHERE is_seen), 0)::bigint,
        coalesce(sum(count) FILTER (WHERE is_seen), 0)::bigint,
        coalesce(sum(cash_count) FILTER (WHERE is_seen), 0)::bigint,
        count(*)
"""

_SEEN = """
        extract(epoch FROM created)::bigint / needed.grain * needed.grain AS since,
        needed.currency IN ('', purchase.currency) AS is_seen,
        counted_amount, counted_cash, refunded_amount, count, cash_count
"""

# Without the merchant, an index-only scan is enough.
SUM = f"""
SELECT needed.place, summed.*
FROM jsonb_to_recordset(%(ranges)s::jsonb) AS needed(
    place int, kind text, id text, spans int8multirange, currency text, by_merchant boolean,
    grain bigint, most bigint
)
CROSS JOIN LATERAL (
    SELECT since, {", ".join(["''"] * len(LIMITS_READ))}, {_SUMMED}
    FROM (
        SELECT {_SEEN} {_SPENT}
        WHERE NOT needed.by_merchant
        LIMIT needed.most
    ) AS purchase
    GROUP BY since
    UNION ALL
    SELECT since, {MERCHANT}, {_SUMMED}
    FROM (
        SELECT {MERCHANT}, {_SEEN} {_SPENT}
        WHERE needed.by_merchant
        LIMIT needed.most
    ) AS purchase
    GROUP BY since, {MERCHANT}
) AS summed
ORDER BY 1, 2
"""  # noqa: S608 - all of it is written here
"""Sums of the purchases in spans of time, by `grain` seconds and, if asked, by merchant.

Reads at most `most` purchases (null: all); the last column is the number read.
"""


def _remembered(seconds: int, start: str, end: str) -> str:
    """SQL for the pieces of this length in [start, end), looked up span by span."""
    return f"""(
        SELECT window_start, window_end, amount, refunded_amount, count FROM authorizations_usage
        WHERE scope = needed.scope AND piece_seconds = {seconds}
            AND window_end > {start} AND window_end <= {end} AND window_start >= {start}
            AND filter_key = needed.filter_key AND currency = needed.currency
        OFFSET 0
    )"""  # noqa: S608 - all of it is written here


def _gaps(pieces: str) -> str:
    """SQL for the spans of each window that these pieces don't cover."""
    return f"""(
        SELECT place, unnest(int8multirange(int8range(start, "end")) - coalesce(
            (
                SELECT range_agg(int8range(window_start, window_end))
                FROM ({pieces}) AS piece WHERE piece.place = needed.place
            ),
            '{{}}'
        )) AS span
        FROM needed
    )"""  # noqa: S608 - all of it is written here


PIECES = f"""
WITH needed AS MATERIALIZED (
    SELECT *, kind || ':' || id AS scope FROM jsonb_to_recordset(%(windows)s::jsonb) AS needed(
        place int, kind text, id text, start bigint, "end" bigint, filter_key text, currency text,
        longest int
    )
), day AS MATERIALIZED (
    SELECT place, usage.*
    FROM needed
    CROSS JOIN LATERAL {_remembered(86_400, "needed.start", 'needed."end"')} AS usage
    WHERE longest >= 86400
), hour AS MATERIALIZED (
    SELECT place, usage.*
    FROM {_gaps("SELECT * FROM day")} AS gap
    JOIN needed USING (place)
    CROSS JOIN LATERAL {_remembered(3_600, "lower(span)", "upper(span)")} AS usage
    WHERE longest >= 3600
)
SELECT * FROM day
UNION ALL
SELECT * FROM hour
UNION ALL
SELECT place, usage.*
FROM {_gaps("SELECT * FROM day UNION ALL SELECT * FROM hour")} AS gap
JOIN needed USING (place)
CROSS JOIN LATERAL {_remembered(60, "lower(span)", "upper(span)")} AS usage
ORDER BY 1, 2
"""  # noqa: S608 - all of it is written here
"""The stored days in windows, the hours between these, and the minutes between all of them."""
