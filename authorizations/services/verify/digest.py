"""Checks the digest against the decisions it is made from: row by row, and sum by sum.

The sums are made again in temporary tables with the same names as the real ones, which hide these
from the same statements. A sum that differs at the end missed a decision or counted one twice.
"""

from collections.abc import Iterator
from typing import Any

from django.db import connection, transaction

from authorizations.models import AnswerTimes, Stretch, Tally
from authorizations.services.digest import statements, update
from authorizations.services.verify.checking import Difference
from authz_project import pooler

_SUMMED: tuple[Any, ...] = (Stretch, Tally, AnswerTimes)
_MAX_SHOWN = 100

_LISTED = """
SELECT webhook_request_id, kept.facts::text, made.facts::text
FROM (
    SELECT webhook_request_id, row (
        decided_at, approved, is_partial, reason, amount, currency, category, category_code,
        merchant_country, coalesce(merchant.name, ''), card_id, cardholder_id, stand_in,
        exception_id, policies
    ) AS facts
    FROM authorizations_listeddecision
    LEFT JOIN authorizations_merchantname AS merchant ON merchant.id = merchant_id
    WHERE webhook_request_id > %(above)s AND webhook_request_id <= %(up_to)s
) AS kept
FULL JOIN (
    SELECT webhook_request_id, row (
        decided_at, approved, is_partial, reason, amount, currency, category, category_code,
        merchant_country, merchant_name, card_id, cardholder_id, stand_in, exception_id, (
            SELECT coalesce(array_agg(DISTINCT policy_id), '{}')
            FROM authorizations_policyversion
            WHERE decision.policies @> jsonb_build_array(jsonb_build_object('version', id))
        )
    ) AS facts
    FROM authorizations_decision AS decision
    WHERE webhook_request_id > %(above)s AND webhook_request_id <= %(up_to)s
) AS made USING (webhook_request_id)
WHERE kept.facts IS DISTINCT FROM made.facts
"""

# Whole rows as text, with all columns that the table has.
_DIFFERENT = """
SELECT kept::text, made::text
FROM (TABLE {real} EXCEPT TABLE {again}) AS kept
FULL JOIN (TABLE {again} EXCEPT TABLE {real}) AS made USING ({key})
LIMIT {limit}
"""


class NeedsSessionError(Exception):
    """Behind a pooler, a temporary table ends with the transaction that made it."""


def verify_digest() -> Iterator[list[Difference]]:
    """Yield the differences of each piece of decisions, and last those of the sums.

    Raises NeedsSessionError behind a pooler.
    """
    connection.ensure_connection()
    if pooler.is_noticed():
        raise NeedsSessionError
    with connection.cursor() as cursor:
        for model in _SUMMED:
            table = model._meta.db_table  # noqa: SLF001 - Django documents it
            cursor.execute(f"DROP TABLE IF EXISTS pg_temp.{table}")
            cursor.execute(f"CREATE TEMPORARY TABLE {table} (LIKE {table} INCLUDING ALL)")
    try:
        done = 0
        while (goal := update.mark()) > done:
            while done < goal:
                up_to = min(done + update.PIECE, goal)
                update.add(statements.SUMS, done, up_to)
                with connection.cursor() as cursor:
                    cursor.execute(_LISTED, {"above": done, "up_to": up_to})
                    rows = cursor.fetchall()
                yield [
                    Difference(f"decision of request {number}", "its row in the list", kept, made)
                    for number, kept, made in rows
                ]
                done = up_to
        yield _sum_differences(done)
    finally:
        with connection.cursor() as cursor:
            for model in _SUMMED:
                cursor.execute(f"DROP TABLE pg_temp.{model._meta.db_table}")  # noqa: SLF001


def _sum_differences(done: int) -> list[Difference]:
    """Compare the sums while the digest is locked, so that nothing is added to them."""
    with transaction.atomic(), connection.cursor() as cursor:
        update.lock()
        update.add(statements.SUMS, done, update.mark())
        cursor.execute("SELECT quote_ident(current_schema())")
        [schema] = cursor.fetchone()
        found = []
        for model in _SUMMED:
            meta = model._meta  # noqa: SLF001
            key = [field.attname for field in getattr(meta.pk, "fields", [meta.pk])]
            cursor.execute(
                _DIFFERENT.format(
                    real=f"{schema}.{meta.db_table}",
                    again=f"pg_temp.{meta.db_table}",
                    key=", ".join(key),
                    limit=_MAX_SHOWN,
                )
            )
            found += [
                Difference(f"{meta.verbose_name} {made or kept}", "sum", kept, made)
                for kept, made in cursor.fetchall()
            ]
    return found
