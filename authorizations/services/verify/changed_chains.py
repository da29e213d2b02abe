"""Detects cards whose replacement chain changed after a decision: its usage is unverifiable.

Stripe may tell only late that a card replaces another one. What the scopes of both held before
that moment can't be told from the ledger any more.
"""

from collections.abc import Collection

from authorizations.services.verify.checking import fetch

_CLOCKS_APART_S = 60
"""The change history has the database's time, decisions that of their own machine."""

_LAST = """
SELECT chain.root, extract(epoch FROM max(change.pgh_created_at))::float8
FROM (
    SELECT root, root AS card FROM unnest(%s::text[]) AS root
    UNION
    SELECT root_id, id FROM authorizations_card WHERE root_id = ANY(%s)
) AS chain
JOIN authorizations_historyentry AS change ON change.names ? ('card:' || chain.card)
WHERE change.kind = 'card' AND change.pgh_label = 'update'
    AND change.before ->> 'root_id' IS DISTINCT FROM change.after ->> 'root_id'
GROUP BY chain.root
"""


class Rehung:
    """When purchases last left or joined the scopes of these cards."""

    def __init__(self, scopes: Collection[tuple[str, str]]) -> None:
        """Kind and id each, as in Window.scope; asked once for all of them."""
        roots = [id_ for kind, id_ in scopes if kind == "card"]
        self._last = dict(fetch(_LAST, [roots, roots])) if roots else {}

    def since(self, scope: tuple[str, str], at: float) -> bool:
        """Whether that was after this moment, in Unix seconds."""
        kind, id_ = scope
        last = self._last.get(id_) if kind == "card" else None
        return last is not None and last >= at - _CLOCKS_APART_S
