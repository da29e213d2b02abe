"""Which cards are frozen beside their own switch: alone, or with a cardholder, a group or all."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from django.db.models import Q

from authorizations.models import Card, Instruction
from authorizations.rules.basics.controls import ScopeKind, scope_of
from authorizations.services.policies.stops import in_force

_WORDS = {
    ScopeKind.CARD: "Frozen",
    ScopeKind.CARDHOLDER: "Frozen with the cardholder",
    ScopeKind.GROUP: "Frozen with the group",
    ScopeKind.PROGRAM: "Frozen with every card",
}


def frozen_above(cards: Collection[Card]) -> Mapping[str, Sequence[str]]:
    """What freezes each card beside its own switch, in words, by the card's key; in one query."""
    scopes = {
        card.pk: {
            "program:",
            f"card:{card.pk}",
            f"cardholder:{card.cardholder_id}",
            f"group:{card.root.group_id}",
        }
        for card in cards
    }
    freezes = in_force().filter(
        kind=Instruction.Kind.FREEZE, open__scope__in=set().union(*scopes.values())
    )
    keys = set(freezes.values_list("scope", flat=True)) if scopes else set()
    kinds = {pk: {scope_of(key).kind for key in own & keys} for pk, own in scopes.items()}
    return {pk: [words for kind, words in _WORDS.items() if kind in kinds[pk]] for pk in scopes}


def are_frozen() -> Q:
    """The condition on cards that are frozen, by their own switch or by an instruction."""
    found: dict[ScopeKind, list[str]] = defaultdict(list)
    for key in in_force().filter(kind=Instruction.Kind.FREEZE).values_list("scope", flat=True):
        scope = scope_of(key)
        found[scope.kind].append(scope.id)
    if ScopeKind.PROGRAM in found:
        return Q()
    return (
        Q(frozen=True)
        | Q(pk__in=found[ScopeKind.CARD])
        | Q(cardholder__in=found[ScopeKind.CARDHOLDER])
        | Q(root__group__in=found[ScopeKind.GROUP])
    )
