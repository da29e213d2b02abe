"""Reads what the strict, fast decoder refuses; slower, and fails only on required fields.

A purchase must not be declined for an unreadable field that no rule uses, and a signed request
must be recognized as one with anything else it contains. So the same shapes are filled again, field
by field. A field without a default is required. One with the default UNSET may be missing or null,
but must be readable if it is there. Any other default replaces a missing or unreadable value.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from inspect import isclass
from typing import Any, TypeVar, get_args, get_origin

import msgspec

MAX_DEPTH = 64
"""Maximum nesting; deeper values become null. Parsers fail at about a thousand, Stripe uses ten."""

_MAX_DIGITS = 20
"""Maximum digits of a number; longer ones become infinity. int() raises above 4,300 digits."""

_ESCAPES = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair: one character
    r"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|\\.",
    re.DOTALL,
)
_STRINGS_AND_BRACKETS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*"?|[\[\]{}]', re.DOTALL)

Shape = TypeVar("Shape", bound=msgspec.Struct)


class UnreadableFieldError(ValueError):
    """A required field is missing or unreadable; the text names its path and what is expected."""


def loads(body: bytes) -> Any:
    """Parse JSON, with everything that Python's parser accepts: NaN, control characters, a BOM.

    Lone surrogates become U+FFFD. Raises UnreadableFieldError.
    """
    text = body.decode("utf-8-sig", errors="replace")
    text = _ESCAPES.sub(lambda found: r"\ufffd" if found["lone"] else found[0], text)
    try:
        return json.loads(
            _without_deep_values(text),
            strict=False,
            parse_int=lambda digits: int(digits) if len(digits) <= _MAX_DIGITS else float("inf"),
        )
    except ValueError:
        raise UnreadableFieldError("not readable as JSON") from None


def _without_deep_values(text: str) -> str:
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
    """A result of loads as JSON that loads reads again."""
    return json.dumps(found).encode()


def build(
    shape: type[Shape], found: object, path: str, unreadable: list[str] | None = None
) -> Shape:
    """Fill `shape` from parsed JSON. Raises UnreadableFieldError.

    Adds the paths of optional fields that are present but unreadable to `unreadable`.
    """
    unreadable = [] if unreadable is None else unreadable
    if not isinstance(found, dict):
        raise UnreadableFieldError(f"{path}: expected an object")
    prefix = f"{path}." if path else ""
    values = {}
    for field in _fields(shape):
        value, field_path = found.get(field.encode_name), prefix + field.encode_name
        try:
            values[field.name] = _convert(field.type, value, field_path, unreadable)
        except UnreadableFieldError:
            if field.required or field.default is msgspec.UNSET:
                raise
            if value is not None:
                unreadable.append(field_path)
            values[field.name] = field.default
    return shape(**values)


_fields = cache(msgspec.structs.fields)


def _convert(expected: Any, found: object, path: str, unreadable: list[str]) -> object:
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
        described = (p.description for p in parts if isinstance(p, msgspec.Meta) and p.description)
        words = next(described, "a list" if _is_list(parts) else "an object")
        raise UnreadableFieldError(f"{path}: expected {words}") from None


def _parts(expected: Any) -> Iterator[Any]:
    """An annotation and, recursively, its arguments."""
    yield expected
    for part in get_args(expected):
        yield from _parts(part)


def _is_list(parts: list[Any]) -> bool:
    return any(get_origin(part) is tuple for part in parts)
