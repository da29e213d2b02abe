"""The named statements that lock and look up; every decision begins with them.

    LOCK_…   cards, cardholders and groups (LOCK_ROWS: any of them, before the first write)
    DECIDED, PURCHASES, USAGE, POLICIES, STRAYS
             what is recorded, stored usage, and the policy versions, instructions and funds that
             are in force
    ANSWERS  the answers to an event that was decided before (only then)

Those that add up are in sum_statements.py, those that write in write_statements.py.

Rows must be locked first and read by a later statement: in READ COMMITTED a statement sees what was
committed when it began, so anything else that a waiting lock read, such as a sum or a policy, would
be out of date once it has the lock. Each LOCK_ returns locked rows alone.
"""

from authorizations.models.ledger import INDEXED_NETWORK_ID, LIMITS_READ

MERCHANT = ", ".join(LIMITS_READ)
"""SQL for the merchant that limits know a purchase by."""

_LOCKED = "ORDER BY id FOR NO KEY UPDATE"
"""Ordered by id, so that there is no deadlock. FOR NO KEY UPDATE doesn't block rows that refer to
the locked ones."""

LOCK_ROWS = f"""
WITH asked AS MATERIALIZED (
    SELECT id, root_id FROM authorizations_card WHERE id = ANY(%(cards)s::text[])
), root AS MATERIALIZED (
    SELECT id FROM authorizations_card WHERE id = ANY(ARRAY(SELECT root_id FROM asked))
    {_LOCKED}
), card AS MATERIALIZED (
    SELECT id, root_id FROM authorizations_card
    -- All roots are counted, where EXISTS would be content with the first.
    WHERE id = ANY(%(cards)s::text[]) AND (SELECT count(*) FROM root) > 0
    {_LOCKED}
), cardholder AS MATERIALIZED (
    SELECT id FROM authorizations_cardholder
    WHERE id = ANY(%(cardholders)s::text[]) AND (SELECT count(*) FROM card) >= 0
    {_LOCKED}
), card_group AS MATERIALIZED (
    SELECT id FROM authorizations_cardgroup
    WHERE id = ANY(%(groups)s::bigint[]) AND (SELECT count(*) FROM cardholder) >= 0
    {_LOCKED}
)
SELECT card.id, asked.root_id, card.root_id
FROM (SELECT count(*) FROM card_group) AS all_locked
LEFT JOIN (card JOIN asked USING (id)) ON TRUE
"""  # noqa: S608 - all of it is written here
"""Locks any rows in the same order: the roots of cards, the cards, cardholders, groups.

Returns each card with its root before and under the lock, or one row of nulls if there is no card.
"""


KEEP_CHAINS = """
WITH asked AS MATERIALIZED (
    SELECT id, root_id FROM authorizations_card WHERE id = ANY(%(cards)s::text[])
), root AS MATERIALIZED (
    SELECT id FROM authorizations_card WHERE id = ANY(ARRAY(SELECT root_id FROM asked))
    ORDER BY id FOR KEY SHARE
)
SELECT asked.id, asked.root_id
FROM (SELECT count(*) FROM root) AS all_locked CROSS JOIN asked
"""
"""Keeps the roots of cards from being hung under others, and waits for whoever is doing that.

Purchases neither wait for it nor are waited for. Returns each card with its root before the lock.
"""


LOCK_CARDS = f"""
SELECT
    id, root_id, replacement_for, cardholder_id, frozen, details_at, last4, brand, type, currency,
    status, group_id
FROM authorizations_card WHERE id = ANY(%(ids)s::text[]) {_LOCKED}
"""  # noqa: S608 - all of it is written here

LOCK_CARDHOLDERS = f"""
SELECT id, name FROM authorizations_cardholder WHERE id = ANY(%(ids)s::text[]) {_LOCKED}
"""  # noqa: S608 - all of it is written here

LOCK_GROUPS = f"""
SELECT id FROM authorizations_cardgroup WHERE id = ANY(%(ids)s::bigint[]) {_LOCKED}
"""  # noqa: S608 - all of it is written here

