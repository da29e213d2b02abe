"""The named statements of the decision path, in the order they run.

    LOCK_…   cards, cardholders and groups (LOCK_ROWS: any of them, before the first write)
    DECIDED, PURCHASES, USAGE, POLICIES, STRAYS
             what is recorded, stored usage and the policy versions in force
    SUM      usage that is not stored, and rolling windows (only if a limit needs them)
    ANSWERS  the answers to an event that was decided before (only then)
    WRITE    all rows at once (writing.py)
    KEEP     transactions (only if there are any)

Rows must be locked first and read by a later statement: in READ COMMITTED a statement sees what was
committed when it began, so anything else that a waiting lock read, such as a sum or a policy, would
be out of date once it has the lock. Each LOCK_ returns locked rows alone.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

from django.db.models import Model

from authorizations.models import Decision, WebhookRequest
from authorizations.services.runtime import pipeline
from authorizations.services.runtime.pipeline import Statement

T = TypeVar("T")

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

CREATE_CARD = """
WITH holder AS (
    INSERT INTO authorizations_cardholder (id, name, details_at, first_seen)
    VALUES (%(cardholder_id)s, %(cardholder_name)s, %(named_at)s, now())
    ON CONFLICT DO NOTHING
    RETURNING id
)
INSERT INTO authorizations_card (
    id, cardholder_id, root_id, replacement_for, last4, brand, type, currency, status, frozen,
    frozen_reason, details_at, first_seen
)
SELECT
    %(id)s, %(cardholder_id)s, %(id)s, '', %(last4)s, %(brand)s, %(type)s, %(currency)s,
    %(status)s, FALSE, '', %(details_at)s, now()
FROM (SELECT count(*) FROM holder) AS first  -- in the order of all locks
ON CONFLICT DO NOTHING
RETURNING id
"""
"""A card that replaces none, and its cardholder, unless they are there; returns a new card's id."""

DECIDED = """
SELECT id FROM authorizations_decision WHERE id = ANY(%(events)s::text[])
"""

PURCHASES = """
SELECT
    id, card_id, cardholder_id, group_id, currency, extract(epoch FROM created)::bigint,
    books::text, category, category_code, merchant_country, merchant_name, network_id
FROM authorizations_authorization WHERE id = ANY(%(authorizations)s::text[])
"""


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
SELECT assignment.scope, policy.current_version_id
FROM authorizations_assignment assignment
JOIN authorizations_policy policy ON policy.id = assignment.policy_id
WHERE policy.current_version_id IS NOT NULL
    AND assignment.scope = ANY('program:'::text || %(scopes)s::text[])
"""

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


def of_chain(root: str) -> str:
    """SQL condition: the purchase was made with a card of the chain of `root`."""
    chain = f"SELECT id FROM authorizations_card WHERE root_id = {root}"  # noqa: S608
    return f"card_id = ANY(ARRAY({chain}))"


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
    SELECT since, '', '', '', '', '', {_SUMMED}
    FROM (
        SELECT {_SEEN} {_SPENT}
        WHERE NOT needed.by_merchant
        LIMIT needed.most
    ) AS purchase
    GROUP BY since
    UNION ALL
    SELECT
        since, category, category_code, merchant_country, merchant_name, network_id, {_SUMMED}
    FROM (
        SELECT
            category, category_code, merchant_country, merchant_name, network_id, {_SEEN} {_SPENT}
        WHERE needed.by_merchant
        LIMIT needed.most
    ) AS purchase
    GROUP BY 1, 2, 3, 4, 5, 6
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

_NUMBERS = """
number AS MATERIALIZED (
    -- Under the lock: entries of these scopes written before have lower numbers, later ones higher.
    SELECT place, nextval(pg_get_serial_sequence('authorizations_ledgerentry', 'id')) AS drawn
    FROM generate_series(1, %(numbers)s::int) AS place
)
"""
"""Part of WRITE and WRITE_BOOKS: as many numbers of the ledger as rows are given one, in order.

