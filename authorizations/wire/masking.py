"""Card numbers and signatures out of what is kept or logged; rules.card_numbers finds them.

Decisions are made from the masked body, never from the one that came in, so that reading again
what is kept gives the same decision. What they tell purchases and merchants apart by is therefore
left alone: Stripe's ids, and the merchant's network_id, which is a number of up to 15 digits and
would every tenth time be taken for a card's. So are JSON's numbers, which no amount may lose.
"""

import re

from authorizations.rules.basics import card_numbers

# No group is repeated possessively: see rules.card_numbers. One that is never closed goes on to the
# end, or each quote in it would be tried anew.
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*(?:"|\\?\Z)'
_STRINGS = re.compile(_STRING, re.DOTALL)
_PARTS = re.compile(
    # Keys of the sender's own choosing.
    rb'(?P<free>"metadata"\s*+:\s*+\{[^{}"]*+(?:STRING[^{}"]*+)*\})'
    rb'|(?P<ids>"(?:id|account|authorization|card|cardholder|replacement_for)"\s*+:\s*+'
    rb'"[a-z]+_[0-9A-Za-z_]*+"|"network_id"\s*+:\s*+STRING)'
    rb"|STRING".replace(b"STRING", _STRING),
    re.DOTALL,
)
_SIGNATURE = re.compile(r"(v[0-9]+=[^\s,]{8})[^\s,]+")  # whatever stands before it


def body(received: bytes) -> bytes:
    """A JSON body with the card numbers in its strings masked; itself where there are none."""
    if not card_numbers.may_hold_one(received):
        return received
    masked = _PARTS.sub(_part, received)
    return received if masked == received else masked


def raw(received: bytes) -> bytes:
    """The same for bytes of which nothing is known: every row of digits counts."""
    return card_numbers.mask(received) if card_numbers.may_hold_one(received) else received


def text(found: str) -> str:
    """The same for a header or a line of a log, where signatures keep 8 of their digits only."""
    shown = _SIGNATURE.sub(r"\1", found)
    return raw(shown.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def _part(part: re.Match[bytes]) -> bytes:
    if part["ids"]:
        return part[0]
    return _STRINGS.sub(lambda string: card_numbers.mask(string[0]), part[0])
