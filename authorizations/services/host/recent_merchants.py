"""The merchants that recently approved purchases began with, for stand-in to decide increments.

Limits go by the merchant that a purchase began with, but an increment names only its own, and
stand-in can't read the books. So each process keeps the merchants of its newest approvals, of the
database and of stand-in, where all can read them (recent_ring.py). They end with the host.
"""

import logging

import msgspec

from authorizations.rules.basics.filters import Merchant, UnknownMerchant
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.services.host.recent_ring import Ring

logger = logging.getLogger(__name__)

_ring = Ring(".merchants")


class _RingMerchant(msgspec.Struct, array_like=True, frozen=True):
    """The merchant a purchase began with, according to its request with this request_index."""

    request_index: int
    merchant: Merchant


_decode = msgspec.json.Decoder(_RingMerchant).decode


def note(approved: AuthorizationRequest) -> None:
    """Store the merchant of an approved request, which limits know its purchase by.

    A failure is logged; stand-in then treats the purchase's increments as of an unknown merchant.
    """
    if isinstance(approved.merchant, UnknownMerchant):
        return
    stored = _RingMerchant(approved.request_index, approved.merchant)
    try:
        _ring.note(approved.authorization_id, msgspec.json.encode(stored))
    except OSError as error:
        logger.warning("A purchase's merchant can't be remembered for stand-in: %s", error)


def look_up(authorization_id: str) -> Merchant | None:
    """The merchant the purchase began with; None if it is not stored."""
    stored = [_decode(payload) for payload in _ring.look_up(authorization_id)]
    first = min(stored, key=lambda one: one.request_index, default=None)
    return first.merchant if first else None
