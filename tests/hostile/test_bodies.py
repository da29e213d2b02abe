"""Signed bodies that Stripe would hardly send, and the same without a signature."""

import json
from collections.abc import Callable
from itertools import product

import pytest

from authorizations.models import Decision, LedgerEntry, UnappliedEvent
from authorizations.wire import samples
from tests.builders import identifier, request_event
from tests.hostile.bodies import (
    EVENTS,
    HARMLESS,
    LATER,
    LONG_PLACES,
    LONG_TEXTS,
    MALFORMED,
    NO_EVENTS,
    NO_TEXTS,
    REQUEST,
    WAITING,
    WRONG_AMOUNTS,
    damaged,
)
from tests.hostile.exchange import exchange, post
from tests.hostile.names import NAMES
from tests.hostile.requests import signed
from tests.hostile.watch import expected_rows, harmless, outcomes, unharmed
from tests.server import Server

# In a transaction that only reads: what the server commits can be seen in it.
pytestmark = pytest.mark.django_db

PENDING = "data.object.pending_request"


def told(server: Server, body: bytes, *headers: str) -> str:
    """What is answered to a body, signed if no headers say otherwise."""
    answers = exchange(server.port, post(body, *(headers or [signed(body)])))
    harmless(answers)
    return outcomes(answers)


@pytest.mark.parametrize("body", NO_EVENTS.values(), ids=NO_EVENTS)
def test_what_is_no_event_is_refused_and_counted(server: Server, body: bytes) -> None:
    with unharmed(server) as new:
        assert told(server, body) == "not_an_event"
    assert new == {"rejected": 1}


@pytest.mark.parametrize("body", NO_TEXTS.values(), ids=NO_TEXTS)
def test_what_is_not_utf8_counts_as_changed_on_its_way(server: Server, body: bytes) -> None:
    with unharmed(server) as new:
        assert told(server, body) == "mismatch"
    assert new == {"rejected": 1}


@pytest.mark.parametrize("written", WRONG_AMOUNTS.values(), ids=WRONG_AMOUNTS)
def test_a_wrong_amount_is_declined(server: Server, written: str) -> None:
    with unharmed(server) as new:
        body = damaged(REQUEST, f"{PENDING}.amount", written)
        assert told(server, body) == "malformed_request"
        twice = samples.to_bytes(request_event(amount=100))
        twice = twice.replace(b'"amount": 100,', b'"amount": 100, "amount": %b,' % written.encode())
        assert told(server, twice) == "malformed_request"
    assert new == expected_rows("malformed_request malformed_request")


@pytest.mark.parametrize(
    ("path", "written"), MALFORMED, ids=[f"{path}={value[:30]!a}" for path, value in MALFORMED]
)
def test_a_request_with_an_unreadable_part_is_declined(
    server: Server, path: str, written: str
) -> None:
    with unharmed(server) as new:
        assert told(server, damaged(REQUEST, path, written)) == "malformed_request"
    assert new == expected_rows("malformed_request")


@pytest.mark.parametrize("written", HARMLESS.values(), ids=HARMLESS)
def test_what_nobody_asks_about_changes_no_answer(server: Server, written: str) -> None:
    places = [(kind, path) for kind in EVENTS for path in ("extra", "data.object.metadata")]
    with unharmed(server) as new:
        answers = {place: told(server, damaged(*place, written)) for place in places}
    assert answers == {
        (kind, path): "approved" if kind == REQUEST else "received" for kind, path in places
    }
    assert (new["requests"], new["decisions"], new["waiting"]) == (len(places), 2, 0)


@pytest.mark.parametrize("name", NAMES, ids=[ascii(name[:30]) for name in NAMES])
def test_no_merchant_s_name_does_harm(server: Server, name: str) -> None:
    with unharmed(server) as new:
        for part in ("name", "city", "url", "category", "terminal_id"):
            body = damaged(REQUEST, f"data.object.merchant_data.{part}", json.dumps(name))
            assert told(server, body) == "approved"
        for kind in LATER:
            part = "merchant_data.name" if "card" not in kind else "metadata"
            body = damaged(kind, f"data.object.{part}", json.dumps(name))
            assert told(server, body) == "received"
    assert (new["decisions"], new["waiting"]) == (5, 0)


