"""Masks card numbers and signatures in what is stored or logged; rules.card_numbers finds them.

Decisions are made from the masked body, so that the stored body gives the same decision again.
Therefore what identifies purchases and merchants is not masked: Stripe's ids, and the merchant's
network_id, a number of up to 15 digits that would often be taken for a card number. Nor are JSON
numbers, such as amounts.
"""

import re

from authorizations.rules.basics import card_numbers

# Groups are not repeated possessively: see rules.card_numbers. A string that is never closed
# extends to the end; otherwise the search would start again at each quote in it.
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*(?:"|\\?\Z)'
_STRINGS = re.compile(_STRING, re.DOTALL)
_PARTS = re.compile(
    # Its keys are chosen by the sender.
    rb'(?P<free>"metadata"\s*+:\s*+\{[^{}"]*+(?:STRING[^{}"]*+)*\})'
    rb'|(?P<ids>"(?:id|account|authorization|card|cardholder|replacement_for)"\s*+:\s*+'
    rb'"[a-z]+_[0-9A-Za-z_]*+"|"network_id"\s*+:\s*+STRING)'
    rb"|STRING".replace(b"STRING", _STRING),
    re.DOTALL,
)
_SIGNATURE = re.compile(r"(v[0-9]+=[^\s,]{8})[^\s,]+")


def body(received: bytes) -> bytes:
    """A JSON body with the card numbers in its strings masked; the same object if it has none."""
    if not card_numbers.may_hold_one(received):
        return received

    def mask(part: re.Match[bytes]) -> bytes:
        if part["ids"]:
            return part[0]
        return _STRINGS.sub(lambda string: card_numbers.mask(string[0]), part[0])

    masked = _PARTS.sub(mask, received)
    return received if masked == received else masked


def raw(received: bytes) -> bytes:
    """Bytes of unknown format with card numbers masked, in any sequence of digits."""
    return card_numbers.mask(received) if card_numbers.may_hold_one(received) else received


def may_hold_any(line: str) -> bool:
    """Whether a line needs a search; never False if `text` would change a part of it."""
    return card_numbers.may_hold_one(line.encode()) or bool(_SIGNATURE.search(line))


def text(found: str) -> str:
    """A header or log line with card numbers masked, and signatures cut to 8 digits."""
    shown = _SIGNATURE.sub(r"\1", found)
    return raw(shown.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
