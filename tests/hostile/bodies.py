"""Bodies that Stripe would hardly send, rightly signed. Values are JSON as it is written."""

from collections.abc import Callable
from random import Random

from simulator.stripe import samples
from simulator.stripe.sample_lives import (
    card_event,
    cardholder_event,
    force_capture,
    transaction_updated,
)
from simulator.stripe.sample_transactions import Change
from simulator.stripe.samples import Json
from tests.support import lives
from tests.support.builders import CREATED, identifier, request_event

CHANCE = Random(5)
REQUEST = "issuing_authorization.request"


def _updated_transaction() -> Json:
    found = force_capture(lives.card(), amount=100, at=CREATED, chance=CHANCE)["data"]["object"]
    return transaction_updated(found, at=CREATED, chance=CHANCE, changes={"dispute": "idp_1"})


def _card(change: Change) -> Json:
    return card_event(lives.card(card_id=identifier("ic")), change, at=CREATED, chance=CHANCE)


def _cardholder(change: Change) -> Json:
    holder = lives.card()["cardholder"]
    return cardholder_event(holder, change, at=CREATED, chance=CHANCE)


LATER: dict[str, Callable[[], Json]] = {
    "issuing_authorization.created": lambda: lives.approved(100).events[-1],
    "issuing_authorization.updated": lambda: lives.approved(100).set_amount(50, at=CREATED + 9),
    "issuing_transaction.created": lambda: force_capture(
        lives.card(), amount=100, at=CREATED, chance=CHANCE
    ),
    "issuing_transaction.updated": _updated_transaction,
    "issuing_card.created": lambda: _card("created"),
    "issuing_card.updated": lambda: _card("updated"),
    "issuing_cardholder.created": lambda: _cardholder("created"),
    "issuing_cardholder.updated": lambda: _cardholder("updated"),
}
EVENTS = LATER | {REQUEST: lambda: request_event(amount=100)}


def damaged(kind: str, path: str, written: str) -> bytes:
    """An event of this kind with what is `written` at the path instead of its value."""
    event = EVENTS[kind]()
    *parents, last = path.split(".")
    place = event
    for parent in parents:
        place = place[parent]
    place[last] = "DAMAGE"
    return samples.to_bytes(event).replace(b'"DAMAGE"', written.encode(), 1)


def text(size: int) -> str:
    return f'"{"x" * size}"'


_EVENT = samples.to_bytes(request_event(event_id="evt_never", authorization_id="iauth_never"))