KNOWN_CARDS = """
SELECT id FROM authorizations_card WHERE id = ANY(%(ids)s::text[])
"""
"""Which of these cards have a row, locked or not."""


def skipping_locked(lock: str) -> str:
    """One of LOCK_CARDS, LOCK_CARDHOLDERS and LOCK_GROUPS, without rows that others have locked."""
    return f"{lock}SKIP LOCKED"


SETTINGS = """
SELECT
    set_config('enable_seqscan', 'off', TRUE),
    set_config('plan_cache_mode', 'force_generic_plan', TRUE),
    set_config('jit', 'off', TRUE),
    set_config(
        'lock_timeout', coalesce(%(patience)s::text, current_setting('lock_timeout')), TRUE
    )
"""
"""Settings of one transaction: how long it waits for each lock, and plans that use the indexes.

PostgreSQL plans by what it has counted in the tables, and has counted nothing in new ones: it would
read them whole, until autovacuum comes. Without a scan to choose there is one good plan for all
parameters; jit would be compiled for it where no index serves.
"""

SET_ACTOR = "SELECT set_config('desk.work', %(work)s, TRUE)"
"""Says who changes what the history covers, until the transaction ends: see runtime.actor."""


def _asked(metadata: str) -> str:
    """SQL for what of this metadata the groups' rules ask for."""
    return f"""(
        SELECT coalesce(jsonb_object_agg(key, value), '{{}}') FROM jsonb_each({metadata}::jsonb)
        WHERE key IN (SELECT metadata_key FROM authorizations_cardgroup WHERE metadata_key <> '')
    )"""  # noqa: S608 - of constants


CREATE_CARD = f"""
WITH holder AS (
    INSERT INTO authorizations_cardholder
        (id, name, details_at, metadata, metadata_at, first_seen)
    VALUES (
        %(cardholder_id)s, %(cardholder_name)s, %(named_at)s,
        {_asked("%(cardholder_metadata)s")}, %(cardholder_metadata_at)s, now()
    )
    ON CONFLICT DO NOTHING
    RETURNING id
), wanted AS (
    SELECT CASE WHEN count(*) = 1 THEN min(id) END AS group_id
    FROM authorizations_cardgroup WHERE metadata_key <> '' AND metadata_value = coalesce(
        %(metadata)s::jsonb ->> metadata_key,
        coalesce(
            %(cardholder_metadata)s::jsonb,
            (SELECT metadata FROM authorizations_cardholder WHERE id = %(cardholder_id)s)
        ) ->> metadata_key
    )
)
INSERT INTO authorizations_card (
    id, cardholder_id, root_id, replacement_for, group_id, grouped_by, metadata, metadata_at, last4,
    brand, type, currency, status, frozen, frozen_reason, details_at, first_seen
)
SELECT
    %(id)s, %(cardholder_id)s, %(id)s, '', wanted.group_id,
    CASE WHEN wanted.group_id IS NULL THEN '' ELSE 'rule' END,
    {_asked("%(metadata)s")}, %(metadata_at)s, %(last4)s, %(brand)s, %(type)s, %(currency)s,
    %(status)s, FALSE, '', %(details_at)s, now()
FROM (SELECT count(*) FROM holder) AS first, wanted  -- in the order of all locks
ON CONFLICT DO NOTHING
RETURNING id
"""  # noqa: S608 - all of it is written here
"""A card that replaces none, and its cardholder, unless they are there; returns a new card's id.

It is in the group whose rule asks for its metadata, or else its cardholder's, if just one does.
"""

DECIDED = """
SELECT id FROM authorizations_decision WHERE id = ANY(%(events)s::text[])
"""

PURCHASES = f"""
SELECT
    id, card_id, cardholder_id, group_id, currency, extract(epoch FROM created)::bigint,
    books::text, attempt, refused_by, {MERCHANT}
FROM authorizations_authorization WHERE id = ANY(%(authorizations)s::text[])
"""  # noqa: S608 - all of it is written here


