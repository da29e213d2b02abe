"""Freezes and blocks, from their rows as JSON: those of the database, and of stand-in's copy."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec

from authorizations.rules.basics.controls import Scope, scope_of
from authorizations.rules.basics.stops import MAX_CACHED, Stop

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def stops_of(rows: Iterable[str], card_id: str) -> tuple[Stop, ...]:
    """The stops in these rows for a card, by their ids; one on a single card holds for it alone."""
    found = map(_stop, rows)
    own = scope_of(f"card:{card_id}")
    kept = (stop for stop in found if stop.scope == own or stop.scope.kind != own.kind)
    return tuple(sorted(kept, key=lambda stop: stop.id))


@lru_cache(MAX_CACHED)
def _stop(text: str) -> Stop:
    """A row as its text says, which never changes."""
    row = _decode(text)
    terms = row["terms"]
    return Stop(
        id=row["id"],
        scope=Scope(*scope_of(row["scope"])),
        merchant=terms.get("merchant"),
        category=terms.get("category", ""),
        country=terms.get("country", ""),
        until=row["until"],
        author=row["author"],
        reason=row["reason"],
    )
