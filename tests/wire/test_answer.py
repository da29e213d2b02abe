"""Answers in the form in which Stripe takes them."""

import json

import pytest

from authorizations.wire import answer


@pytest.mark.parametrize(
    ("approved", "amount", "reason", "expected"),
    [
        (
            True,
            None,
            None,
            b'{"approved":true,"metadata":{"decision":"d1","reason":"approved"}}',
        ),
        (
            True,
            4000,
            None,
            b'{"approved":true,"amount":4000,"metadata":{"decision":"d1","reason":"approved"}}',
        ),
        (
            False,
            None,
            "card_frozen",
            b'{"approved":false,"metadata":{"decision":"d1","reason":"card_frozen"}}',
        ),
    ],
    ids=["approved", "approved in part", "declined"],
)
def test_a_decision_is_answered_byte_for_byte(
    approved: bool, amount: int | None, reason: str | None, expected: bytes
) -> None:
    rendered = answer.render(approved=approved, amount=amount, decision="d1", reason=reason)
    assert rendered == expected


def test_metadata_stays_within_what_stripe_takes() -> None:
    body = answer.render(approved=False, amount=None, decision="é" * 501, reason="x" * 501)
    metadata = json.loads(body)["metadata"]
    assert [len(value) for value in metadata.values()] == [500, 500]
    assert all(len(key) <= 40 for key in metadata)


def test_events_that_ask_nothing_are_received() -> None:
    assert json.loads(answer.received()) == {"received": True}


def test_an_error_has_a_code_and_a_sentence_whatever_characters_it_holds() -> None:
    body = answer.error("not_an_event", 'Not "JSON" é \u2028')
    assert json.loads(body) == {"error": {"code": "not_an_event", "message": 'Not "JSON" é \u2028'}}


def test_the_headers_tell_stripes_version_and_the_length_in_bytes() -> None:
    assert answer.headers("2022-08-01", "é".encode()) == {
        "Content-Type": "application/json",
        "Content-Length": "2",
        "Stripe-Version": "2022-08-01",
    }
