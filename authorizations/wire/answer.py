"""Builds answers in the format that Stripe accepts.

Source: https://docs.stripe.com/issuing/controls/real-time-authorizations
"""

import msgspec

METADATA_VALUE_CHARS = 500
"""Maximum length of a metadata value: Stripe takes an answer with a longer one for an error."""

_encode = msgspec.json.Encoder().encode


def render(
    *, approved: bool, amount: int | None, decision: str, reason: str | None, stand_in: str = ""
) -> bytes:
    """The answer to an authorization request.

    `amount` is what Stripe should hold, in the smallest unit of the card's currency: less than
    requested or, at a fuel pump, more. Stripe accepts it only if `is_amount_controllable`; None
    means the requested amount. `decision` is the id of the decision, `reason` why it declines, and
    `stand_in` why the database was not asked; Stripe stores these in the authorization's metadata.
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
    """The answer to any other event."""
    return b'{"received":true}'


def error(code: str, sentence: str) -> bytes:
    """The answer to a refused request: `code` for programs, `sentence` for people."""
    return _encode({"error": {"code": code, "message": sentence}})


def headers(stripe_version: str, body: bytes) -> dict[str, str]:
    """The headers of an answer; without Stripe-Version, Stripe takes it for an error.

    Content-Length is included because servers would otherwise send the body in chunks.
    """
    return {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Stripe-Version": stripe_version,
    }
