"""Finds the purchases that a range of the record writes about."""

from collections.abc import Iterator

from authorizations.services.verify.checking import summaries
from authorizations.services.verify.ranges import Range, entries_in, requests_in

_SIZE = 2_000

_BY_REQUESTS = """
WITH piece AS MATERIALIZED (
    SELECT id, about FROM authorizations_webhookrequest
    WHERE id > %s AND id <= %s ORDER BY id LIMIT %s
)
SELECT (SELECT max(id) FROM piece), array_agg(DISTINCT purchase)
FROM (
    SELECT about AS purchase FROM piece
    UNION ALL
    SELECT decision.authorization_id FROM piece
    JOIN authorizations_decision AS decision ON decision.webhook_request_id = piece.id
) AS named
"""

_BY_ENTRIES = """
SELECT max(id), array_agg(DISTINCT authorization_id)
FROM (
    SELECT id, authorization_id FROM authorizations_ledgerentry
    WHERE id > %s AND id <= %s ORDER BY id LIMIT %s
) AS piece
"""


def touched(part: Range) -> Iterator[list[str]]:
    """Yield the ids of these purchases, some at a time. An id may come more than once."""
    for statement, ids in ((_BY_REQUESTS, requests_in(part)), (_BY_ENTRIES, entries_in(part))):
        for _, purchases in summaries(statement, ids.above, ids.up_to, _SIZE):
            yield [purchase for purchase in purchases if purchase]
