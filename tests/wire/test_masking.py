"""Card numbers are masked before anything is kept, and nothing else is."""

import json
import re
from typing import Any

import pytest
from django.conf import settings
from hypothesis import example, given
from hypothesis import strategies as st

from authorizations.rules.basics import card_numbers
from authorizations.wire import masking
from simulator.stripe import samples
from tests.support.builders import changed, request_event

VISA = "4242424242424242"
MASKED = "424242******4242"


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        (VISA, MASKED),
        ("4222222222222", "422222***2222"),  # 13 digits
        ("378282246310005", "378282*****0005"),
        ("6304000000000000000", "630400*********0000"),  # 19 digits
        (f"PAN{VISA}x", f"PAN{MASKED}x"),
        (f"1 {VISA}, {VISA}.", f"1 {MASKED}, {MASKED}."),
        ("4242 4242 4242 4242", "4242 42** **** 4242"),
        ("4242-4242-4242-4242", "4242-42**-****-4242"),
        ("3782 822463 10005", "3782 82**** *0005"),
        ("4242.4242.4242.4242", "4242.42**.****.4242"),
        ("4242/4242/4242/4242", "4242/42**/****/4242"),
        ("4242\n4242\r\n4242\t4242", "4242\n42**\r\n****\t4242"),
        ("4242  4242 4242 4242", "4242  42** **** 4242"),
        ("4242 4242-4242 4242", "4242 42**-**** 4242"),
        ("4242 - 4242 - 4242 - 4242", "4242 - 42** - **** - 4242"),
        ("4242\xa04242\u20114242\u20094242", "4242\xa042**\u2011****\u20094242"),
        ("4242\u200b4242\u200b4242\u200b4242", "4242\u200b42**\u200b****\u200b4242"),
        ("4\u200b242424242424\ufeff242", "4\u200b24242******4\ufeff242"),
        ("paid 2026 4242 4242 4242 4242", "paid 2026 4242 42** **** 4242"),
        (f"<b>{VISA}</b>\n=1+{VISA}", f"<b>{MASKED}</b>\n=1+{MASKED}"),
        (f"Café \ud83d{VISA}", f"Café \ud83d{MASKED}"),
    ],
)
def test_a_card_number_in_a_text_is_masked(found: str, kept: str) -> None:
    assert masking.text(found) == kept
    assert json.loads(masking.body(json.dumps({"a": found}).encode()))["a"] == kept


@pytest.mark.parametrize(
    "found",
    [
        "",
        "4242424242424241",  # fails the check
        "424242424240",  # 12 digits
        "42424242424242424242",  # 20 digits
        "4242 4242 4242 4241",
        "4242    4242 4242 4242",
        "4242, 4242, 4242, 4242",
        "4242.4242.4242.4241",
        "2026-10-28 15:45:22",
        "+33 6 39 98 12 34",
    ],
)
def test_other_digits_stay(found: str) -> None:
    assert masking.text(found) == found
    body = json.dumps({"a": found}).encode()
    assert masking.body(body) is body


def test_digits_written_as_escapes_are_seen_and_other_escapes_are_not_taken_for_digits() -> None:
    escaped = "".join(f"\\u{ord(digit):04x}" for digit in VISA)
    body = f'{{"a": "{escaped}", "b": "\\u1234{VISA}", "c": "\\"{VISA}"}}'.encode()
    masked = masking.body(body)
    assert len(masked) == len(body)
    assert json.loads(masked) == {"a": MASKED, "b": f"\u1234{MASKED}", "c": f'"{MASKED}'}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_in_bytes_of_which_nothing_is_known_every_row_counts(encoding: str) -> None:
    masked = masking.raw(f'{{"id": {VISA}, "name": "{VISA}'.encode(encoding))
    assert masked.decode(encoding) == f'{{"id": {MASKED}, "name": "{MASKED}'