def _usage(at: str, purchase: str = "") -> str:
    """SQL for the stored usage of scopes, each around a time, that a purchase then may change.

    These are windows of limits and the minute, hour and day around the time. The hour and day
    before are read as well: they show that a scope is busy if nothing is stored around the time
    yet.
    """
    return f"""
SELECT
    usage.scope, window_start, window_end, filter_key, filter, usage.currency, amount,
    usage.refunded_amount, usage.count, piece_seconds
FROM {purchase or "unnest(%(scopes)s::text[], %(times)s::bigint[]) AS needed(scope, at)"}
CROSS JOIN (VALUES
    (0, 0, 253402300800), (60, 0, 60), (3600, 3600, 3600), (86400, 86400, 86400)
) AS length(seconds, earlier, later)
CROSS JOIN LATERAL (
    SELECT * FROM authorizations_usage
    WHERE scope = needed.scope AND piece_seconds = seconds
        AND window_end > {at} - earlier AND window_end <= {at} + later AND window_start <= {at}
    OFFSET 0  -- each looked up by the whole key, where past windows come first and are not read
) AS usage
"""  # noqa: S608 - all of it is written here


USAGE = _usage("at")

USAGE_OF_LINKED = _usage(
    "at",
    """(
    SELECT scope, extract(epoch FROM created)::bigint AS at
    FROM unnest(%(scopes)s::text[], %(authorizations)s::text[]) AS named(scope, authorization_id)
    JOIN authorizations_authorization ON id = authorization_id
) AS needed""",
)
"""As USAGE, around the times at which authorizations were created that only their ids tell."""

POLICIES = """
SELECT scope, version_id, NULL, policy_id, each
FROM (
    SELECT assignment.scope, assignment.each, policy.id AS policy_id, CASE
        WHEN statement_timestamp() < policy.planned_until
        THEN authorizations_version_at(policy.id, statement_timestamp())
        ELSE policy.current_version_id
    END AS version_id
    FROM authorizations_assignment assignment
    CROSS JOIN LATERAL (
        SELECT * FROM authorizations_policy WHERE id = assignment.policy_id
        OFFSET 0
    ) AS policy
    WHERE assignment.scope = ANY('program:'::text || %(scopes)s::text[])
    OFFSET 0  -- so that the version is found once
) AS assigned
WHERE version_id IS NOT NULL
UNION ALL
SELECT open.scope, instruction_id, told, NULL, NULL
FROM unnest('program:'::text || %(scopes)s::text[]) AS asked(scope)
CROSS JOIN LATERAL (
    SELECT * FROM authorizations_openinstruction AS one WHERE one.scope = asked.scope
    -- By the clock of this statement, which begins when all rows are locked.
    AND one.starts_at <= statement_timestamp()
    AND (one.ends_at IS NULL OR statement_timestamp() < one.ends_at)
    OFFSET 0  -- each scope is looked up, also by a plan made while the table was empty
) AS open
UNION ALL
SELECT pot.scope, id, json_build_object(
    'kind', 'pot', 'policy', policy_id, 'limit', limit_key, 'currency', currency,
    'amount', amount, 'since', since
)::text, NULL, NULL
FROM unnest(%(measured)s::text[]) AS measured(scope)
CROSS JOIN LATERAL (
    SELECT * FROM authorizations_potsum AS one WHERE one.scope = measured.scope
    OFFSET 0
) AS pot
"""
"""The policies assigned to scopes, with the version in force and whose own its limits are;
instructions and pots there."""

_ATTEMPTS_OF_CARD = f"""
    SELECT attempt.*
    FROM unnest(chain.cards) AS card(id)
    CROSS JOIN LATERAL (
        SELECT * FROM (
            SELECT *, row_number() OVER () AS scanned FROM (
                SELECT
                    created, id, refused_by, {MERCHANT}
                FROM authorizations_authorization
                WHERE card_id = card.id AND {{attempts}}
                    AND created >= to_timestamp(begun.start)
                    AND created < to_timestamp(needed."end")
                ORDER BY created DESC LIMIT %(at_once)s::int + 1
            ) AS latest
        ) AS numbered
        WHERE scanned > %(at_once)s::int OR id <> needed.own
            AND position(' ' || needed.name || ' ' IN ' ' || refused_by || ' ') = 0
        LIMIT needed.most
    ) AS attempt
    WHERE {{asked}}
"""  # noqa: S608 - all of it is written here
_DECLINED = _ATTEMPTS_OF_CARD.format(attempts="attempt = 'declined'", asked="needed.declined_only")
_ALL = _ATTEMPTS_OF_CARD.format(
    attempts="attempt IN ('approved', 'declined')", asked="NOT needed.declined_only"
)