An entry's id and a decision's position are written as their place among them.
"""

_ENTRIES_AND_USAGE = """entry AS (
    INSERT INTO authorizations_ledgerentry (
        id, authorization_id, event_id, cause, amount, cash_amount, refunded_amount, count,
        cash_count, currency, entered_at, author, reason
    )
    SELECT
        number.drawn, authorization_id, event_id, cause, amount, cash_amount, refunded_amount,
        count, cash_count, currency, entered_at, author, reason
    FROM json_populate_recordset(NULL::authorizations_ledgerentry, %(entries)s::json) AS written
    JOIN number ON number.place = written.id
)
INSERT INTO authorizations_usage
SELECT * FROM json_populate_recordset(NULL::authorizations_usage, %(usage)s::json)
ON CONFLICT (scope, piece_seconds, window_end, window_start, filter_key, currency) DO UPDATE SET
    -- The scope is locked, so what was read has not changed.
    amount = excluded.amount,
    refunded_amount = excluded.refunded_amount,
    count = excluded.count
"""
"""Part of WRITE and WRITE_BOOKS: the ledger entries and usage of any change."""


def _columns(model: type[Model], *, but: dict[str, str]) -> tuple[str, str]:
    """The columns of a table, and what is selected for them; `but` has those not taken as written.

    Columns that `but` names with "" are left to the database.
    """
    names = [field.column for field in model._meta.concrete_fields if field.column]  # noqa: SLF001
    names = [name for name in names if but.get(name, name)]
    return ", ".join(names), ", ".join(but.get(name, f"written.{name}") for name in names)


_REQUEST, _FROM_REQUEST = _columns(WebhookRequest, but={"id": "", "body": "written.unnest"})
_DECISION, _FROM_DECISION = _columns(
    Decision,
    but={"webhook_request_id": "request.id", "position": "coalesce(number.drawn, 0)"},
)

WRITE = f"""
WITH {_NUMBERS}, inserted AS (
    INSERT INTO authorizations_webhookrequest ({_REQUEST})
    SELECT {_FROM_REQUEST}
    FROM ROWS FROM (
        json_populate_recordset(NULL::authorizations_webhookrequest, %(requests)s::json),
        unnest(%(bodies)s::bytea[])
    ) WITH ORDINALITY AS written
    ORDER BY written.ordinality
    RETURNING id
), request AS (
    SELECT id, row_number() OVER (ORDER BY id) AS place FROM inserted
), decision AS (
    INSERT INTO authorizations_decision ({_DECISION})
    SELECT {_FROM_DECISION}
    FROM json_populate_recordset(NULL::authorizations_decision, %(decisions)s::json) AS written
    JOIN request ON request.place = written.webhook_request_id
    LEFT JOIN number ON number.place = written.position
), purchase AS (
    INSERT INTO authorizations_authorization
    SELECT * FROM json_populate_recordset(
        NULL::authorizations_authorization, %(purchases)s::json
    )
    ON CONFLICT (id) DO UPDATE SET
        status = excluded.status,
        books = excluded.books,
        captured_amount = excluded.captured_amount,
        is_held = excluded.is_held,
        counted_amount = excluded.counted_amount,
        counted_cash = excluded.counted_cash,
        refunded_amount = excluded.refunded_amount,
        count = excluded.count,
        cash_count = excluded.cash_count
), {_ENTRIES_AND_USAGE}
"""  # noqa: S608 - all of it is written here
"""Writes deliveries, each with its decision, and all that they change.

A decision is written with the place of its request among the requests.
"""

_FIRST = """
SELECT id FROM authorizations_webhookrequest
WHERE event_id = %(event)s AND event_id <> '' AND body_sha256 = %(sha256)s AND repeats_id IS NULL
ORDER BY id LIMIT 1
"""

FIRST = f"""
WITH first AS MATERIALIZED ({_FIRST})
SELECT first.id, NOT EXISTS (
    SELECT FROM authorizations_unappliedevent
    WHERE event_id = %(event)s AND applied_at IS NULL
) FROM first
"""  # noqa: S608 - all of it is written here
"""The delivery that brought a body first, and whether its event has been applied."""

WRITE_REPEAT = f"""
WITH first AS MATERIALIZED (
    SELECT coalesce(%(first)s::bigint, ({_FIRST})) AS id
), recent AS MATERIALIZED (
    SELECT count(*) AS number FROM (
        SELECT FROM authorizations_webhookrequest
        WHERE event_id = %(event)s AND event_id <> '' AND body_sha256 = %(sha256)s
            AND received_at > %(now)s::timestamptz - interval '1 minute'
        LIMIT %(most)s
    ) AS delivery
), kept AS (
    INSERT INTO authorizations_webhookrequest (
        received_at, sender, headers, body, body_sha256, masked_sha256, signing_key, event_id,
        event_type, about, api_version, account, livemode, answer_status, answer_body, timings,
        repeats_id
    )
    SELECT
        received_at, sender, headers, CASE WHEN first.id IS NULL THEN %(body)s::bytea ELSE '' END,
        body_sha256, masked_sha256, signing_key, event_id,
        event_type, about, api_version, account, livemode, answer_status, answer_body, timings,
        first.id
    FROM jsonb_populate_record(NULL::authorizations_webhookrequest, %(request)s::jsonb) AS written
    CROSS JOIN first CROSS JOIN recent
    WHERE recent.number < %(most)s
    RETURNING id
), counted AS (
    INSERT INTO authorizations_repeatedminute (request_id, minute, count)
    SELECT first.id, date_trunc('minute', %(now)s::timestamptz), 1
    FROM first CROSS JOIN recent WHERE recent.number >= %(most)s
    ON CONFLICT (request_id, minute) DO UPDATE SET count = authorizations_repeatedminute.count + 1
)
SELECT coalesce((SELECT id FROM kept), first.id), EXISTS (SELECT FROM kept) FROM first
"""  # noqa: S608 - all of it is written here
"""Records a repeated delivery: a row that refers to the first one's body, or only a count."""

