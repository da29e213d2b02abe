"""The digest against the decisions it is made from: row by row, and sum by sum.

The sums are made again from nothing into temporary tables of the same names, which the same
statements then find first; what differs at the end was missed, or counted twice.
"""

from collections.abc import Iterator
from typing import Any

from django.db import connection, transaction

from authorizations.models import AnswerTimes, Stretch, Tally
from authorizations.services.digest import statements, update
from authorizations.services.verify.checking import Difference
from authz_project import pooler

_SUMMED: tuple[Any, ...] = (Stretch, Tally, AnswerTimes)
_MOST_SHOWN = 100

# As arrays, so that one statement serves to compare whatever the columns are.
_LISTED = """
SELECT webhook_request_id, kept.facts::text, made.facts::text
FROM (
    SELECT webhook_request_id, row (
        decided_at, approved, is_partial, reason, amount, currency, category, category_code,
        merchant_country, coalesce(merchant.name, ''), card_id, cardholder_id, stand_in,
        policies
    ) AS facts
    FROM authorizations_listeddecision
    LEFT JOIN authorizations_merchantname AS merchant ON merchant.id = merchant_id
    WHERE webhook_request_id > %(above)s AND webhook_request_id <= %(up_to)s
) AS kept
FULL JOIN (
    SELECT webhook_request_id, row (
        decided_at, approved, is_partial, reason, amount, currency, category, category_code,
        merchant_country, merchant_name, card_id, cardholder_id, stand_in, (
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

_DIFFERENT = """
SELECT kept::text, made::text
FROM (TABLE {real} EXCEPT TABLE {again}) AS kept
FULL JOIN (TABLE {again} EXCEPT TABLE {real}) AS made USING ({key})
LIMIT {most}
"""


class NeedsSessionError(Exception):
    """Behind a pooler a temporary table is gone with the transaction that made it."""


def verify_digest() -> Iterator[list[Difference]]:
    """For each piece of decisions, and in the end for the sums, what is wrong with them.

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
        yield from _pieces()
    finally:
        with connection.cursor() as cursor:
            for model in _SUMMED:
                cursor.execute(f"DROP TABLE pg_temp.{model._meta.db_table}")  # noqa: SLF001


def _pieces() -> Iterator[list[Difference]]:
    done = 0
    while (goal := update.mark()) > done:
        while done < goal:
            up_to = min(done + update.PIECE, goal)
            update.add(statements.SUMS, done, up_to)
            yield _listed(done, up_to)
            done = up_to
    yield _summed(done)


def _listed(above: int, up_to: int) -> list[Difference]:
    """Every decision is in the list once, and nothing else is."""
    with connection.cursor() as cursor:
        cursor.execute(_LISTED, {"above": above, "up_to": up_to})
        return [
            Difference(f"decision of request {number}", "its row in the list", kept, made)
            for number, kept, made in cursor.fetchall()
        ]


def _summed(done: int) -> list[Difference]:
    """The sums at a moment at which nobody adds to them."""
    with transaction.atomic(), connection.cursor() as cursor:
        update.hold()
        update.add(statements.SUMS, done, update.mark())
        found = []
        for model in _SUMMED:
            cursor.execute(_comparison(model))
            found += [
                Difference(f"{model._meta.verbose_name} {made or kept}", "sum", kept, made)  # noqa: SLF001
                for kept, made in cursor.fetchall()
            ]
    return found


def _comparison(model: Any) -> str:
    meta = model._meta  # noqa: SLF001
    key = [field.attname for field in getattr(meta.pk, "fields", [meta.pk])]
    return _DIFFERENT.format(
        real=f"{_schema()}.{meta.db_table}",
        again=f"pg_temp.{meta.db_table}",
        key=", ".join(key),
        most=_MOST_SHOWN,
    )


def _schema() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(current_schema())")
        [name] = cursor.fetchone()
    return str(name)
