"""The hostile bodies in tables: each by name, with what a healthy desk makes of it when signed."""

import json
import os
from collections.abc import Callable, Iterator
from itertools import islice, product
from typing import TypeAlias

from simulator.stripe import samples
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
from tests.hostile.names import NAMES
from tests.hostile.requests import Outcomes
from tests.support.builders import identifier, request_event

Case: TypeAlias = tuple[str, Outcomes, bytes]
"""A name, what is answered, and the body."""

PENDING = "data.object.pending_request"

UNKNOWN_TYPES = (
    "issuing_authorization.request ",
    " issuing_authorization.request",
    "Issuing_Authorization.Request",
    "issuing_authorization.request\0",
    "issuing_authorization.approved",
    "issuing_token.created",
    "v1.billing.meter.error_report_triggered",
    "api.issuing_authorization.request",
    "",
    "\ud800",
    "x" * 100_000,
    "<script>alert(1)</script>",
    "'; DROP TABLE authorizations_card; --",
)


def usual(kind: str) -> Outcomes:
    """What an event is answered that is as it should be."""
    return "approved" if kind == REQUEST else "received"


def whole(kind: str) -> Iterator[Case]:
    yield kind, usual(kind), samples.to_bytes(EVENTS[kind]())


def wrong_amounts(written: str) -> Iterator[Case]:
    """In the amount's place, and told once more behind the right one."""
    declined = "malformed_request"
    yield f"amount {written[:30]}", declined, damaged(REQUEST, f"{PENDING}.amount", written)
    twice = samples.to_bytes(request_event(amount=100))
    twice = twice.replace(b'"amount": 100,', b'"amount": 100, "amount": %b,' % written.encode())
    yield f"amount twice {written[:30]}", declined, twice


def malformed(path: str, written: str) -> Iterator[Case]:
    yield f"{path}={written[:30]!a}", "malformed_request", damaged(REQUEST, path, written)


def extras(written: str) -> Iterator[Case]:
    """Of each kind, with something that nobody asks about."""
    for kind, path in product(EVENTS, ("extra", "data.object.metadata")):
        yield f"{kind} {path}={written[:30]!a}", usual(kind), damaged(kind, path, written)


def named(name: str) -> Iterator[Case]:
    """Purchases from a merchant of this name, and later events that tell it."""
    merchants = ("name", "city", "url", "category", "terminal_id")
    places = [(REQUEST, f"merchant_data.{part}") for part in merchants]
    places += [(kind, "merchant_data.name" if "card" not in kind else "metadata") for kind in LATER]
    for kind, place in places:
        body = damaged(kind, f"data.object.{place}", json.dumps(name))
        yield f"{kind} {place}={name[:30]!a}", usual(kind), body


def unreadable(kind: str) -> Iterator[Case]:
    """Later events of which a part can't be read; each case is named by its path."""
    for damage in WAITING[kind.partition(".")[0]]:
        path, _, written = damage.partition(" ")
        yield f"data.object.{path}", "received", damaged(kind, f"data.object.{path}", written)


def empty(kind: str) -> Iterator[Case]:
    """Later events without what they are about."""
    writings = ("null", "[]", '{"a":1}', "1.5", r'"\u0000"')
    for path, written in product(("data", "data.object", "id", "created"), writings):
        yield f"{kind} {path}={written}", "received", damaged(kind, path, written)


def too_long(kind: str) -> Iterator[Case]:
    places = LONG_PLACES.get(kind) or LONG_PLACES[kind.partition(".")[0]]
    for place, text in product(places, LONG_TEXTS):
        body = damaged(kind, f"data.object.{place}", json.dumps(text))
        yield f"{kind} {place}={len(text)} {text[:9]!a}", usual(kind), body


def of_unknown_type(kind: str) -> Iterator[Case]:
    yield f"type {kind[:30]!a}", "received", damaged(REQUEST, "type", json.dumps(kind))


def thin(kind: str) -> Iterator[Case]:
    related = {"id": "iauth_1", "type": "issuing.authorization", "url": "/v1/issuing"}
    event = {
        "id": identifier("evt"),
        "object": "v2.core.event",
        "type": kind,
        "related_object": related,
    }
    told = "malformed_request" if kind == REQUEST else "received"
    yield f"thin {kind}", told, samples.to_bytes(event)


def marked() -> Iterator[Case]:
    body = samples.to_bytes(request_event(amount=100))
    yield "byte order mark", "approved", b"\xef\xbb\xbf" + body


def _each(make: Callable[[str], Iterator[Case]], *among: str) -> Callable[[], Iterator[Case]]:
    return lambda: (case for one in among for case in make(one))


TABLES: dict[str, Callable[[], Iterator[Case]]] = {
    "no events": lambda: ((name, "not_an_event", body) for name, body in NO_EVENTS.items()),
    "no texts": lambda: ((name, "mismatch", body) for name, body in NO_TEXTS.items()),
    "wrong amounts": _each(wrong_amounts, *WRONG_AMOUNTS.values()),
    "malformed": lambda: (case for place in MALFORMED for case in malformed(*place)),
    "extras": _each(extras, *HARMLESS.values()),
    "names": _each(named, *NAMES),
    "unreadable": _each(unreadable, *LATER),
    "empty": _each(empty, *LATER),
    "too long": _each(too_long, *EVENTS),
    "unknown types": _each(of_unknown_type, *UNKNOWN_TYPES),
    "thin": _each(thin, *EVENTS),
    "byte order mark": marked,
    "whole": _each(whole, *EVENTS),
}

EVERY = "HOSTILE_EVERY"
"""Set in the environment, `some` keeps every case."""


def some(cases: Iterator[Case]) -> Iterator[Case]:
    """Each eighth of them, and always the first."""
    return islice(cases, 0, None, 1 if os.environ.get(EVERY) else 8)
