"""Checks what decisions call a card's first purchase against the ledger before them."""

from collections.abc import Iterator, Sequence

from authorizations.models import Authorization, Decision
from authorizations.rules.decision.values import PurchaseContext
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.services.host.versions import controls_of
from authorizations.services.purchases.entries import WITHOUT_BOOKS
from authorizations.services.runtime.codec import DAMAGED
from authorizations.services.store import statements
from authorizations.services.store.decision_row import UnreadableRowError, value_of
from authorizations.services.store.first_purchases import Sought, first_of, kinds_of, text_of
from authorizations.services.verify.changed_chains import ChangedChains
from authorizations.services.verify.checking import Difference, fetch

_EARLIER = statements.first_purchases(
    """(
        SELECT sum(count) FROM authorizations_ledgerentry AS entry
        WHERE entry.authorization_id = purchase.id AND entry.id < asked.position
    ) > 0"""
)
"""As statements.FIRST_PURCHASES, as of a decision: what was there before it has lower numbers."""


def first_purchase_differences(
    decisions: Sequence[tuple[Decision, Authorization | None]],
) -> Iterator[Difference]:
    """The decisions of this desk that say otherwise, of those whose policies ask for it.

    What a card had bought then is not known any more if its chain has changed since.
    """
    asked = [
        it for row, purchase in decisions if purchase is not None and (it := _sought(row, purchase))
    ]
    sought = [one for _, one, _ in asked]
    text = text_of(sought, [row.position for row, _, _ in asked])
    if not text:
        return
    chains = ChangedChains({("card", one.root_id) for one in sought})
    actual = first_of(sought, fetch(_EARLIER, {"asked": text}))
    for (row, one, context), right in zip(asked, actual, strict=True):
        is_changed = chains.changed_since(("card", one.root_id), row.decided_at.timestamp())
        if context.first_of != right and not is_changed:
            kept, expected = (", ".join(kinds) or "none" for kinds in (context.first_of, right))
            yield Difference(row.pk, "first purchase of", kept, expected)


def _sought(
    row: Decision, purchase: Authorization
) -> tuple[Decision, Sought, PurchaseContext] | None:
    """What a decision had to look for; None if nothing, or if it can't be read: others say so."""
    # A replayed answer has no position: what was there before it is not known.
    if row.request is None or not row.position or row.reason in WITHOUT_BOOKS:
        return None
    try:
        versions = controls_of(policy["version"] for policy in row.policies)
        kinds = kinds_of(controls for _, controls in versions.values())
        if not kinds:
            return None
        request = value_of(AuthorizationRequest, row.request, "request")
        context = value_of(PurchaseContext, row.context, "context")
    except (*DAMAGED, UnreadableRowError):
        return None
    return row, Sought(purchase.pk, purchase.root_id, request.merchant, kinds), context
