"""Bodies from outside as text: faithful, and harmless whatever they hold."""

import pytest

from authorizations.admin.shared.bodies import body, pretty


def test_json_gets_line_breaks_and_nothing_else() -> None:
    shown = body('{"a":1.10,"é":"\\u00e9","a":{"b":[]}}'.encode())
    assert shown.formatted.split("\n") == [
        "{",
        '  "a": 1.10,',
        '  "é": "\\u00e9",',
        '  "a": {',
        '    "b": []',
        "  }",
        "}",
    ]
    assert shown.size == "37 bytes"
    assert shown.note == ""


@pytest.mark.parametrize("text", ["not json", '{"a":', "[1] 2", '{"a":NaN}', "[" * 100_000])
def test_what_is_not_json_is_shown_as_it_is(text: str) -> None:
    shown = body(text.encode())
    assert (shown.raw, shown.formatted) == (text, "")
    assert shown.note == "Not JSON: shown as it is."


def test_bytes_that_are_no_text_are_named_one_by_one() -> None:
    shown = body(b'{"a":"\xff\xfe"}')
    assert shown.raw == r'{"a":"\xff\xfe"}'
    assert shown.note.startswith("Not text in UTF-8")


def test_an_empty_body_says_so() -> None:
    assert body(b"").note == "Empty."


def test_control_characters_and_turned_text_can_be_seen() -> None:
    shown = body('"a\x00\x1b[31m\u202egpj.exe\u2066"\t\n'.encode())
    assert shown.raw == '"a\\x00\\x1b[31m\\u202egpj.exe\\u2066"\t\n'


def test_half_a_character_does_no_harm() -> None:
    shown = body(b'{"a":"\\ud800"}')
    assert shown.raw.encode() == b'{"a":"\\ud800"}'


def test_a_value_is_shown_with_line_breaks() -> None:
    assert pretty({"é": 1}) == '{\n  "é": 1\n}'