def _attempts(of_cards: str) -> str:
    return f"""
SELECT
    needed.place, begun.start, begun.has_frozen, extract(epoch FROM created)::bigint,
    scanned > %(at_once)s::int, {MERCHANT}
FROM json_to_recordset(%(limits)s::json) AS needed(
    place int, root text, own text, name text, start bigint, "end" bigint,
    declined_only boolean, most int
)
CROSS JOIN LATERAL (
    SELECT ARRAY(SELECT id FROM authorizations_card WHERE root_id = needed.root) AS cards
    OFFSET 0  -- so that it is read once
) AS chain
CROSS JOIN LATERAL (
    -- Where somebody has lifted its freeze, a limit begins anew with what came after.
    SELECT
        greatest(needed.start, last.lifted + 1) AS start,
        coalesce(last.frozen > coalesce(last.lifted, -1), FALSE) AS has_frozen
    FROM (
        SELECT
            max(found.created) FILTER (WHERE lifting.instruction_id IS NOT NULL) AS lifted,
            max(found.created) FILTER (WHERE found.created < needed."end") AS frozen
        FROM (
            SELECT one.id, (terms ->> 'created')::bigint AS created
            FROM unnest(chain.cards) AS card(id)
            JOIN authorizations_instruction AS one ON scope = 'card:' || card.id
            WHERE kind = 'freeze' AND terms ? 'attempts' AND terms ->> 'attempts' = needed.name
                AND (terms ->> 'created')::bigint >= needed.start
        ) AS found
        LEFT JOIN authorizations_lifting AS lifting ON lifting.instruction_id = found.id
    ) AS last
    OFFSET 0
) AS begun
LEFT JOIN LATERAL ({of_cards}) AS attempt ON TRUE
"""  # noqa: S608 - all of it is written here


ATTEMPTS = {
    (True,): _attempts(_DECLINED),
    (False,): _attempts(_ALL),
    (False, True): _attempts(f"{_DECLINED} UNION ALL {_ALL}"),
}
"""The latest attempts of cards that limits on attempts count, of each card no more than `most`.

By whether the limits count declined ones only: a smaller statement is begun in less time. A limit's
name is its policy's id and its key. Of a card with more than `at_once` attempts that the limit may
count there is a row that says so, unless it counts `most` of the latest ones.
"""


def first_purchases(counts: str) -> str:
    """SQL for whether cards have an earlier purchase at a merchant, in a category, in a country.

    `counts` says which authorizations, as `purchase`, are purchases. What is not asked is null.
    kinds.first_purchases.is_same compares in the same way.
    """
    country = "merchant_country = asked.country"
    code = "category_code = asked.code"
    # The index has the beginning alone.
    begins = f"left(network_id, {INDEXED_NETWORK_ID})"
    network_id = f"""{begins} = left(asked.network_id, {INDEXED_NETWORK_ID})
            AND network_id = asked.network_id"""

    def of_chain(alike: str) -> str:
        return f"""authorizations_authorization AS purchase
        WHERE card_id = ANY(chain.cards) AND {alike} AND id <> asked.own AND {counts}"""

    def is_there(alike: str) -> str:
        return f"EXISTS (SELECT FROM {of_chain(alike)})"

    def is_named(alike: str) -> str:
        # Folding takes longer than reading a name, so each is folded once.
        return f"""(asked.name <> '' AND EXISTS (
        SELECT FROM (SELECT DISTINCT merchant_name FROM {of_chain(alike)} OFFSET 0) AS named
        WHERE authorizations_folded(merchant_name) = asked.name
    ))"""  # noqa: S608 - all of it is written here

    return f"""
SELECT
    asked.place,
    CASE WHEN NOT of_merchant THEN NULL WHEN asked.network_id = '' THEN {is_named(country)}
    ELSE {is_there(network_id)} OR {is_named(f"{country} AND {begins} = ''")} END,
    CASE WHEN NOT of_category THEN NULL WHEN asked.code <> '' THEN {is_there(code)}
    ELSE {is_there(f"{code} AND category = asked.category_name")} END,
    CASE WHEN of_country THEN {is_there(country)} END
FROM json_to_recordset(%(asked)s::json) AS asked(
    place int, own text, root text, country text, code text, category_name text, network_id text,
    name text, position bigint, of_merchant boolean, of_category boolean, of_country boolean
)
CROSS JOIN LATERAL (
    SELECT ARRAY(SELECT id FROM authorizations_card WHERE root_id = asked.root) AS cards
    OFFSET 0  -- so that the index is always read by the card
) AS chain
"""  # noqa: S608 - all of it is written here


