"""Whole lives against a running server, over real HTTP."""

import re
from collections import Counter
from functools import partial
from time import monotonic
from typing import Any

import pytest
from django.core.management import CommandError

from authorizations.models import Decision, WebhookRequest
from authorizations.wire.signature import sign
from simulator import door
from simulator.lives import ENDINGS
from tests.commands.conftest import Simulate
from tests.support.desk import NOON, in_force


def figures(printed: str) -> dict[str, int]:
    """The table's rows."""
    return {name: int(count) for name, count in re.findall(r"│ (.+?) +│ +(\d+) │", printed)}


def sent(printed: str) -> tuple[int, int, int]:
    """Events sent, of them for the second time, refused."""
    found = re.search(r"(\d+) events sent, (\d+) of them .*; (\d+) refused", printed)
    assert found
    return int(found[1]), int(found[2]), int(found[3])


def deliveries() -> list[str]:
    """Types of all events in the order they came."""
    return list(WebhookRequest.objects.order_by("pk").values_list("event_type", flat=True))


def test_every_ending_is_played_through_the_door_and_counted(simulate: Simulate) -> None:
    in_force()
    printed = simulate(lives=60, mix=",".join(f"{name}=1" for name in ENDINGS), seed="all")
    rows = figures(printed)
    assert sum(rows.values()) == 60
    assert len(rows) > 12
    assert sent(printed) == (WebhookRequest.objects.count(), 0, 0)
    kinds = Counter(deliveries())
    assert (
        kinds["issuing_authorization.request"] == Decision.objects.filter(decided_by="desk").count()
    )
    assert kinds["issuing_transaction.created"] > 10
    assert kinds["issuing_authorization.updated"] > 10


def test_the_servers_answer_decides_what_stripe_does(simulate: Simulate) -> None:
    in_force(spending_limits=[{"amount": 1, "interval": "per_authorization"}])
    printed = simulate(lives=6, mix="capture=1", seed="declined")
    assert figures(printed) == {"Declined by the server": 6}
    assert deliveries() == ["issuing_authorization.request", "issuing_authorization.created"] * 6


def test_only_endings_of_the_mix_come(simulate: Simulate) -> None:
    printed = simulate(lives=10, mix="force_capture=3,unlinked_refund=1", seed="mix")
    rows = figures(printed)
    assert set(rows) == {"Captured without asking", "Refund of nothing known"}
    assert sum(rows.values()) == 10


def test_in_order_a_life_is_over_before_the_next_begins(simulate: Simulate) -> None:
    in_force()
    simulate(lives=3, mix="void=1", seed="order")
    whole = [f"issuing_authorization.{kind}" for kind in ("request", "created", "updated")]
    assert deliveries() == whole * 3


def test_out_of_order_the_same_events_come_otherwise(simulate: Simulate) -> None:
    in_force()
    printed = simulate(lives=12, mix="void=1", seed="order", out_of_order=True)
    assert sent(printed) == (36, 0, 0)
    found = deliveries()
    assert Counter(found) == {
        f"issuing_authorization.{kind}": 12 for kind in ("request", "created", "updated")
    }
    assert found[:3] == ["issuing_authorization.request"] * 3  # the others wait


def test_duplicates_are_the_same_events_again(simulate: Simulate) -> None:
    in_force()
    printed = simulate(lives=15, seed="twice", duplicates=True, out_of_order=True)
    total, repeats, refused = sent(printed)
    assert repeats > 2
    assert refused == 0
    assert total == WebhookRequest.objects.count()
    assert WebhookRequest.objects.values("event_id").distinct().count() == total - repeats
    assert "answered differently" not in printed


def test_the_same_seed_plays_the_same_lives(simulate: Simulate) -> None:
    in_force()
    first = figures(simulate(lives=8, seed="again", begin=NOON))
    ids = set(WebhookRequest.objects.values_list("event_id", flat=True))
    assert figures(simulate(lives=8, seed="again", begin=NOON)) == first
    assert set(WebhookRequest.objects.values_list("event_id", flat=True)) == ids


def test_refused_events_are_counted_and_the_first_is_told(
    simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_force()
    deliver = door.Door.deliver
    refusals = iter([None, b'{"error": {"message": "Later."}}', None, None, b"<html>"])

    def deliver_most(self: door.Door, body: bytes) -> door.Reply:
        refusal = next(refusals, None)
        return deliver(self, body) if refusal is None else door.Reply(503, refusal)

    monkeypatch.setattr(door.Door, "deliver", deliver_most)
    printed = simulate(lives=3, mix="void=1", seed="refused")
    assert sent(printed) == (9, 0, 2)
    assert "The first refusal: The server refused the event (503): Later." in printed


def test_where_already_the_first_event_is_refused_nothing_more_is_sent(
    simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    another = partial(sign, secret="whsec_another")
    monkeypatch.setattr(door, "sign", lambda body, _, at: another(body, timestamp=at))
    with pytest.raises(CommandError, match="Give both the same STRIPE_WEBHOOK_SECRET"):
        simulate(lives=5)


def test_the_rate_is_of_events(simulate: Simulate) -> None:
    started = monotonic()
    simulate(lives=5, mix="force_capture=1", rate=10.0)
    assert monotonic() - started >= 0.4


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"lives": 0}, "--lives must be above 0"),
        ({"lives": 5, "mix": "captured=1"}, '--mix: .*Did you mean "capture"'),
        ({"lives": 5, "mix": "capture=some"}, "--mix: Write how often capture occurs"),
        ({"lives": 5, "mix": ""}, '--mix: There is no ending ""'),
        ({"lives": 5, "count": 9}, "--lives draws its own purchases"),
        ({"lives": 5, "amount": "45.00"}, "--lives draws its own purchases"),
        ({"mix": "capture=1"}, "--mix goes with --lives"),
        ({"out_of_order": True}, "--out-of-order goes with --lives"),
        ({"duplicates": True}, "--duplicates goes with --lives"),
        ({"lives": 5}, r"No server answers.*make run"),
    ],
)
def test_what_can_not_be_played_is_refused_with_a_sentence(
    silent_port: int, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(CommandError, match=sentence):
        Simulate(f"http://127.0.0.1:{silent_port}/webhook")(**options)
