"""What stand-in knows, written by hand: no database is needed."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from django.conf import settings
from django.test import override_settings

from authorizations.rules.document import canonical_json, normalize
from authorizations.services import switch
from authorizations.services.spooled import Spooled, decode
from authorizations.services.standing_copy import CARDS, CARDS_SCHEMA, POLICIES, POLICIES_SCHEMA
from authorizations.services.standing_refresh import new_copy
from tests.rules.documents import policy

_versions = count(1_000_000)
"""Beyond those of the database: versions are remembered by their number."""


def knows(
    *policies: dict[str, Any],
    cards: tuple[tuple[str, str, str, str], ...] = (("ic_marie", "ic_marie", "ich_marie", ""),),
    frozen: tuple[str, ...] = (),
    age_s: float = 0.0,
) -> None:
    """Write this host's copy; each policy has the keys of the policy file, and `scope`.

    `cards` are id, root, cardholder and group; `age_s` is how long ago all that was read.
    """
    began = time.time() - age_s
    with new_copy(CARDS, CARDS_SCHEMA, began) as copy:
        copy.executemany("INSERT INTO card VALUES (?, ?, ?, ?)", cards)
    with new_copy(POLICIES, POLICIES_SCHEMA, began) as copy:
        copy.executemany("INSERT INTO frozen VALUES (?)", [[card] for card in frozen])
        for keys in policies:
            scope, version = keys.pop("scope", "program:"), next(_versions)
            content = canonical_json(normalize(policy(**keys))).decode()
            copy.execute("INSERT INTO version VALUES (?, 1, ?)", [version, content])
            copy.execute("INSERT INTO assignment VALUES (?, ?)", [scope, version])


def switched(*, on: bool, since: float) -> None:
    """As if a page had done it."""
    path = Path(settings.SPOOL_DIR) / "stand-in-switch.json"
    path.write_text(json.dumps({"on": on, "since": since}))
    switch.look_again()


def spooled(directory: Path) -> list[Spooled]:
    """All records of the spool, the oldest first."""
    found = []
    for file in sorted(directory.glob("*.spool")):
        rest = file.read_bytes()
        while rest:
            length = int.from_bytes(rest[:4])
            found.append(decode(rest[8 : 8 + length]))
            rest = rest[8 + length :]
    return found


@contextmanager
def on_this_host(directory: Path) -> Iterator[Path]:
    """With an empty spool of its own."""
    with override_settings(SPOOL_DIR=directory):
        switch.look_again()
        yield directory
    switch.look_again()
