"""Detects cards whose replacement chain changed after a decision: its usage is unverifiable.

Stripe may report only late that a card replaces an earlier one. The purchases of both then count
together, and the ledger no longer says what each of them had used before.
"""

from collections.abc import Collection

from authorizations.services.verify.checking import fetch

_CLOCKS_APART_S = 60
"""Seconds. The change history uses the database's clock, decisions that of their own machine."""

_LAST = """
SELECT chain.root, extract(epoch FROM max(change.changed_at))::float8
FROM (
    SELECT root, root AS card FROM unnest(%s::text[]) AS root
    UNION
    SELECT root_id, id FROM authorizations_card WHERE root_id = ANY(%s)
) AS chain
JOIN authorizations_historyentry AS change ON change.names ? ('card:' || chain.card)
WHERE change.kind = 'card' AND change.operation = 'update'
    AND change.before ->> 'root_id' IS DISTINCT FROM change.after ->> 'root_id'
GROUP BY chain.root
"""


class ChangedChains:
    """When a card last joined or left the chain of each of these cards."""

    def __init__(self, scopes: Collection[tuple[str, str]]) -> None:
        """`scopes` are (kind, id), as in Window.scope. Makes one query for all of them."""
        roots = [id_ for kind, id_ in scopes if kind == "card"]
        self._last = dict(fetch(_LAST, [roots, roots])) if roots else {}

    def changed_since(self, scope: tuple[str, str], at: float) -> bool:
        """Whether the scope's chain changed after `at`, in Unix seconds, as far as clocks agree."""
        kind, id_ = scope
        last = self._last.get(id_) if kind == "card" else None
        return last is not None and last >= at - _CLOCKS_APART_S
