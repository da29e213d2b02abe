"""Stand-in from end to end: the database's own copy, an answer without it, and its record later."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from authorizations.models import Decision
from authorizations.rules.decision.stand_in import StandInCause
from authorizations.services.stand_in import local_copy_refresh, replay_one, usage_refresh
from authorizations.services.verify.redecide import redecide
from simulator.stripe import samples
from tests.support.desk import Shopper, in_force
from tests.support.stand_in import delivery, on_this_host, spooled, stood_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def host(tmp_path: Path) -> Iterator[Path]:
    with on_this_host(tmp_path / "spool") as directory:
        yield directory


@pytest.fixture(autouse=True)
def policies_are_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_refresh, "SETTLING_S", 0.0)


def renew() -> None:
    local_copy_refresh.renew_policies()
    usage_refresh.renew_usage()
    local_copy_refresh.renew_cards()


def answered(event: samples.Json) -> None:
    stood_in(delivery(event), StandInCause.DEADLINE_MISSED)


@pytest.mark.parametrize(
    ("amount", "facts", "reason"),
    [
        (3_000, {}, ""),
        (0, {}, ""),
        (5_001, {}, "stand_in"),
        (3_000, {"method": "swipe"}, "authorization_method_not_allowed"),
    ],
)
def test_what_stand_in_decided_is_decided_again_from_its_row(
    host: Path, amount: int, facts: dict[str, Any], reason: str
) -> None:
    shopper = Shopper()
    in_force(
        blocked_authorization_methods=["swipe"],
        spending_limits=[{"amount": 50_000, "interval": "all_time"}],
        stand_in_amount=5_000,
        stand_in_cap=20_000,
    )
    shopper.asks(100)
    renew()
    answered(shopper.event(shopper.purchase(1_000)))
    answered(shopper.event(shopper.purchase(amount, **facts), event_id="evt_a"))
    for kept in spooled(host):
        replay_one.replay(kept)
    row = Decision.objects.get(pk="evt_a")
    assert (row.approved, row.reason, row.stand_in) == (not reason, reason, "deadline_missed")
    assert redecide("evt_a") == []
    assert row.approved_amount == (0 if reason else amount)


def test_a_refused_card_is_decided_again_as_well(host: Path) -> None:
    in_force()
    answered(Shopper().event(Shopper().purchase(100), event_id="evt_a"))
    [kept] = spooled(host)
    replay_one.replay(kept)
    assert Decision.objects.get(pk="evt_a").reason == "stand_in"
    assert redecide("evt_a") == []