@pytest.mark.parametrize(
    ("path", "value", "kept"),
    [
        ("data.object.merchant_data.name", VISA, MASKED),
        ("data.object.merchant_data.terminal_id", VISA, MASKED),
        ("data.object.card.cardholder.name", VISA, MASKED),
        ("data.object.metadata", {"order": VISA, VISA: "x"}, {"order": MASKED, MASKED: "x"}),
        ("data.object.metadata", {"id": f"ic_{VISA}"}, {"id": f"ic_{MASKED}"}),
        ("data.object.metadata", {"}": "{", "card": VISA}, {"}": "{", "card": MASKED}),
        ("data.object.metadata", {"network_id": VISA}, {"network_id": MASKED}),
        # Purchases and merchants are told apart by these.
        ("id", f"evt_{VISA}", f"evt_{VISA}"),
        ("data.object.card.id", f"ic_{VISA}", f"ic_{VISA}"),
        ("data.object.card.id", VISA, MASKED),
        ("data.object.merchant_data.network_id", VISA, VISA),
        # A number has no room for an asterisk.
        ("data.object.pending_request.amount", int(VISA), int(VISA)),
    ],
)
def test_in_an_event_all_text_is_masked_but_what_identifies(
    path: str, value: object, kept: object
) -> None:
    body = samples.to_bytes(changed(path, value))
    masked = masking.body(body)
    assert len(masked) == len(body)
    found: Any = json.loads(masked)
    for part in path.split("."):
        found = found[part]
    assert found == kept


@given(
    st.lists(
        st.sampled_from([*"0123456789 -./\n", "\u200b", "\ufeff", "\u2060", "x", "é"]), max_size=40
    ).map("".join),
    st.booleans(),
)
def test_the_quick_look_misses_nothing(text: str, escaped: bool) -> None:
    for encoded in (text.encode(), json.dumps(text, ensure_ascii=escaped).encode()):
        if card_numbers.mask(encoded) != encoded:
            assert card_numbers.may_hold_one(encoded)


def test_an_ordinary_event_is_not_even_copied() -> None:
    body = samples.to_bytes(request_event())
    assert masking.body(body) is body


def test_of_a_signature_8_digits_are_kept() -> None:
    header = f"t=1795003200,v1={'ab' * 32},v0={'cd' * 32}"
    assert masking.text(header) == "t=1795003200,v1=abababab,v0=cdcdcdcd"


@pytest.mark.parametrize("before", ["t=1795003200", "x", "\\x00", "\N{NOT SIGN}", "é", "_"])
def test_whatever_stands_before_a_signature_it_is_cut_short(before: str) -> None:
    assert masking.text(f"{before}v1={'ab' * 32}") == f"{before}v1=abababab"


@given(
    st.text(st.sampled_from('4242 -./\n\u200b\\u0034"{}:,[]x\0é')).map(
        lambda text: f"{VISA}{text}{VISA}"
    )
)
def test_json_stays_the_json_it_was(text: str) -> None:
    body = json.dumps({"a": text, "b": [text]}).encode()
    before, after = json.loads(body), json.loads(masking.body(body))
    assert before.keys() == after.keys()
    for was, now in ((before["a"], after["a"]), (before["b"][0], after["b"][0])):
        assert len(was) == len(now)
        assert all(new in (old, "*") for old, new in zip(was, now, strict=True))


@example(around=b"00 000000 0000", inside=b"\0\0")
@given(st.binary(max_size=200), st.binary(max_size=50))
def test_no_bytes_are_too_odd_and_nothing_is_masked_twice(around: bytes, inside: bytes) -> None:
    body = around + VISA.encode() + inside + VISA.encode() + around
    for mask in (masking.raw, masking.body):
        once = mask(body)
        assert (len(once), mask(once)) == (len(body), once)


def test_a_string_that_is_never_closed_is_looked_through_once() -> None:
    """Were each of its quotes tried anew, this would take minutes."""
    endless = b'{"a": "' + b'\\"' * 128_000
    assert masking.body(endless + b"4242424242424242") == endless + b"424242******4242"


def test_no_pattern_repeats_a_group_possessively() -> None:
    """Before Python 3.11.5 such patterns match wrongly: card numbers stayed unmasked."""
    sources = [path.read_text("utf-8") for path in settings.BASE_DIR.glob("auth*/**/*.py")]
    assert len(sources) > 300
    possessive = re.compile(r".*\)(?:[*+?]|\{[\d,]+\})\+.*")
    assert [line for source in sources for line in possessive.findall(source)] == []
