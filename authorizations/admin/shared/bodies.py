"""Bodies of requests and answers as text that is safe to display."""

import json
from typing import NamedTuple

import msgspec

# Invisible or misleading on a page: control characters, and those that reverse the text direction.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), 0x7F) if chr(code) not in "\t\n\r"}
_BIDI = {code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
_VISIBLE = _CONTROLS | _BIDI


class Body(NamedTuple):
    """A body as text. `formatted` is empty if it isn't JSON; `note` then says what it is."""

    size: str
    raw: str
    formatted: str = ""
    note: str = ""


def body(data: bytes) -> Body:
    """The bytes as text, and with line breaks if they are JSON."""
    size = f"{len(data):,} {'byte' if len(data) == 1 else 'bytes'}"
    try:
        text = data.decode()
    except UnicodeDecodeError:
        note = r"Not text in UTF-8: bytes that can't be read are shown as \xff."
        return Body(size, _visible(data.decode(errors="backslashreplace")), note=note)
    try:
        formatted = msgspec.json.format(text)  # keeps numbers and repeated keys as written
    except (msgspec.DecodeError, RecursionError):
        formatted = ""
    note = "" if formatted else "Not JSON: shown as it is." if text else "Empty."
    return Body(size, _visible(text), _visible(formatted), note)


def pretty(value: object) -> str:
    """The value of a JSON column, with line breaks."""
    return _visible(json.dumps(value, indent=2, ensure_ascii=False))


def _visible(text: str) -> str:
    return text.translate(_VISIBLE)
