"""Checks each card against its replacement chain.

The root exists, is its own root, and is also the root of the card that this one replaces. Policies
are assigned to roots only, and own amounts and exclusions are of roots only. Each statement reads a
whole chain at one moment, so a chain that changes meanwhile causes no difference.
"""

from collections.abc import Iterator

from authorizations.services.verify.checking import EXISTING, Checked, Difference, pieces

CARDS = "cards"

_SIZE = 2_000

_CARDS = """
SELECT
    card.id, card.root_id, root.root_id, card.replacement_for, replaced.root_id,
    EXISTS (
        SELECT FROM authorizations_assignment WHERE card_id = card.id AND card.root_id <> card.id
    ),
    card.root_id <> card.id AND EXISTS (
        SELECT FROM authorizations_openinstruction AS open
        JOIN authorizations_instruction AS instruction ON instruction.id = open.instruction_id
        WHERE open.scope = 'card:' || card.id AND kind IN ('override', 'exclusion')
            AND (open.ends_at IS NULL OR open.ends_at > clock_timestamp())
    )
FROM (SELECT * FROM authorizations_card WHERE id > %s ORDER BY id LIMIT %s) AS card
LEFT JOIN authorizations_card AS root ON root.id = card.root_id
LEFT JOIN authorizations_card AS replaced ON replaced.id = card.replacement_for
ORDER BY card.id
"""


def verify_cards() -> Iterator[Checked]:
    """Check every card."""
    for piece in pieces(_CARDS, "", _SIZE):
        found = []
        for (
            id_,
            root_id,
            root_of_root,
            replaced_id,
            root_of_replaced,
            is_assigned,
            has_own,
        ) in piece:
            where = f"card {id_}"
            if root_of_root is None:
                found.append(Difference(where, "root", root_id, EXISTING))
            elif root_of_root != root_id:
                what = f"{root_of_root}, the root of {root_id}"
                found.append(Difference(where, "root", root_id, what))
            if replaced_id and root_of_replaced != root_id:
                root = root_of_replaced or "known"
                what = f"{root}, the root of {replaced_id}, which it replaces"
                found.append(Difference(where, "root", root_id, what))
            if is_assigned:
                what = f"to its root {root_id}"
                found.append(Difference(where, "policy assignment", "to this card", what))
            if has_own:
                what = f"of its root {root_id}"
                found.append(Difference(where, "own amount or exclusion", "of this card", what))
        yield Checked(CARDS, len(piece), found)
