"""What stand-in knows, written by hand: no database is needed."""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

from django.test import override_settings

from authorizations.rules.basics.controls import scope_of
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.stand_in import StandInCause
from authorizations.rules.decision.values import NO_USAGE, Window, WindowUsage
from authorizations.rules.decision.windows import windows_at
from authorizations.rules.policy.document import canonical_json, controls, normalize
from authorizations.services.host import host_files, host_memory, spool_writer
from authorizations.services.host.local_copy import (
    CARDS,
    CARDS_SCHEMA,
    POLICIES,
    POLICIES_SCHEMA,
    USAGE,
    USAGE_SCHEMA,
)
from authorizations.services.runtime import budget
from authorizations.services.runtime.delivery import Delivery, Stopwatch
from authorizations.services.stand_in import answers, switch
from authorizations.services.stand_in.local_copy_refresh import new_copy
from authorizations.services.stand_in.spool_record import SpoolRecord, decode
from authorizations.services.stand_in.usage_refresh import write_used
from authorizations.wire import events
from simulator.stripe import samples
from tests.support.builders import CREATED
from tests.support.documents import policy

_versions = count(1_000_000)
"""Beyond those of the database: versions are remembered by their number."""


def knows(
    *policies: dict[str, Any],
    cards: tuple[tuple[str, str, str, str], ...] = (("ic_marie", "ic_marie", "ich_marie", ""),),
    frozen: tuple[str, ...] = (),
    blocked: tuple[str, ...] = (),
    age_s: float = 0.0,
    used: WindowUsage | None = NO_USAGE,
    around: int = CREATED,
) -> None:
    """Write this host's copy; each policy has the keys of the policy file, and `scope`.

    They are unlimited, unless they say otherwise. `cards` are id, root, cardholder and group,
    `blocked` countries; `age_s` is how long ago all that was read. `used` is what counted by then
    in each window around an instant; None: none was read.
    """
    began = time.time() - age_s
    with host_memory.memory() as held:
        moment = held.moment()
    windows: set[Window] = set()
    with new_copy(CARDS, CARDS_SCHEMA, began) as copy:
        copy.executemany("INSERT INTO card VALUES (?, ?, ?, ?)", cards)
    with new_copy(POLICIES, POLICIES_SCHEMA, began) as copy:
        copy.executemany("INSERT INTO frozen VALUES (?)", [[card] for card in frozen])
        for number, country in enumerate(blocked, start=1):
            terms = {"country": country}
            row = {"id": number, "kind": "block", "scope": "program:", "terms": terms}
            row |= {"policy": None, "until": None}
            row |= {"author": "ada", "reason": "sanctions"}
            stop = (number, "program:", 0, None, json.dumps(row))
            copy.execute("INSERT INTO instruction VALUES (?, ?, ?, ?, ?)", stop)
        for keys in policies:
            scope, version = keys.pop("scope", "program:"), next(_versions)
            normal = normalize(policy(unlimited=True) | keys)
            content = canonical_json(normal).decode()
            measured = [scope]
            if scope == "program:":
                measured = sorted({f"card:{root}" for _, root, _, _ in cards})
            for found in map(scope_of, measured):
                applied = AppliedControls(found, found, version, 1, controls(normal))
                windows.update(windows_at(around, [applied]))
            copy.execute("INSERT INTO version VALUES (?, 1, ?)", [version, content])
            copy.execute("INSERT INTO tenure VALUES (?, ?, 0, NULL)", [version, version])
            copy.execute("INSERT INTO assignment VALUES (?, ?, ?)", [scope, version, ""])
    with new_copy(USAGE, USAGE_SCHEMA, int(began), moment.memory_id, moment.clock) as copy:
        write_used(copy, dict.fromkeys(windows, used) if used else {})
    with host_memory.memory() as held:
        held.forget(moment.clock)


def delivery(event: samples.Json) -> Delivery:
    """As it comes in, just now."""
    body = samples.to_bytes(event)
    return Delivery(datetime.now(UTC), "192.0.2.1", {}, body, "k3y", events.read(body), Stopwatch())


def stood_in(asked: Delivery, cause: StandInCause) -> bytes:
    """The answer of stand-in."""
    return answers.answer(events.authorization_request(asked.event), asked, cause)


def switched(*, on: bool, since: float) -> None:
    """As if a page had done it."""
    path = host_files.directory() / "stand-in-switch.json"
    path.write_text(json.dumps({"on": on, "since": since}))
    switch.look_again()


def spooled(directory: Path) -> list[SpoolRecord]:
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
    """With an empty spool of its own, and all the time that a busy machine may need."""
    with (
        override_settings(SPOOL_DIR=directory),
        patch.object(budget, "STAND_IN_MS", 60_000),
        patch.object(budget, "CAP_WAIT_MS", 60_000),
    ):
        spool_writer.spool()._timeout_s = 60
        switch.look_again()
        yield directory
        shutil.rmtree(host_memory.directory(), ignore_errors=True)
    switch.look_again()