WRITE_BOOKS = f"""
WITH {_NUMBERS}, changed AS (
    SELECT * FROM json_populate_recordset(
        NULL::authorizations_authorization, %(purchases)s::json
    )
), purchase AS (
    UPDATE authorizations_authorization purchase SET
        status = changed.status,
        books = changed.books,
        captured_amount = changed.captured_amount,
        is_held = changed.is_held,
        counted_amount = changed.counted_amount,
        counted_cash = changed.counted_cash,
        refunded_amount = changed.refunded_amount,
        count = changed.count,
        cash_count = changed.cash_count
    FROM changed WHERE purchase.id = changed.id
), {_ENTRIES_AND_USAGE}
"""  # noqa: S608 - all of it is written here
"""As WRITE, for existing purchases, without a request. Needs no right to insert purchases."""


KEEP = """
INSERT INTO authorizations_transaction
SELECT * FROM jsonb_populate_recordset(NULL::authorizations_transaction, %(transactions)s::jsonb)
ON CONFLICT (id) DO UPDATE SET
    type = excluded.type,
    amount = excluded.amount,
    currency = excluded.currency,
    merchant_amount = excluded.merchant_amount,
    merchant_currency = excluded.merchant_currency,
    merchant_name = excluded.merchant_name,
    created = excluded.created,
    card_id = excluded.card_id,
    linked = excluded.linked,
    booked_under = excluded.booked_under,
    reported_at = excluded.reported_at
"""
"""Writes transactions as they are booked now; an event may list a thousand."""


class Call(NamedTuple):
    """A function that uses Django's ORM or may wait; answered with what it returns.

    `within_s` is how long an event loop waits for it, if not to the end of the plan's time.
    """

    work: Callable[[], Any]
    within_s: float | None = None


Plan: TypeAlias = Generator[Sequence[Statement | Call], list[Any], T]
"""A generator that yields what it asks of the database, and returns the result of it all.

It yields a list of statements and calls, and is sent a list of answers. It holds no connection. A
database error is raised at the `yield`.
"""


def ask(text: str, **parameters: Any) -> Plan[list[tuple[Any, ...]]]:
    """Run one statement; returns its rows."""
    [rows] = yield [Statement(text, parameters)]
    return cast("list[tuple[Any, ...]]", rows)


def call(work: Callable[[], T], within_s: float | None = None) -> Plan[T]:
    """Call a function that uses the ORM or may wait; returns its result."""
    [result] = yield [Call(work, within_s)]
    return cast("T", result)


def drive(plan: Plan[T]) -> T:
    """Run a plan on this thread's connection; the statements of one list in one round trip.

    Returns what the plan returns. Raises django.db.Error as pipeline.run does, and whatever the
    plan raises.
    """
    try:
        asked = next(plan)
        while True:
            try:
                answers = _answers(asked)
            except Exception as error:  # noqa: BLE001 - the plan may handle it
                asked = plan.throw(error)
            else:
                asked = plan.send(answers)
    except StopIteration as done:
        return cast("T", done.value)
    finally:
        plan.close()


def _answers(asked: Sequence[Statement | Call]) -> list[Any]:
    statements = [one for one in asked if isinstance(one, Statement)]
    if len(statements) == len(asked):
        return pipeline.run(statements)
    return [one.work() if isinstance(one, Call) else pipeline.run([one])[0] for one in asked]