@pytest.mark.parametrize("kind", LATER)
def test_a_later_event_that_cannot_be_read_waits_and_moves_no_money(
    server: Server, kind: str
) -> None:
    damages = [damage.partition(" ")[::2] for damage in WAITING[kind.partition(".")[0]]]
    with unharmed(server) as new:
        for path, written in damages:
            assert told(server, damaged(kind, f"data.object.{path}", written)) == "received"
            waits = UnappliedEvent.objects.latest("failed_at")
            assert f"data.object.{path}" in waits.error
    assert new == {"requests": len(damages), "waiting": len(damages)}


@pytest.mark.parametrize("kind", LATER)
def test_a_later_event_without_what_it_is_about_waits(server: Server, kind: str) -> None:
    writings = ("null", "[]", '{"a":1}', "1.5", r'"\u0000"')
    damages = list(product(("data", "data.object", "id", "created"), writings))
    with unharmed(server) as new:
        for path, written in damages:
            assert told(server, damaged(kind, path, written)) == "received"
    assert new == {"requests": len(damages), "waiting": len(damages)}


@pytest.mark.parametrize("kind", EVENTS)
def test_no_text_is_too_long(server: Server, kind: str) -> None:
    places = LONG_PLACES.get(kind) or LONG_PLACES[kind.partition(".")[0]]
    expected = "approved" if kind == REQUEST else "received"
    with unharmed(server) as new:
        for place, text in product(places, LONG_TEXTS):
            body = damaged(kind, f"data.object.{place}", json.dumps(text))
            assert told(server, body) == expected, (place, text[:10])
    assert (new["requests"], new["waiting"]) == (len(places) * len(LONG_TEXTS), 0)


@pytest.mark.parametrize(
    "kind",
    [
        "issuing_authorization.request ",
        " issuing_authorization.request",
        "Issuing_Authorization.Request",
        "issuing_authorization.request\0",
        "issuing_authorization.approved",
        "issuing_dispute.created",
        "v1.billing.meter.error_report_triggered",
        "api.issuing_authorization.request",
        "",
        "\ud800",
        "x" * 100_000,
        "<script>alert(1)</script>",
        "'; DROP TABLE authorizations_card; --",
    ],
    ids=lambda kind: ascii(kind[:30]),
)
def test_an_unknown_type_is_received_and_asks_nothing(server: Server, kind: str) -> None:
    body = damaged(REQUEST, "type", json.dumps(kind))
    with unharmed(server) as new:
        assert told(server, body) == "received"
    assert new == {"requests": 1}


def _thin(kind: str) -> bytes:
    related = {"id": "iauth_1", "type": "issuing.authorization", "url": "/v1/issuing"}
    return samples.to_bytes(
        {
            "id": identifier("evt"),
            "object": "v2.core.event",
            "type": kind,
            "related_object": related,
        }
    )


@pytest.mark.parametrize("kind", EVENTS)
def test_a_thin_event_is_never_an_approval(server: Server, kind: str) -> None:
    with unharmed(server) as new:
        asked = kind == REQUEST
        assert told(server, _thin(kind)) == ("malformed_request" if asked else "received")
    assert new == ({"requests": 1} | ({"decisions": 1} if asked else {"waiting": 1}))


def test_a_byte_order_mark_does_no_harm(server: Server) -> None:
    with unharmed(server) as new:
        body = samples.to_bytes(request_event(amount=100))
        assert told(server, b"\xef\xbb\xbf" + body) == "approved"
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
    assert new == {"rejected": 2 * len(bodies)}


def test_each_approval_is_of_what_was_asked(server: Server) -> None:
    """Over all that the tests of this module sent."""
    told(server, samples.to_bytes(request_event(amount=100)))
    assert not Decision.objects.filter(approved=True).exclude(approved_amount=100).exists()
    held = LedgerEntry.objects.filter(cause="hold")
    assert held.count() == Decision.objects.filter(approved=True).count()
    assert not held.exclude(amount=100).exists()
