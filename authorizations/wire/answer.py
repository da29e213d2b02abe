"""The answers in the form in which Stripe takes them.

Source: https://docs.stripe.com/issuing/controls/real-time-authorizations
"""

import msgspec

METADATA_VALUE_CHARS = 500
"""Stripe refuses longer values in metadata, and would count the whole answer as an error."""

_encode = msgspec.json.Encoder().encode


def render(
    *, approved: bool, amount: int | None, decision: str, reason: str | None, stand_in: str = ""
) -> bytes:
    """Answer an authorization request.

    `amount` is what Stripe shall hold, in the smallest unit of the card's currency: less than was
    asked for, or at a fuel pump more. None leaves it at what was asked; Stripe takes it only where
    `is_amount_controllable`. `decision` is the id of our record and `reason` why it declined,
    `stand_in` why the database was not asked; Stripe keeps them as metadata of its authorization.
    """
    metadata = {"decision": decision, "reason": "approved" if approved else reason or "declined"}
    if stand_in:
        metadata["stand_in"] = stand_in
    answer: dict[str, object] = {"approved": approved}
    if amount is not None:
        answer["amount"] = amount
    answer["metadata"] = {key: value[:METADATA_VALUE_CHARS] for key, value in metadata.items()}
    return _encode(answer)


def received() -> bytes:
    """Answer an event that asks nothing."""
    return b'{"received":true}'


def error(code: str, sentence: str) -> bytes:
    """Refuse a request: `code` for programs, `sentence` for the person who reads the log."""
    return _encode({"error": {"code": code, "message": sentence}})


def headers(stripe_version: str, body: bytes) -> dict[str, str]:
    """Headers of an answer: Stripe counts one without Stripe-Version as an error.

    Content-Length stands here since without it the servers answer in chunks.
    """
    return {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Stripe-Version": stripe_version,
    }
