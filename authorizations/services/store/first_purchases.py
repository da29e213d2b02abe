"""What a purchase is the card's first one of, read from the authorizations of the card's chain.

Under the card's lock, by one statement for all that are asked about, and none where no policy that
applies asks for it. A purchase counts that was approved, or that Stripe forced through, of more
than 0, whatever became of it; not one that Stripe in the end did not approve.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from authorizations.rules.basics.filters import Merchant
from authorizations.rules.basics.folding import folded
from authorizations.rules.decision.controls import SpendingControls
from authorizations.rules.decision.values import FirstOf
from authorizations.rules.kinds.first_purchases import is_reported
from authorizations.services.runtime import codec
from authorizations.services.store import plans, statements
from authorizations.services.store.plans import Plan


class Sought(NamedTuple):
    """An authorization, which is left out itself, the root of its card, and what is asked of it."""

    authorization_id: str
    root_id: str
    merchant: Merchant
    kinds: tuple[FirstOf, ...]


def kinds_of(policies: Iterable[SpendingControls]) -> tuple[FirstOf, ...]:
    """The kinds of first purchases that these policies ask for; almost always none."""
    asked = {kind for controls in policies for kind in controls.first_of}
    return tuple(kind for kind in FirstOf if kind in asked) if asked else ()


def read(sought: Sequence[Sought]) -> Plan[list[tuple[FirstOf, ...]]]:
    """What each of these is the first purchase of."""
    asked = text_of(sought)
    rows = (yield from plans.ask(statements.FIRST_PURCHASES, asked=asked)) if asked else []
    return first_of(sought, rows)


def text_of(sought: Sequence[Sought], positions: Sequence[int] = ()) -> str:
    """The parameter of the statement; "" if nothing is asked."""
    needed = [
        {
            "place": place,
            "own": one.authorization_id,
            "root": one.root_id,
            "country": one.merchant.country,
            "code": one.merchant.category_code,
            "category_name": one.merchant.category,
            "network_id": one.merchant.network_id,
            "name": folded(one.merchant.name),
            "position": positions[place] if positions else 0,
            **{f"of_{kind}": kind in one.kinds for kind in FirstOf},
        }
        for place, one in enumerate(sought)
        if one.kinds
    ]
    return codec.to_json(needed) if needed else ""


def first_of(
    sought: Sequence[Sought], rows: Iterable[tuple[Any, ...]]
) -> list[tuple[FirstOf, ...]]:
    """What each is the first purchase of, by the statement's rows; always of what is untold."""
    earlier = {place: dict(zip(FirstOf, those, strict=True)) for place, *those in rows}
    return [
        tuple(
            kind
            for kind in one.kinds
            if not (is_reported(kind, one.merchant) and earlier[place][kind])
        )
        for place, one in enumerate(sought)
    ]
