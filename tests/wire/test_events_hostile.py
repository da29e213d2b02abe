"""No body does harm, and a signed request is read whatever else is in it."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authorizations.wire import lenient
from authorizations.wire.events import (
    MalformedEventError,
    NotAnEventError,
    read,
)
from simulator.stripe import samples
from tests.support.builders import CREATED, changed, request_event
from tests.wire.reading import asked


def with_extra(json_text: str) -> bytes:
    """A sample event that holds one more field, written as it is."""
    event = json.dumps(request_event(event_id="evt_extra"))
    return f'{{"extra": {json_text}, {event[1:]}'.encode()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b" ", id="a space"),
        pytest.param(b"null", id="null"),
        pytest.param(b"1", id="a number"),
        pytest.param(b'"issuing_authorization.request"', id="text"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'[{"type": "x"}]', id="a list of events"),
        pytest.param(b"{}", id="no type"),
        pytest.param(b'{"type": null}', id="type null"),
        pytest.param(b'{"type": 1}', id="type a number"),
        pytest.param(b'{"type": ["x"]}', id="type a list"),
        pytest.param(b'{"type": "x"', id="cut off"),
        pytest.param(b'{"type": "x"}}', id="one bracket more"),
        pytest.param(b'{"type": "x"} {"type": "y"}', id="two events"),
        pytest.param(b"{'type': 'x'}", id="python, not JSON"),
        pytest.param(b"type=x&id=y", id="a form"),
        pytest.param(b"<event/>", id="XML"),
        pytest.param(b"\x00\xff\xfe", id="bytes"),
        pytest.param("{}".encode("utf-16"), id="UTF-16 with its mark"),
        pytest.param('{"type": "x"}'.encode("utf-16-le"), id="UTF-16"),
        pytest.param(b"[" * 200_000, id="only opening brackets"),
        pytest.param(b"[" * 200_000 + b"]" * 200_000, id="a deep list"),
        pytest.param(b'{"a":' * 50_000, id="only opening objects"),
    ],
)
def test_what_is_not_an_object_with_a_type_is_not_an_event(body: bytes) -> None:
    with pytest.raises(NotAnEventError) as refused:
        read(body)
    assert "type" in refused.value.sentence


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param("NaN", id="NaN"),
        pytest.param("[Infinity, -Infinity]", id="infinities"),
        pytest.param('"\\ud800"', id="a lone surrogate"),
        pytest.param('"\\\\ud800 \\ud83d\\ude00 \\udc00\\ud800"', id="surrogates of all kinds"),
        pytest.param('{"\\uDFFF": 1}', id="a lone surrogate as a key"),
        pytest.param('"\\u0000"', id="NUL"),
        pytest.param('"a\tb\nc"', id="control characters as they are"),
        pytest.param("9" * 1000, id="a thousand digits"),
        pytest.param("9" * 100_000, id="a hundred thousand digits"),
        pytest.param("1e400", id="a number beyond floats"),
        pytest.param("[" * 900 + "]" * 900, id="nested 900 deep"),
        pytest.param("[" * 100_000 + "]" * 100_000, id="nested 100,000 deep"),
        pytest.param('{"a":' * 20_000 + '"]}[{\\""' + "}" * 20_000, id="deep, brackets in text"),
        pytest.param(
            "[" * 5000 + "]" * 5000 + ',"more":' + "[" * 5000 + "]" * 5000, id="deep twice"
        ),
        pytest.param(json.dumps({f"k{n}": "v" for n in range(10_000)}), id="10,000 keys"),
        pytest.param(json.dumps("x" * 200_000), id="long text"),
    ],
)
def test_a_request_is_read_whatever_else_is_in_its_event(extra: str) -> None:
    request = asked(with_extra(extra))
    assert (request.event_id, request.amount) == ("evt_extra", 1250)


def test_depth_inside_the_authorization_does_no_harm() -> None:
    body = json.dumps(changed("data.object.metadata", "DEEP")).replace(
        '"DEEP"', "[" * 50_000 + "]" * 50_000
    )
    assert asked(body.encode()).amount == 1250


def test_a_byte_order_mark_in_front_does_no_harm() -> None:
    assert asked(b"\xef\xbb\xbf" + json.dumps(request_event()).encode()).amount == 1250


def test_bytes_that_are_not_utf8_become_replacement_characters() -> None:
    body = json.dumps(changed("data.object.merchant_data.name", "??")).encode()
    assert asked(body.replace(b"??", b"\xff\xc0")).merchant.name == "\N{REPLACEMENT CHARACTER}" * 2


def test_of_a_key_told_twice_the_last_counts_fast_and_leniently() -> None:
    body = json.dumps(request_event()).encode()
    twice = body.replace(b'"amount": 1250', b'"amount": 1, "amount": 777', 1)
    assert asked(twice).amount == 777
    assert asked(b"\xef\xbb\xbf" + twice).amount == 777


@pytest.mark.parametrize("older", [False, True], ids=["newest version", "an older version"])
def test_an_ordinary_request_never_needs_the_slow_lenient_way(
    older: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = request_event(method="online", history=({"amount": 1, "approved": True, "created": 1},))
    if older:
        found = event["data"]["object"]
        for name in ("amount_details", "card_presence", "fleet", "wallet"):
            del found[name]
        del found["pending_request"]["amount_details"], found["card"]["replacement_for"]
    monkeypatch.delattr(lenient, "loads")
    assert asked(event).card_presence == "not_present"


def test_the_lenient_way_gives_the_same_request_as_the_fast_one() -> None:
    first = samples.Purchase(authorization_id="iauth_1", created=CREATED, amount=10_000)
    event = request_event(**vars(first.increment(5, approved=10_000, at=CREATED + 5)))
    body = json.dumps(event).encode()
    assert asked(b"\xef\xbb\xbf" + body) == asked(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def paths(tree: object, above: str = "") -> Iterator[str]:
    """Where there is a value in an event, the objects around it included."""
    for key, value in tree.items() if isinstance(tree, dict) else ():
        yield above + key
        yield from paths(value, f"{above}{key}.")


@given(st.sampled_from(list(paths(request_event(account="acct_1")))), JSON)
def test_damage_anywhere_gives_a_request_or_a_problem_or_no_event(path: str, value: object) -> None:
    try:
        told = repr(asked(changed(path, value, account="acct_1")))
    except (MalformedEventError, NotAnEventError) as refused:
        told = str(refused)
    assert told.startswith(("AuthorizationRequest(", "The body is not")) or ": expected " in told
    assert b"\\x00" not in told.encode()  # which also raises for a lone surrogate


@given(st.binary() | JSON.map(lambda tree: json.dumps(tree).encode()))
def test_no_body_raises_anything_but_not_an_event(body: bytes) -> None:
    try:
        read(body)
    except NotAnEventError:
        return
    assert isinstance(json.loads(body.decode("utf-8-sig", "replace"), strict=False), dict)