FIRST_PURCHASES = first_purchases("count > 0")
"""What each purchase that is asked about is not the first one of."""

STRAYS = """
SELECT DISTINCT linked FROM authorizations_transaction
WHERE linked = ANY(%(authorizations)s::text[]) AND linked <> '' AND booked_under <> linked
"""

DELIVERED = """
SELECT DISTINCT event_id FROM authorizations_webhookrequest
WHERE event_id = ANY(%(events)s::text[])
"""

TRANSACTIONS = """
SELECT id, reported_at, linked, booked_under FROM authorizations_transaction
WHERE id = ANY(%(ids)s::text[])
"""

FINDINGS = """
SELECT authorization_id, kind, subject, state, amount, description, done
FROM authorizations_finding WHERE authorization_id = ANY(%(authorizations)s::text[])
"""

EXCEEDED = """
SELECT DISTINCT measured
FROM authorizations_findingwindow AS exceeded
JOIN authorizations_finding AS finding ON finding.id = exceeded.finding_id
WHERE finding.state <> 'gone' AND measured = ANY(%(scopes)s::text[] || ARRAY(
    SELECT 'card:' || id FROM authorizations_card WHERE root_id = ANY(%(roots)s::text[])
))
"""
"""The scopes in which a finding says that a limit is exceeded, those of replaced cards too."""

VERSIONS = """
SELECT id, number, content FROM authorizations_policyversion WHERE id = ANY(%(ids)s::bigint[])
"""

NOTE_UNCOUNTED = """
INSERT INTO authorizations_uncountedwindow (
    scope, window_start, window_end, filter_key, currency, rolling, filter, counted_to, counted,
    purchases
)
VALUES (
    %(scope)s, %(window_start)s, %(window_end)s, %(filter_key)s, %(currency)s, %(rolling)s,
    %(filter)s, %(counted_to)s, 0, 0
)
ON CONFLICT DO NOTHING
"""

ANSWERS = """
WITH RECURSIVE answer AS (
    SELECT 0 AS number, decision.* FROM authorizations_decision AS decision
    WHERE id = %(event)s
    UNION ALL
    SELECT answer.number + 1, decision.* FROM answer CROSS JOIN LATERAL (
        SELECT * FROM authorizations_decision
        WHERE id = %(event)s || '/answered'
            || CASE WHEN answer.number = 0 THEN '' ELSE '/' || (answer.number + 1) END
        LIMIT 1  -- of one key, so never the whole table
    ) AS decision
)
SELECT
    answer.id, supersedes, answer.answer, reason, approved_amount, decided_at,
    request.received_at, request.body_sha256, request.body
FROM answer
LEFT JOIN LATERAL (
    SELECT received_at, body_sha256, coalesce((
        -- A repeat refers to the body kept first.
        SELECT body FROM authorizations_webhookrequest AS first WHERE first.id = own.repeats_id
    ), body) AS body
    FROM authorizations_webhookrequest AS own
    WHERE id = answer.webhook_request_id LIMIT 1
) AS request ON TRUE
ORDER BY number
"""
"""The decisions on an event, with the deliveries they answered; answers.next_id has their ids."""
