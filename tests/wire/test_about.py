"""Which purchase a later event tells of."""

from typing import Any

import pytest

from authorizations.wire.events import READ, read
from authorizations.wire.reports import about
from simulator.stripe.samples import to_bytes
from tests.support.lives import approved

LATER = "issuing_transaction.updated"


@pytest.mark.parametrize(
    ("event_type", "found", "told"),
    [
        ("issuing_authorization.created", {"id": "iauth_1"}, "iauth_1"),
        ("issuing_authorization.updated", {"id": "iauth_1", "authorization": None}, "iauth_1"),
        ("issuing_authorization.request", {"id": "iauth_1"}, ""),
        ("issuing_transaction.created", {"id": "ipi_1", "authorization": "iauth_1"}, "iauth_1"),
        (LATER, {"id": "ipi_1", "authorization": {"id": "iauth_1"}}, "iauth_1"),
        (LATER, {"id": "ipi_1", "authorization": None}, "ipi_1"),
        (LATER, {"id": "ipi_1"}, "ipi_1"),
        (LATER, {"id": "with a space"}, ""),
        (LATER, {}, ""),
        (LATER, None, ""),
        ("issuing_card.updated", {"id": "ic_1"}, ""),
        (f"{READ}issuing_authorization", {"id": "iauth_1"}, "iauth_1"),
        (f"{READ}issuing_transaction", {"id": "ipi_1", "authorization": "iauth_1"}, "iauth_1"),
    ],
)
def test_an_event_tells_of_an_authorization_or_a_lone_transaction(
    event_type: str, found: Any, told: str
) -> None:
    assert about(read(to_bytes({"type": event_type, "data": {"object": found}}))) == told


def test_every_event_after_the_request_of_a_whole_life_is_found_by_its_authorization() -> None:
    life = approved()
    life.capture(at=1_800_000_000)
    told = [about(read(to_bytes(event))) for event in life.events]
    assert told == ["", *[life.kept["id"]] * 3]
