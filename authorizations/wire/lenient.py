"""Reads what the strict, fast decoder refuses: slower, and gives up only on what is needed.

A purchase must not be declined for an unreadable field that nobody asks about, and a signed
request must be recognized as one whatever else is in it. So the same shapes are filled once more,
field by field. In a shape, a field without a default is needed. One with the default UNSET may be
missing or null, but must be readable when it is there. Any other default stands in for what is
missing or unreadable.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from inspect import isclass
from typing import Any, TypeVar, get_args, get_origin

import msgspec

MAX_DEPTH = 64
"""Deeper nesting is cut off: parsers give up at about a thousand levels, Stripe needs ten."""

_MAX_DIGITS = 20
"""No number we take is longer; Python refuses to read one of more than 4,300 digits."""

_ESCAPES = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair: one character
    r"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|\\.",
    re.DOTALL,
)
_STRINGS_AND_BRACKETS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*"?|[\[\]{}]', re.DOTALL)

Shape = TypeVar("Shape", bound=msgspec.Struct)


class UnreadableFieldError(ValueError):
    """A needed field is missing or unreadable; the text names its path and what was expected."""


def loads(body: bytes) -> Any:
    """JSON with all that Python's parser lets pass: NaN, control characters, a byte order mark.

    Lone surrogates become U+FFFD. Raises UnreadableError where even that fails.
    """
    text = _ESCAPES.sub(_without_lone_surrogate, body.decode("utf-8-sig", errors="replace"))
    try:
        return json.loads(_cut(text), strict=False, parse_int=_number)
    except ValueError:
        raise UnreadableFieldError("not readable as JSON") from None


def _without_lone_surrogate(escape: re.Match[str]) -> str:
    return r"\ufffd" if escape["lone"] else escape[0]


def _number(digits: str) -> float:
    return int(digits) if len(digits) <= _MAX_DIGITS else float("inf")


def _cut(text: str) -> str:
    """`text` with null in place of everything deeper than MAX_DEPTH."""
    kept, end, depth = [], 0, 0
    for match in _STRINGS_AND_BRACKETS.finditer(text):
        if match[0] in "[{":
            depth += 1
            if depth == MAX_DEPTH:
                kept.append(text[end : match.start()] + "null")
        elif match[0] in "]}":
            depth -= 1
            if depth == MAX_DEPTH - 1:
                end = match.end()
    return "".join(kept) + text[end:]


def dumps(found: object) -> bytes:
    """What loads gave, as JSON that loads can read again."""
    return json.dumps(found).encode()


def build(
    shape: type[Shape], found: object, path: str, unreadable: list[str] | None = None
) -> Shape:
    """Fill `shape` from parsed JSON; raises UnreadableError.

    The paths of optional fields that are there and can't be read are added to `unreadable`.
    """
    unreadable = [] if unreadable is None else unreadable
    if not isinstance(found, dict):
        raise UnreadableFieldError(f"{path}: expected an object")
    prefix = f"{path}." if path else ""
    values = {
        field.name: _field(
            field, found.get(field.encode_name), prefix + field.encode_name, unreadable
        )
        for field in _fields(shape)
    }
    return shape(**values)


_fields = cache(msgspec.structs.fields)


def _field(
    field: msgspec.structs.FieldInfo, found: object, path: str, unreadable: list[str]
) -> object:
    try:
        return _value(field.type, found, path, unreadable)
    except UnreadableFieldError:
        if field.required or field.default is msgspec.UNSET:
            raise
        if found is not None:
            unreadable.append(path)
        return field.default


def _value(expected: Any, found: object, path: str, unreadable: list[str]) -> object:
    parts = list(_parts(expected))
    shape = next((p for p in parts if isclass(p) and issubclass(p, msgspec.Struct)), None)
    if shape and isinstance(found, dict) and not _is_list(parts):
        return build(shape, found, path, unreadable)
    if shape and isinstance(found, list) and _is_list(parts):
        return tuple(
            build(shape, item, f"{path}[{place}]", unreadable) for place, item in enumerate(found)
        )
    try:
        return msgspec.convert(found, expected)
    except msgspec.ValidationError:
        raise UnreadableFieldError(f"{path}: expected {_words(parts)}") from None


def _parts(expected: Any) -> Iterator[Any]:
    """An annotation and everything that it is made of."""
    yield expected
    for part in get_args(expected):
        yield from _parts(part)


def _words(parts: list[Any]) -> str:
    described = (p.description for p in parts if isinstance(p, msgspec.Meta) and p.description)
    return next(described, "a list" if _is_list(parts) else "an object")


def _is_list(parts: list[Any]) -> bool:
    return any(get_origin(part) is tuple for part in parts)
