"""Finds card numbers in text by their shape and check digit, and masks them.

A card number has 13 to 19 digits that pass the Luhn check, in one piece or in groups as printed on
cards. Spaces, hyphens, dots, slashes and line breaks may separate the groups, and zero-width
characters may be between digits in text copied from a page. The first six and last four digits
remain, as PCI DSS allows; every other digit becomes an asterisk, so that lengths stay the same.

Works on bytes with text in UTF-8, UTF-16 or JSON escapes. Almost no text has a card number, so
`may_hold_one` checks first, in a few microseconds.
"""

import re

_SHAPE = bytes.maketrans(b"0123456789", b"0" * 10)
_LOOK = b"0" * 13
_BETWEEN = b" -./\\\n\r\t\v\f\0" + bytes(range(0x80, 0x100))
"""Bytes of separators and zero-width characters. Other characters outside ASCII are removed with
them, which at worst causes a needless search."""

_ESCAPED = (b"\\u000", b"\\u00a0", b"\\u00ad", b"\\ufeff", b"\\uFEFF", b"0\\n", b"0\\r", b"0\\t")
"""The shapes of JSON escapes for digits, separators and zero-width characters."""

_DIGITS = re.compile(rb"[0-9]++")
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")

_ZERO_WIDTH = (
    rb"(?:\xe2\x80[\x8b-\x8f]|\xe2\x81[\xa0-\xa4]|\xef\xbb\xbf|\xc2\xad"
    rb"|\\u(?:200[b-fB-F]|206[0-4]|[fF][eE][fF][fF]|00[aA][dD]))"
)
_DIGIT = rb"(?:[0-9]\0?|\\u003[0-9])"  # the NUL: UTF-16
_SEPARATOR = (
    rb"(?:[-\x20./\n\r\t\v\f]\0?|\\[nrt/]|\xc2\xa0"
    rb"|\xe2\x80[\x80-\x8a\x90-\x95\xa8\xa9\xaf]|\xe3\x80\x80"
    rb"|\\u(?:00[aA]0|200[0-9aA]|201[0-5]|202[89fF]|3000|000[9a-dA-D]|002[0dDeEfF]))"
)
_GAP = rb"%(Z)b*%(S)b(?:%(S)b|%(Z)b){0,2}" % {b"Z": _ZERO_WIDTH, b"S": _SEPARATOR}


def _digits(lowest: int, highest: int) -> bytes:
    """A pattern for a number of digits, with zero-width characters only between them."""
    return rb"%b(?:%b*%b){%d,%d}" % (_DIGIT, _ZERO_WIDTH, _DIGIT, lowest - 1, highest - 1)


# Before 3.11.5, Python matches possessively repeated groups wrongly. So adjacent parts must not
# begin with the same character: otherwise some text would be searched again and again.
_FOUR, _SIX = _digits(4, 4), _digits(6, 6)
_ENDS = rb"(?!%b*%b)" % (_ZERO_WIDTH, _DIGIT)
_ROW = re.compile(
    rb"(?P<row>(?P<first>%(four)b)%(gap)b%(four)b%(gap)b%(four)b%(gap)b%(last_of_four)b%(ends)b"
    rb"|(?P<start>%(four)b)%(gap)b%(six)b%(gap)b%(last_of_three)b%(ends)b"
    rb"|%(digit)b(?:%(zero_width)b*%(digit)b)*)"
    rb"|\\u[0-9a-fA-F]{4}|\\."  # escapes whose digits do not count
    % {
        b"four": _FOUR,
        b"six": _SIX,
        b"gap": _GAP,
        b"last_of_four": _digits(1, 7),
        b"last_of_three": _digits(4, 5),
        b"ends": _ENDS,
        b"digit": _DIGIT,
        b"zero_width": _ZERO_WIDTH,
    },
    re.DOTALL,
)
_MAX_PASSES = 4
_PLACE = re.compile(rb"\\u003([0-9])|\\u[0-9a-fA-F]{4}|([0-9])")


def may_hold_one(text: bytes) -> bool:
    """Whether the text needs a search; never False if it has a card number."""
    shape = text.translate(_SHAPE)
    if b"\\" in text and any(look in shape for look in _ESCAPED):
        return True
    # Removing separators reveals groups as additional long rows of digits.
    if text.translate(_SHAPE, _BETWEEN).count(_LOOK) > shape.count(_LOOK):
        return True
    place = shape.find(_LOOK)
    while place >= 0:
        row = _DIGITS.match(text, place)
        if row is None or _is_card(row[0]):
            return True
        place = shape.find(_LOOK, row.end())
    return False


def mask(text: bytes) -> bytes:
    """Mask every card number in the text.

    Unmasked digits can form another card number with those next to them, so the text is searched
    again, up to _MAX_PASSES times: text can be made in which every pass reveals one more.
    """
    for _ in range(_MAX_PASSES):
        masked = _masked_once(text)
        if masked == text:
            break
        text = masked
    return text


def mask_text(text: str) -> str:
    """`mask` for str."""
    encoded = text.encode("utf-8", "surrogatepass")
    if not may_hold_one(encoded):
        return text
    return mask(encoded).decode("utf-8", "surrogatepass")


def _masked_once(text: bytes) -> bytes:
    masked = bytearray(text)
    place = 0
    while found := _ROW.search(text, place):
        place = found.end()
        if found["row"] is None:
            continue
        digits = [digit for digit in _PLACE.finditer(text, *found.span("row")) if digit.lastindex]
        if _is_card(b"".join(digit[1] or digit[2] for digit in digits)):
            for digit in digits[6:-4]:
                masked[digit.start() : digit.end()] = rb"\u002a" if digit[1] else b"*"
        elif first := found["first"] or found["start"]:
            place = found.start() + len(first)  # a card number may begin with the next group
    return bytes(masked)


def _is_card(digits: bytes) -> bool:
    if not 13 <= len(digits) <= 19:
        return False
    doubled = digits[-2::-2].translate(_DOUBLED)
    return (sum(digits[-1::-2]) + sum(doubled) - len(digits) * ord("0")) % 10 == 0