NO_EVENTS = {
    "nothing": b"",
    "a space": b" ",
    "null": b"null",
    "true": b"true",
    "a number": b"1",
    "a text": b'"issuing_authorization.request"',
    "a list": b"[]",
    "a list of an event": b"[" + _EVENT + b"]",
    "an object": b"{}",
    "a type that is null": b'{"type":null}',
    "a type that is a number": b'{"type":5}',
    "a type that is a list": b'{"type":["issuing_authorization.request"]}',
    "two events": _EVENT + _EVENT,
    "half an event": _EVENT[: len(_EVENT) // 2],
    "an event without its last bracket": _EVENT[:-1],
    "an event with another bracket": _EVENT + b"}",
    "UTF-16 without a mark": _EVENT.decode().encode("utf-16-le"),
    "NULs": b"\0" * 5000,
    "an event behind NUL": b"\0" + _EVENT,
    "a form": b"type=issuing_authorization.request",
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "YAML": b"!!python/object/apply:os.system ['true']",
    "pickle": b"cos\nsystem\n(S'true'\ntR.",
    "Python": b"{'type': 'issuing_authorization.request'}",
    "brackets": b"[" * 200_000,
    "a deep list": b"[" * 100_000 + b"]" * 100_000,
    "a deep object": b'{"a":' * 40_000 + b"1" + b"}" * 40_000,
    "a comment": b"/* */" + _EVENT,
    "NaN": b"NaN",
}

NO_TEXTS = {
    "UTF-16": _EVENT.decode().encode("utf-16"),
    "UTF-32": _EVENT.decode().encode("utf-32"),
    "Latin-1": _EVENT.replace(b"Boulangerie", "Pâtisserie".encode("latin-1")),
    "zipped": b"\x1f\x8b\x08\x00" + _EVENT,
    "bytes": bytes(range(256)),
}

WRONG_AMOUNTS = {
    "a float": "1.5",
    "a whole float": "100.0",
    "in powers": "1e2",
    "endlessly large": "1e999",
    "true": "true",
    "text": '"100"',
    "nothing": "null",
    "negative": "-1",
    "2^53": "9007199254740992",
    "2^63": "9223372036854775808",
    "2^64": "18446744073709551616",
    "of 5,000 digits": "9" * 5000,
    "a list": "[100]",
    "an object": '{"amount":100}',
    "NaN": "NaN",
    "infinite": "-Infinity",
}

MALFORMED = [
    ("id", "null"),
    ("id", '""'),
    ("id", "5"),
    ("id", r'"evt_\u0000"'),
    ("id", r'"evt_\ud800"'),
    ("id", r'"evt 1\n2"'),
    ("id", text(256)),
    ("created", "null"),
    ("created", '"today"'),
    ("created", "-1"),
    ("created", "1795003200000000"),
    ("created", "true"),
    ("livemode", "null"),
    ("livemode", '"yes"'),
    ("livemode", "1"),
    ("data", "null"),
    ("data", "[]"),
    ("data", "{}"),
    ("data.object", "null"),
    ("data.object", '"iauth_1"'),
    ("data.object", "{}"),
    ("data.object", "[]"),
    ("data.object.id", "null"),
    ("data.object.id", text(1000)),
    ("data.object.created", "9" * 400),
    ("data.object.card", "null"),
    ("data.object.card", '"ic_marie"'),
    ("data.object.card.id", "{}"),
    ("data.object.card.id", r'"ic_\u0000"'),
    ("data.object.card.status", "null"),
    ("data.object.card.status", "1"),
    ("data.object.card.cardholder", "null"),
    ("data.object.card.cardholder", "{}"),
    ("data.object.card.replacement_for", "5"),
    ("data.object.amount", "1.5"),
    ("data.object.request_history", '{"0":1}'),
    ("data.object.request_history", '[{"amount":true,"approved":true,"created":1}]'),
    ("data.object.pending_request", "null"),
    ("data.object.pending_request", "[]"),
    ("data.object.pending_request.currency", "null"),
    ("data.object.pending_request.currency", '"euro"'),
    ("data.object.pending_request.currency", '"e\\u0000r"'),
    ("data.object.pending_request.currency", "978"),
    ("data.object.pending_request.amount_details", '{"cashback_amount":"5"}'),
    ("data.object.pending_request.amount_details", '{"cashback_amount":1.5}'),
]

HARMLESS = {
    "unknown fields": '{"new_in_2031":{"a":[1,2.5,null,true]}}',
    "deep lists": "[" * 50_000 + "]" * 50_000,
    "deep objects": '{"a":' * 20_000 + "1" + "}" * 20_000,
    "a lone surrogate": r'"\ud800"',
    "a lone surrogate as a key": r'{"\udfff":1}',
    "NUL": r'"\u0000"',
    "NUL as it is": '"\0"',
    "control characters as they are": '"\x01\t\n\x1b"',
    "NaN": "[NaN,Infinity,-Infinity]",
    "a number beyond floats": "1e400",
    "thousands of digits": "9" * 10_000,
    "2^63": "9223372036854775808",
    "a key told twice": '{"a":1,"a":2}',
    "10,000 keys": "{" + ",".join(f'"k{n}":"v"' for n in range(10_000)) + "}",
    "a long text": text(200_000),
    "a script": '"</script><script>alert(1)</script>"',
    "a card number": '"4242424242424242"',
    "an empty key": '{"":""}',
    "what Python's objects call their own": '{"__proto__":{},"__class__":"x","constructor":1}',
}
"""Each told as an unknown field, and as metadata."""

LONG_TEXTS = ("x" * 51, "x" * 256, "\xdf" * 500, "\u0130" * 500, "x" * 100_000)
"""Among them letters that turn into two when they become large or small."""

_OF_CARDS = ("brand", "type", "last4", "currency")
_OF_MERCHANTS = ("name", "category", "category_code", "country", "city", "network_id", "url")
_IN_AUTHORIZATIONS = (
    *(f"card.{part}" for part in _OF_CARDS),
    *(f"merchant_data.{part}" for part in _OF_MERCHANTS),
    *("card.cardholder.name", "merchant_currency", "wallet", "authorization_method"),
)
LONG_PLACES = {
    REQUEST: (*_IN_AUTHORIZATIONS, "pending_request.merchant_currency", "verification_data"),
    "issuing_authorization": (*_IN_AUTHORIZATIONS, "status", "card.status"),
    "issuing_transaction": (
        *(f"merchant_data.{part}" for part in _OF_MERCHANTS),
        *("type", "merchant_currency", "wallet"),
    ),
    "issuing_card": (*_OF_CARDS, "status", "cardholder.name"),
    "issuing_cardholder": ("name", "status", "type", "email"),
}

WAITING = {
    "issuing_authorization": [
        *(f"amount {written}" for written in WRONG_AMOUNTS.values() if written != "null"),
        *("id null", "created 1e9", "card null", 'card "ic_marie"', 'currency "euro"'),
        *("card.id 5", "transactions {}", 'transactions [{"id":"ipi_1"}]', "request_history 5"),
    ],
    "issuing_transaction": [
        *(f"amount {written}" for written in WRONG_AMOUNTS.values() if written != "-1"),
        *("id null", "created true", "card null", "currency 978", "type null", "authorization 5"),
    ],
    "issuing_card": ["id null", 'id ""', "status null", "cardholder 5", "replacement_for 5"],
    "issuing_cardholder": ["id null", r'id "ich_\u0000"', "id []"],
}
"""By object: a path in it and what is written there, and the event can't be applied."""
