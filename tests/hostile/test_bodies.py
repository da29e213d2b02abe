"""Signed bodies that Stripe would hardly send, and the same without a signature."""

import json
from collections.abc import Callable, Iterable

import pytest

from authorizations.models import Decision, LedgerEntry, UnappliedEvent
from simulator.stripe import samples
from tests.hostile.bodies import (
    EVENTS,
    HARMLESS,
    LATER,
    MALFORMED,
    NO_EVENTS,
    NO_TEXTS,
    REQUEST,
    WRONG_AMOUNTS,
    damaged,
)
from tests.hostile.cases import (
    UNKNOWN_TYPES,
    Case,
    empty,
    extras,
    malformed,
    marked,
    named,
    of_unknown_type,
    thin,
    too_long,
    unreadable,
    wrong_amounts,
)
from tests.hostile.exchange import exchange, post
from tests.hostile.names import NAMES
from tests.hostile.requests import signed
from tests.hostile.watch import expected_rows, harmless, outcomes, unharmed
from tests.support.builders import identifier, request_event
from tests.support.server import Server

# In a transaction that only reads: what the server commits can be seen in it.
pytestmark = pytest.mark.django_db


def told(server: Server, body: bytes, *headers: str) -> str:
    """What is answered to a body, signed if no headers say otherwise."""
    answers = exchange(server.port, post(body, *(headers or [signed(body)])))
    harmless(answers)
    return outcomes(answers)


def unexpected(server: Server, cases: Iterable[Case]) -> dict[str, tuple[str, str]]:
    """Which cases end otherwise: what was expected, and what was answered."""
    found = {name: (expected, told(server, body)) for name, expected, body in cases}
    return {name: both for name, both in found.items() if both[0] != both[1]}


@pytest.mark.parametrize("body", NO_EVENTS.values(), ids=NO_EVENTS)
def test_what_is_no_event_is_refused_and_counted(server: Server, body: bytes) -> None:
    with unharmed(server) as new:
        assert told(server, body) == "not_an_event"
    assert not new


@pytest.mark.parametrize("body", NO_TEXTS.values(), ids=NO_TEXTS)
def test_what_is_not_utf8_counts_as_changed_on_its_way(server: Server, body: bytes) -> None:
    with unharmed(server) as new:
        assert told(server, body) == "mismatch"
    assert not new


@pytest.mark.parametrize("written", WRONG_AMOUNTS.values(), ids=WRONG_AMOUNTS)
def test_a_wrong_amount_is_declined(server: Server, written: str) -> None:
    with unharmed(server) as new:
        assert unexpected(server, wrong_amounts(written)) == {}
    assert new == expected_rows("malformed_request malformed_request")


@pytest.mark.parametrize(
    ("path", "written"), MALFORMED, ids=[f"{path}={value[:30]!a}" for path, value in MALFORMED]
)
def test_a_request_with_an_unreadable_part_is_declined(
    server: Server, path: str, written: str
) -> None:
    with unharmed(server) as new:
        assert unexpected(server, malformed(path, written)) == {}
    assert new == expected_rows("malformed_request")


@pytest.mark.parametrize("written", HARMLESS.values(), ids=HARMLESS)
def test_what_nobody_asks_about_changes_no_answer(server: Server, written: str) -> None:
    cases = list(extras(written))
    with unharmed(server) as new:
        assert unexpected(server, cases) == {}
    assert (new["requests"], new["decisions"], new["waiting"]) == (len(cases), 2, 0)


@pytest.mark.parametrize("name", NAMES, ids=[ascii(name[:30]) for name in NAMES])
def test_no_merchant_s_name_does_harm(server: Server, name: str) -> None:
    with unharmed(server) as new:
        assert unexpected(server, named(name)) == {}
    assert (new["decisions"], new["waiting"]) == (5, 0)


@pytest.mark.parametrize("kind", LATER)
def test_a_later_event_that_cannot_be_read_waits_and_moves_no_money(
    server: Server, kind: str
) -> None:
    cases = list(unreadable(kind))
    with unharmed(server) as new:
        for path, expected, body in cases:
            assert told(server, body) == expected
            waits = UnappliedEvent.objects.latest("failed_at")
            assert path in waits.error
    assert new == {"requests": len(cases), "waiting": len(cases)}


@pytest.mark.parametrize("kind", LATER)
def test_a_later_event_without_what_it_is_about_waits(server: Server, kind: str) -> None:
    cases = list(empty(kind))
    with unharmed(server) as new:
        assert unexpected(server, cases) == {}
    assert new == {"requests": len(cases), "waiting": len(cases)}


@pytest.mark.parametrize("kind", EVENTS)
def test_no_text_is_too_long(server: Server, kind: str) -> None:
    cases = list(too_long(kind))
    with unharmed(server) as new:
        assert unexpected(server, cases) == {}
    assert (new["requests"], new["waiting"]) == (len(cases), 0)


@pytest.mark.parametrize("kind", UNKNOWN_TYPES, ids=lambda kind: ascii(kind[:30]))
def test_an_unknown_type_is_received_and_asks_nothing(server: Server, kind: str) -> None:
    with unharmed(server) as new:
        assert unexpected(server, of_unknown_type(kind)) == {}
    assert new == {"requests": 1}


@pytest.mark.parametrize("kind", EVENTS)
def test_a_thin_event_is_never_an_approval(server: Server, kind: str) -> None:
    with unharmed(server) as new:
        assert unexpected(server, thin(kind)) == {}
    assert new == {"requests": 1, "decisions" if kind == REQUEST else "waiting": 1}


def test_a_byte_order_mark_does_no_harm(server: Server) -> None:
    with unharmed(server) as new:
        assert unexpected(server, marked()) == {}
    assert new == expected_rows("approved")


def test_the_same_event_with_another_amount_is_declined(server: Server) -> None:
    event = request_event(amount=100, event_id=identifier("evt"))
    other = json.loads(json.dumps(event))
    other["data"]["object"]["pending_request"]["amount"] = 1
    with unharmed(server) as new:
        assert told(server, samples.to_bytes(event)) == "approved"
        assert told(server, samples.to_bytes(other)) == "conflicting_event"
        assert told(server, samples.to_bytes(event)) == "approved"
    assert new == {"requests": 3, "decisions": 1, "entries": 1}


def _all_bodies() -> list[bytes]:
    makers: list[Callable[[], bytes]] = [
        *(lambda body=body: body for body in (NO_EVENTS | NO_TEXTS).values()),
        *(lambda kind=kind: samples.to_bytes(EVENTS[kind]()) for kind in EVENTS),
        *(
            lambda written=written: damaged(REQUEST, "extra", written)
            for written in HARMLESS.values()
        ),
    ]
    return [make() for make in makers]


def test_without_a_signature_none_of_them_is_even_read(server: Server) -> None:
    bodies = _all_bodies()
    with unharmed(server) as new:
        for body in bodies:
            assert told(server, body, "X-Nothing: to see") == "missing"
            assert told(server, body, f"Stripe-Signature: t=1,v1={'0' * 64}") == "too_old"
    assert not new


def test_each_approval_is_of_what_was_asked(server: Server) -> None:
    """Over all that was sent to this server."""
    told(server, samples.to_bytes(request_event(amount=100)))
    assert not Decision.objects.filter(approved=True).exclude(approved_amount=100).exists()
    held = LedgerEntry.objects.filter(cause="hold")
    assert held.count() == Decision.objects.filter(approved=True).count()
    assert not held.exclude(amount=100).exists()
