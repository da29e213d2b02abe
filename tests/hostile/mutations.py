"""Endless hostile requests: good ones with something wrong, drawn from a seed."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from simulator.stripe import samples
from tests.hostile.bodies import EVENTS, HARMLESS, MALFORMED, REQUEST, WRONG_AMOUNTS
from tests.hostile.exchange import post
from tests.hostile.names import NAMES
from tests.hostile.requests import signed

_VALUES = (
    *HARMLESS.values(),
    *WRONG_AMOUNTS.values(),
    *(written for _, written in MALFORMED),
    *(json.dumps(name) for name in NAMES),
    *("0", "1", "-0", "0.1", '"eur"', '"EUR"', '"active"', '"ic_marie"', "[null]", '{"id":null}'),
)
# Long ones make most of the time go into sending.
VALUES = tuple(value for value in _VALUES if len(value) < 2000)
MARK = "MUTATED"
TOKENS = (
    b"\0",
    b"\r\n",
    b"\n",
    b"\xff",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b":",
    b",",
    b"\\ud800",
    b"0",
)


@dataclass(frozen=True)
class Mutation:
    """`body` is what was signed; `raw` what is sent, None where that is the body as it should."""

    kind: str
    body: bytes
    raw: bytes | None = None

    def sent(self) -> bytes:
        return self.raw if self.raw is not None else post(self.body, signed(self.body))


def mutations(seed: int, cases: int) -> Iterator[Mutation]:
    chance = Random(seed)
    makers = (_values, _values, _values, _bytes, _wrapped)
    for _ in range(cases):
        kind = chance.choice((*[REQUEST] * 8, *EVENTS))
        yield chance.choice(makers)(chance, kind)


def _values(chance: Random, kind: str) -> Mutation:
    """Valid JSON but for what the written values bring along; signed afterwards."""
    event = EVENTS[kind]()
    written = [chance.choice(VALUES) for _ in range(chance.choice((1, 1, 1, 2, 5)))]
    for number in range(len(written)):
        _mutate(chance, event, f"{MARK}{number}")
    body = samples.to_bytes(event)
    for number, value in enumerate(written):
        body = body.replace(b'"%b%d"' % (MARK.encode(), number), value.encode())
    return Mutation(kind, body)


def _mutate(chance: Random, tree: Any, mark: str) -> None:
    """Somewhere in it, a value is replaced, added or taken away."""
    places = list(_places(tree))
    holder, key = chance.choice(places)
    action = chance.randrange(8)
    if action == 0:
        del holder[key]
    elif action == 1 and isinstance(holder, dict):
        holder["new"] = mark
    elif action == 2:
        other, name = chance.choice(places)
        holder[key] = json.loads(json.dumps(other.get(name) if isinstance(other, dict) else other))
    else:
        holder[key] = mark


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    keyed = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(keyed):
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _bytes(chance: Random, kind: str) -> Mutation:
    """Bytes of the body are changed, then it is signed."""
    return Mutation(kind, _damaged(chance, samples.to_bytes(EVENTS[kind]())))


def _wrapped(chance: Random, kind: str) -> Mutation:
    """A good body, signed and wrapped; then bytes of the request are changed."""
    body = samples.to_bytes(EVENTS[kind]())
    whole = post(body, signed(body))
    head = whole.index(b"\r\n\r\n") + 4
    if chance.random() < 0.7:
        return Mutation(kind, body, _damaged(chance, whole[:head]) + whole[head:])
    return Mutation(kind, body, _damaged(chance, whole))


def _damaged(chance: Random, good: bytes) -> bytes:
    found = bytearray(good)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        start = chance.randrange(len(found) + 1)
        end = min(len(found), start + chance.choice((0, 1, 1, 4, 40)))
        action = chance.randrange(5)
        if action == 0:
            del found[start:end]
        elif action == 1:
            found[start:end] = bytes(chance.choices(range(256), k=end - start))
        elif action == 2:
            found[start:start] = chance.choice(TOKENS)
        elif action == 3:
            found[start:start] = found[start:end] * chance.choice((1, 2, 50))
        elif start < len(found):
            found[start] ^= 1 << chance.randrange(8)
    return bytes(found)
