"""Bodies from outside and to outside as text that can be looked at safely."""

import json
from typing import NamedTuple

import msgspec

# Invisible or misleading in a page: control characters, and those that turn the reading order.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), 0x7F) if chr(code) not in "\t\n\r"}
_TURNING = {code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
_VISIBLE = _CONTROLS | _TURNING


class Body(NamedTuple):
    """`formatted` is empty where it isn't JSON; `note` says what the reader should know."""

    size: str
    raw: str
    formatted: str = ""
    note: str = ""


def body(data: bytes) -> Body:
    """Bytes as text, and as JSON with line breaks where they are that."""
    size = f"{len(data):,} {'byte' if len(data) == 1 else 'bytes'}"
    try:
        text = data.decode()
    except UnicodeDecodeError:
        note = r"Not text in UTF-8: bytes that can't be read are shown as \xff."
        return Body(size, _visible(data.decode(errors="backslashreplace")), note=note)
    formatted = _formatted(text)
    note = "" if formatted else "Not JSON: shown as it is." if text else "Empty."
    return Body(size, _visible(text), _visible(formatted), note)


def pretty(value: object) -> str:
    """A value of a JSON column, with line breaks."""
    return _visible(json.dumps(value, indent=2, ensure_ascii=False))


def _formatted(text: str) -> str:
    """Line breaks only: figures and repeated keys stay as they were written."""
    try:
        return msgspec.json.format(text)
    except (msgspec.DecodeError, RecursionError):
        return ""


def _visible(text: str) -> str:
    return text.translate(_VISIBLE)
