"""The named statements that write.

WRITE         deliveries with their decisions and all that they change, at once
WRITE_BOOKS   changes of existing purchases without a delivery
WRITE_REPEAT  a delivery that came before
USE           exceptions that decisions have used
KEEP          transactions
FREEZE_CARD   a freeze of a card by a limit on attempts
"""

from django.db.models import Model

from authorizations.models import Decision, WebhookRequest

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
        cash_count = excluded.cash_count,
        attempt = coalesce(nullif(authorizations_authorization.attempt, ''), excluded.attempt),
        refused_by = CASE authorizations_authorization.attempt
            WHEN '' THEN excluded.refused_by ELSE authorizations_authorization.refused_by END
), {_ENTRIES_AND_USAGE}
"""  # noqa: S608 - all of it is written here
"""Writes deliveries, each with its decision, and all that they change.

A decision is written with the place of its request among the requests.
"""

USE = """
INSERT INTO authorizations_exceptionuse (instruction_id, decision_id, used_at, scopes)
SELECT instruction_id, decision_id, used_at, scopes
FROM json_populate_recordset(NULL::authorizations_exceptionuse, %(uses)s::json)
"""
"""Runs only with decisions that used one. Where one was used before it fails, and the transaction
with it: all that use one hold the lock of its card, so that this never happens."""

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

FREEZE_CARD = """
SELECT authorizations_freeze_card(
    %(card)s::text, %(limit)s::text, %(decision)s::text, %(created)s::bigint, %(minutes)s::int,
    %(reason)s::text
)
"""
"""Freezes a card from now on; `minutes` is null for until somebody lifts it.

The function runs with the owner's rights: who answers Stripe may write no other instruction.
"""
