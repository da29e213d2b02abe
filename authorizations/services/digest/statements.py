"""The statements that fill the digest.

Each takes the decisions of the webhook requests above `above`, up to `up_to`, once.
"""

# The merchants of decisions, and those that other events report for purchases and transactions.
NAMES = """
INSERT INTO authorizations_merchantname (name)
SELECT merchant_name
FROM authorizations_decision
WHERE webhook_request_id > %(above)s AND webhook_request_id <= %(up_to)s AND merchant_name <> ''
UNION
SELECT reported.merchant_name
FROM authorizations_webhookrequest AS request
CROSS JOIN LATERAL (
    SELECT merchant_name FROM authorizations_authorization WHERE id = request.about
    UNION ALL
    SELECT merchant_name FROM authorizations_transaction
    WHERE id = request.about OR booked_under = request.about
) AS reported
WHERE request.id > %(above)s AND request.id <= %(up_to)s
    AND request.event_type <> 'issuing_authorization.request' AND reported.merchant_name <> ''
ON CONFLICT (name) DO NOTHING
"""

LISTED = """
INSERT INTO authorizations_listeddecision (
    webhook_request_id, decided_at, approved, is_partial, reason, amount, currency, category,
    category_code, merchant_country, merchant_id, card_id, cardholder_id, stand_in, exception_id,
    policies
)
SELECT
    webhook_request_id, decided_at, approved, is_partial, reason, amount, currency, category,
    category_code, merchant_country, merchant.id, card_id, cardholder_id,
    stand_in, exception_id,
    ARRAY (
        SELECT DISTINCT version.policy_id
        FROM jsonb_array_elements(decision.policies) AS applied
        JOIN authorizations_policyversion AS version
            ON version.id = (applied ->> 'version')::bigint
        ORDER BY version.policy_id
    )
FROM authorizations_decision AS decision
LEFT JOIN authorizations_merchantname AS merchant ON merchant.name = decision.merchant_name
WHERE webhook_request_id > %(above)s AND webhook_request_id <= %(up_to)s
ORDER BY webhook_request_id
"""

STRETCHES = """
INSERT INTO authorizations_stretch AS kept (number, earliest, latest)
SELECT webhook_request_id / %(length)s, min(decided_at), max(decided_at)
FROM authorizations_decision
WHERE webhook_request_id > %(above)s AND webhook_request_id <= %(up_to)s
GROUP BY 1
ON CONFLICT (number) DO UPDATE SET
    earliest = least(kept.earliest, excluded.earliest),
    latest = greatest(kept.latest, excluded.latest)
"""

# A request of the other mode is no purchase of this one: it counts as a reason only.
TALLIES = """
INSERT INTO authorizations_tally AS kept (
    dimension, quarter, value, currency, approved, decisions, amount, approved_amount
)
SELECT
    dimension, date_bin(length::interval, decided_at, 'epoch'), value, currency, approved,
    count(*), coalesce(sum(amount), 0), sum(approved_amount)
FROM authorizations_decision
CROSS JOIN LATERAL (
    VALUES
        ('all', '15 minutes', ''), ('totals', '1 day', ''),
        ('reason', '15 minutes', reason), ('reasons', '1 day', reason),
        ('category', '15 minutes', category), ('categories', '1 day', category),
        ('country', '15 minutes', merchant_country), ('countries', '1 day', merchant_country)
) AS counted (dimension, length, value)
WHERE webhook_request_id > %(above)s AND webhook_request_id <= %(up_to)s
    AND (reason <> 'wrong_mode' OR dimension IN ('reason', 'reasons'))
GROUP BY 1, 2, 3, 4, 5
ON CONFLICT (dimension, quarter, value, currency, approved) DO UPDATE SET
    decisions = kept.decisions + excluded.decisions,
    amount = kept.amount + excluded.amount,
    approved_amount = kept.approved_amount + excluded.approved_amount
"""

TIMES = """
INSERT INTO authorizations_answertimes AS kept (quarter, bucket, decisions)
SELECT
    date_bin('15 minutes', decided_at, 'epoch'),
    ceil(ln(greatest(duration_us, 1)) / ln(1.05::float8)),
    count(*)
FROM authorizations_decision
WHERE webhook_request_id > %(above)s AND webhook_request_id <= %(up_to)s
    AND decided_by = 'desk'
GROUP BY 1, 2
ON CONFLICT (quarter, bucket) DO UPDATE SET decisions = kept.decisions + excluded.decisions
"""

SUMS = (STRETCHES, TALLIES, TIMES)
"""The statements that add to sums."""

# In the order in which readers name them, so that emptying and reading never deadlock.
TABLES = (
    *("authorizations_digestmark", "authorizations_listeddecision", "authorizations_stretch"),
    *("authorizations_merchantname", "authorizations_tally", "authorizations_answertimes"),
)
EMPTY = f"TRUNCATE {', '.join(TABLES)}"

LAST_DRAWN = """
SELECT coalesce(
    pg_sequence_last_value(pg_get_serial_sequence('authorizations_webhookrequest', 'id')), 0
)
"""

WRITERS = """
SELECT virtualtransaction FROM pg_locks
WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND relation = 'authorizations_webhookrequest'::regclass
"""

# The next piece: up to `size` decisions of the requests up to `settled`, and its last request.
PIECE = """
SELECT count(*), coalesce(max(webhook_request_id), 0) FROM (
    SELECT webhook_request_id FROM authorizations_decision
    WHERE webhook_request_id > %(above)s AND webhook_request_id <= %(settled)s
    ORDER BY webhook_request_id
    LIMIT %(size)s
) AS piece
"""

MOVE_MARK = """
INSERT INTO authorizations_digestmark (id, digested) VALUES (1, %(up_to)s)
ON CONFLICT (id) DO UPDATE SET digested = excluded.digested
"""
