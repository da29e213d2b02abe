"""Each card against its chain: its root is there and its own root, and that of the card it
replaces; policies are assigned to roots alone.

Each statement reads all of it at once, so a chain that is joined meanwhile makes no difference.
"""

from collections.abc import Iterator
from typing import Any

from authorizations.services.verify.checking import Checked, Difference, fetch

CARDS = "cards"

_SIZE = 2_000

_CARDS = """
SELECT
    card.id, card.root_id, root.root_id, card.replacement_for, replaced.root_id,
    EXISTS (
        SELECT FROM authorizations_assignment WHERE card_id = card.id AND card.root_id <> card.id
    )
FROM (SELECT * FROM authorizations_card WHERE id > %s ORDER BY id LIMIT %s) AS card
LEFT JOIN authorizations_card AS root ON root.id = card.root_id
LEFT JOIN authorizations_card AS replaced ON replaced.id = card.replacement_for
ORDER BY card.id
"""


def verify_cards() -> Iterator[Checked]:
    """Every card, in short transactions."""
    last = ""
    while piece := fetch(_CARDS, [last, _SIZE]):
        found = [difference for row in piece for difference in _differences(row)]
        yield Checked(CARDS, len(piece), found)
        last = piece[-1][0]


def _differences(row: tuple[Any, ...]) -> Iterator[Difference]:
    id_, root_id, root_of_root, replaced_id, root_of_replaced, is_assigned = row
    where = f"card {id_}"
    if root_of_root is None:
        yield Difference(where, "root", root_id, "there")
    elif root_of_root != root_id:
        yield Difference(where, "root", root_id, f"{root_of_root}, the root of that one")
    if replaced_id and root_of_replaced != root_id:
        what = f"{root_of_replaced or 'known'}, the root of {replaced_id}, which it replaces"
        yield Difference(where, "root", root_id, what)
    if is_assigned:
        yield Difference(where, "policies", "assigned to it", f"assigned to its root {root_id}")
