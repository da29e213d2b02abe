"""Where purchases began that this host has approved lately: stand-in judges increments by it.

Limits keep the merchant that a purchase began with. An increment names only its own, and stand-in
can't ask the books. So each process remembers that of its newest approvals for all of them
(recent_ring.py), whether the database made them or stand-in; a restart of the machine forgets them.
"""

import logging

import msgspec

from authorizations.rules.basics.filters import Merchant, UnknownMerchant
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.services.host.recent_ring import Ring

logger = logging.getLogger(__name__)

_ring = Ring(".merchants")


class _KeptMerchant(msgspec.Struct, array_like=True, frozen=True):
    """Where a purchase began, by the request of this request_index."""

    request_index: int
    merchant: Merchant


_decode = msgspec.json.Decoder(_KeptMerchant).decode


def note(approved: AuthorizationRequest) -> None:
    """Remember where a purchase began of which a request is approved, as limits know it.

    Where that fails it is logged, and its increments are judged as those of any other purchase.
    """
    if isinstance(approved.merchant, UnknownMerchant):
        return
    kept = _KeptMerchant(approved.request_index, approved.merchant)
    try:
        _ring.note(approved.authorization_id, msgspec.json.encode(kept))
    except OSError as error:
        logger.warning("Where a purchase began can't be remembered for stand-in: %s", error)


def look_up(authorization_id: str) -> Merchant | None:
    """Where the purchase began; None where that is not known here."""
    found = [_decode(payload) for payload in _ring.look_up(authorization_id)]
    first = min(found, key=lambda kept: kept.request_index, default=None)
    return first.merchant if first else None
