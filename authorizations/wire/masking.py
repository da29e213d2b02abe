"""Card numbers and signatures out of what is kept or logged.

A card number is a row of 13 to 19 digits that passes the Luhn check, in one piece or in the groups
in which cards print it. Its first six and last four digits stay, as PCI DSS allows; each other
digit becomes an asterisk, so nothing changes its length.

Decisions are made from the masked body, never from the one that came in, so that reading again
what is kept gives the same decision. What they tell purchases and merchants apart by is therefore
left alone: Stripe's ids, and the merchant's network_id, which is a number of up to 15 digits and
would every tenth time be taken for a card's. So are JSON's numbers, which no amount may lose.

Nearly no body holds such a row: the quick look comes first and costs a few microseconds.
"""

import re

_SHAPE = bytes.maketrans(b"0123456789-", b"0000000000 ")
_LOOK = b"0" * 13
# In groups; in UTF-16 of both kinds; and with a digit written as JSON may write it.
_RARE_LOOKS = (b"0000 0000 0000 0", b"0000 000000 0000", b"0\0000\0000\0000\0000\0", b"\\u000")
_DIGITS = re.compile(rb"[0-9]++")
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")

_DIGIT = rb"(?:[0-9]\0?|\\u003[0-9])"  # the NUL: UTF-16
_ROW = re.compile(
    rb"(?P<row>"
    rb"D{4}(?P<gap>[ -]\0?)D{4}(?P=gap)D{4}(?P=gap)D{1,7}(?!D)"
    rb"|D{4}(?P<wide>[ -]\0?)D{6}(?P=wide)D{4,5}(?!D)"
    rb"|D++)"
    rb"|\\u[0-9a-fA-F]{4}|\\.".replace(b"D", _DIGIT),  # other escapes, whose digits are none
    re.DOTALL,
)
_MOST_LOOKS = 4
_PLACE = re.compile(rb"\\u003([0-9])|([0-9])")

_STRING = rb'"(?:[^"\\]|\\.)*+"'
_STRINGS = re.compile(_STRING, re.DOTALL)
_PARTS = re.compile(
    rb'(?P<free>"metadata"\s*+:\s*+\{(?:[^{}"]|STRING)*+\})'  # keys of the sender's own choosing
    rb'|(?P<ids>"(?:id|account|authorization|card|cardholder|replacement_for)"\s*+:\s*+'
    rb'"[a-z]+_[0-9A-Za-z_]*+"|"network_id"\s*+:\s*+STRING)'
    rb"|STRING".replace(b"STRING", _STRING),
    re.DOTALL,
)
_SIGNATURE = re.compile(r"(v[0-9]+=[^\s,]{8})[^\s,]+")  # whatever stands before it


def body(received: bytes) -> bytes:
    """A JSON body with the card numbers in its strings masked; itself where there are none."""
    if not _may_hold_one(received):
        return received
    masked = _PARTS.sub(_part, received)
    return received if masked == received else masked


def raw(received: bytes) -> bytes:
    """The same for bytes of which nothing is known: every row of digits counts."""
    return _rows(received) if _may_hold_one(received) else received


def text(found: str) -> str:
    """The same for a header or a line of a log, where signatures keep 8 of their digits only."""
    shown = _SIGNATURE.sub(r"\1", found)
    return raw(shown.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def _may_hold_one(received: bytes) -> bool:
    shape = received.translate(_SHAPE)
    if any(look in shape for look in _RARE_LOOKS):
        return True
    place = shape.find(_LOOK)
    while place >= 0:
        row = _DIGITS.match(received, place)
        if row is None or _is_card(row[0]):
            return True
        place = shape.find(_LOOK, row.end())
    return False


def _part(part: re.Match[bytes]) -> bytes:
    if part["ids"]:
        return part[0]
    return _STRINGS.sub(lambda string: _rows(string[0]), part[0])


def _rows(received: bytes) -> bytes:
    """What one row leaves may be part of another with what stands beside it, so it is looked again:
    a few times, since text can be made in which each time uncovers one more.
    """
    for _ in range(_MOST_LOOKS):
        masked = _ROW.sub(_row, received)
        if masked == received:
            break
        received = masked
    return received


def _row(found: re.Match[bytes]) -> bytes:
    places = list(_PLACE.finditer(found["row"] or b""))
    if not _is_card(b"".join(place[1] or place[2] for place in places)):
        return found[0]
    row = bytearray(found[0])
    for place in places[6:-4]:
        row[place.start() : place.end()] = rb"\u002a" if place[1] else b"*"
    return bytes(row)


def _is_card(digits: bytes) -> bool:
    if not 13 <= len(digits) <= 19:
        return False
    doubled = digits[-2::-2].translate(_DOUBLED)
    return (sum(digits[-1::-2]) + sum(doubled) - len(digits) * ord("0")) % 10 == 0
