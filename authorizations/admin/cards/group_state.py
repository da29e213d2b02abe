"""The state of a card group as its page shows it, to detect changes by two people at once.

The cards of a very large group are not chosen on its page and are not part of the state.
"""

from typing import Any

from authorizations.admin.shared.links import card_words
from authorizations.models import CardGroup
from authorizations.rules.policy.differences import NOTHING, PolicyEdit

State = dict[str, Any]


def state(group: CardGroup, *, with_cards: bool) -> State:
    cards = group.cards.order_by("pk") if with_cards else ()
    return {
        "Name": group.name,
        "Description": group.description,
        "Metadata": f"{group.metadata_key} = {group.metadata_value}" if group.metadata_key else "",
        "cards": {card.pk: card_words(card) for card in cards},
    }


def changes(shown: State, now: State) -> list[str]:
    """The differences between two states, in sentences."""
    edits = [
        PolicyEdit(name, shown[name] or NOTHING, now[name] or NOTHING)
        for name in ("Name", "Description", "Metadata")
        if shown[name] != now[name]
    ]
    before, after = shown["cards"], now["cards"]
    for verb, more, less in (("joined", after, before), ("left", before, after)):
        if cards := tuple(words for card, words in more.items() if card not in less):
            edits.append(PolicyEdit(f"Cards that {verb}", entries=cards))
    return [str(edit) for edit in edits]
