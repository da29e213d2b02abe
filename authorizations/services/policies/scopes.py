"""The scopes that operators give something to, locked while it is written.

What a card is given belongs to its chain, and so to the chain's first card, the root. That is
another one as soon as Stripe reports that the card replaces an earlier one: what is written in that
instant waits for the change, or the change waits for it and takes it along. Freezes and exceptions
are of a single card, whatever its chain, and need no lock.
"""

from collections.abc import Iterable

from authorizations.models import CardGroup, Cardholder, Instruction
from authorizations.rules.basics.controls import Scope, ScopeKind, member_of, scope_of
from authorizations.services.policies.stops import StopError
from authorizations.services.store import locks


def lock(scopes: Iterable[Scope], *, purchases_wait: bool = False) -> dict[Scope, Scope]:
    """Lock scopes until the transaction ends; returns each of them, a card as its root.

    Chains stay as they are, in any number of cards, and purchases go on. With `purchases_wait` they
    wait, so there should be few: for what must not be overtaken by one. Comes before the first
    write of the transaction. Raises StopError if one of them is unknown.
    """
    wanted = list(dict.fromkeys(scopes))
    ids: dict[ScopeKind, set[str]] = {kind: set() for kind in ScopeKind}
    for scope in wanted:
        if scope.kind is ScopeKind.MEMBER:
            group_id, cardholder_id = member_of(scope)
            ids[ScopeKind.GROUP].add(group_id)
            ids[ScopeKind.CARDHOLDER].add(cardholder_id)
        else:
            ids[scope.kind].add(scope.id)
    cards, holders, groups = (
        ids[kind] for kind in (ScopeKind.CARD, ScopeKind.CARDHOLDER, ScopeKind.GROUP)
    )
    if purchases_wait:
        roots = locks.hold(cards=cards, cardholders=holders, groups=map(int, groups))
    else:
        roots = locks.keep_chains(cards)
    unknown = {f"card {id_}" for id_ in cards - roots.keys()}
    if holders:
        found = Cardholder.objects.filter(pk__in=holders).values_list("pk", flat=True)
        unknown |= {f"cardholder {id_}" for id_ in holders - set(found)}
    if groups:
        there = CardGroup.objects.filter(pk__in=groups).values_list("pk", flat=True)
        unknown |= {f"card group {id_}" for id_ in groups - set(map(str, there))}
    if unknown:
        raise StopError(f"There is no {min(unknown)} here any more, or not yet: choose another.")
    return {
        scope: Scope(scope.kind, roots[scope.id]) if scope.kind is ScopeKind.CARD else scope
        for scope in wanted
    }


def cards_of(instructions: Iterable[int]) -> list[Scope]:
    """The cards that some of these instructions are of, to be locked before they are lifted."""
    rows = Instruction.objects.filter(pk__in=list(instructions), scope__startswith="card:")
    return [scope_of(key) for key in rows.values_list("scope", flat=True)]
