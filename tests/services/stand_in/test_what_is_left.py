"""Whatever comes in whatever order: one host never approves beyond a cap or a limit."""

import json
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from authorizations.models import Card, CardGroup, Cardholder, Finding
from authorizations.rules.decision.stand_in import StandInCause
from authorizations.services.authorize.transaction import authorize
from authorizations.services.host import caps as stand_in_caps
from authorizations.services.host import host_files, host_memory, spool_writer
from authorizations.services.host.caps import NotReplayedError
from authorizations.services.runtime import budget
from authorizations.services.stand_in import local_copy_refresh, replay, usage_refresh
from authorizations.wire import events
from simulator.stripe import samples
from tests.support.desk import Shopper, in_force
from tests.support.stand_in import delivery, on_this_host, stood_in

pytestmark = pytest.mark.django_db(transaction=True)

CARDS = 3
OF_CARD, OF_HOLDER, OF_GROUP, ONLINE = 700, 900, 1_500, 450
CAP_OF_CARD, CAP_OF_GROUP = 500, 800
_numbers = count(1)


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(usage_refresh, "SETTLING_S", 0.0)
    with on_this_host(tmp_path / "spool") as directory:
        yield directory


@dataclass
class Desk:
    """Three cards of two cardholders in one group, and what was answered to their purchases."""

    number: int = field(default_factory=lambda: next(_numbers))
    began: int = field(default_factory=lambda: int(time.time()))
    asked: list[tuple[int, samples.Json]] = field(default_factory=list)
    approved: dict[str, tuple[int, int]] = field(default_factory=dict)
    stood_in: dict[str, tuple[int, int]] = field(default_factory=dict)
    cards: list[Card] = field(default_factory=list)

    def open(self) -> None:
        group = CardGroup.objects.create(name=f"Group {self.number}")
        allowance: dict[str, Any] = {"stand_in_amount": 400, "stand_in_cap": CAP_OF_CARD}
        holders = [Cardholder.objects.create(pk=f"ich_{self.number}_{place}") for place in range(2)]
        for place in range(CARDS):
            card = Card.objects.create(
                id=f"ic_{self.number}_{place}",
                cardholder=holders[place // 2],
                group=group,
                currency="eur",
            )
            self.cards.append(card)
            limits = [
                {"amount": OF_CARD, "interval": "all_time"},
                {"count": 6, "interval": "rolling", "days": 2},
                {"amount": ONLINE, "interval": "all_time", "authorization_methods": ["online"]},
            ]
            in_force(f"Card {card.pk}", to={"card": card}, spending_limits=limits, **allowance)
        for holder in holders:
            limits = [{"amount": OF_HOLDER, "interval": "rolling", "days": 30}]
            in_force(holder.pk, to={"cardholder": holder}, spending_limits=limits, **allowance)
        limits = [{"amount": OF_GROUP, "interval": "all_time"}]
        allowance["stand_in_cap"] = CAP_OF_GROUP
        in_force(group.name, to={"group": group}, spending_limits=limits, **allowance)

    def event(self, place: int, amount: int) -> samples.Json:
        card = self.cards[place]
        holder = card.cardholder_id or ""
        shopper = Shopper(card_id=card.pk, cardholder_id=holder, at=self.began)
        method = "online" if amount % 2 else "chip"
        return shopper.event(shopper.purchase(amount, method=method))

    def asks(self, place: int, event: samples.Json, *, is_outage: bool) -> None:
        asked = delivery(event)
        request = events.authorization_request(asked.event)
        if is_outage:
            answer = stood_in(asked, StandInCause.DEADLINE_MISSED)
        else:
            try:
                answer = authorize(request, asked)
            except NotReplayedError:
                is_outage = True
                answer = stood_in(asked, StandInCause.NOT_REPLAYED)
        self.asked.append((place, event))
        told = json.loads(answer)
        if told["approved"]:
            spent = (place, told.get("amount", request.amount))
            is_new = request.event_id not in self.approved
            assert self.approved.setdefault(request.event_id, spent) == spent
            if is_outage and is_new:
                self.stood_in[request.event_id] = spent

    def check(self) -> None:
        """Nothing goes over any limit, nor stand-in over any cap."""
        by_card = [_sum(self.approved, [place]) for place in range(CARDS)]
        assert max(by_card) <= OF_CARD
        assert _sum(self.approved, [0, 1]) <= OF_HOLDER
        assert _sum(self.approved, range(CARDS)) <= OF_GROUP
        online = {key: spent for key, spent in self.approved.items() if spent[1] % 2}
        for place in range(CARDS):
            assert _sum(online, [place]) <= ONLINE
            assert sum(card == place for card, _ in self.approved.values()) <= 6
            assert _sum(self.stood_in, [place]) <= CAP_OF_CARD
        assert _sum(self.stood_in, range(CARDS)) <= CAP_OF_GROUP


def _sum(answers: dict[str, tuple[int, int]], places: Any) -> int:
    return sum(amount for place, amount in list(answers.values()) if place in places)


def read() -> None:
    local_copy_refresh.renew_policies()
    usage_refresh.renew_usage()
    local_copy_refresh.renew_cards()


def replay_all() -> None:
    spool_writer.spool().rotate()
    replay.run_for(60)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["database"] * 4 + ["stand-in"] * 4 + ["read", "replay", "again", "clock"]),
        st.integers(0, CARDS - 1),
        st.integers(1, 400),
        st.booleans(),
    ),
    min_size=8,
    max_size=24,
)


@given(steps=STEPS)
@settings(
    max_examples=15,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_in_any_order_nothing_goes_over(
    steps: list[tuple[str, int, int, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk()
    desk.open()
    read()
    true_time = time.time
    for what, place, amount, is_outage in steps:
        if what == "read":
            read()
        elif what == "replay":
            replay_all()
        elif what == "clock":
            monkeypatch.setattr(time, "time", lambda by=amount: true_time() + (by - 200) * 10)
        elif what == "again" and desk.asked:
            desk.asks(*desk.asked[amount % len(desk.asked)], is_outage=is_outage)
        else:
            desk.asks(place, desk.event(place, amount), is_outage=what == "stand-in")
        desk.check()
    monkeypatch.setattr(time, "time", true_time)
    replay_all()
    read()
    for place in range(CARDS):
        desk.asks(place, desk.event(place, 300), is_outage=True)
        desk.asks(place, desk.event(place, 1), is_outage=False)
    desk.check()
    replay_all()
    assert not Finding.objects.filter(kind="limit_exceeded").exists()


def test_at_once_nothing_goes_over() -> None:
    """Threads stand for processes: each has connections of its own to database and memory."""
    desk = Desk()
    desk.open()
    read()
    is_over = threading.Event()

    def buy(seed: int) -> None:
        chance = Random(seed)
        for _ in range(25):
            place, amount = chance.randrange(CARDS), chance.randrange(1, 60)
            desk.asks(place, desk.event(place, amount), is_outage=chance.random() < 0.5)

    def keep_up() -> None:
        while not is_over.is_set():
            replay_all()
            read()

    threads = [threading.Thread(target=_alone, args=(buy, seed)) for seed in range(4)]
    beside = threading.Thread(target=_alone, args=(keep_up,))
    for thread in [*threads, beside]:
        thread.start()
    for thread in threads:
        thread.join()
    is_over.set()
    beside.join()
    desk.check()
    replay_all()
    desk.check()
    assert len(desk.asked) == 100
    assert not Finding.objects.filter(kind="limit_exceeded").exists()


def _alone(work: Callable[..., None], *given: int) -> None:
    try:
        work(*given)
    finally:
        connection.close()


def test_what_another_host_approved_since_is_the_one_slack_and_becomes_a_finding(
    tmp_path: Path,
) -> None:
    """Of a limit of 7.00 two hosts that do not hear of each other approve 5.00 each."""
    desk = Desk()
    desk.open()
    with on_this_host(tmp_path / "other"):
        read()
    read()
    desk.asks(0, desk.event(0, 250), is_outage=True)
    desk.asks(0, desk.event(0, 250), is_outage=True)
    assert _sum(desk.approved, [0]) == CAP_OF_CARD
    with on_this_host(tmp_path / "other"):
        desk.asks(0, desk.event(0, 400), is_outage=False)
    assert _sum(desk.approved, [0]) == 900
    replay_all()
    found = Finding.objects.get(kind="limit_exceeded")
    assert "limit of €7.00 is exceeded by €2.00" in found.description


def test_hosts_that_share_what_was_left_do_not_go_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(django_settings, "STAND_IN_HOSTS", 2)
    desk = Desk()
    desk.open()
    read()
    with on_this_host(tmp_path / "other"):
        read()
        for _ in range(4):
            desk.asks(0, desk.event(0, 100), is_outage=True)
        replay_all()
    for _ in range(4):
        desk.asks(0, desk.event(0, 100), is_outage=True)
    assert _sum(desk.approved, [0]) == 2 * (CAP_OF_CARD // 2 // 100) * 100
    replay_all()
    assert not Finding.objects.filter(kind="limit_exceeded").exists()


def test_a_repeat_that_is_replayed_first_leaves_the_approval_to_its_own_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One process approves, another answers the same event again and replays its own file first."""
    desk = Desk()
    desk.open()
    read()
    folder = Path(django_settings.SPOOL_DIR)
    one, two = spool_writer.Spool(folder), spool_writer.Spool(folder)
    event = desk.event(0, 400)
    for process in (one, two):
        monkeypatch.setattr(spool_writer, "spool", lambda process=process: process)
        sent = stood_in(delivery(event), StandInCause.DATABASE_UNREACHABLE)
        assert json.loads(sent)["approved"] is True
    assert replay.run_for(60) == 1  # the other's file is still growing
    more = delivery(desk.event(0, OF_CARD - 400 + 1))
    with pytest.raises(NotReplayedError):
        authorize(events.authorization_request(more.event), more)
    one.rotate()
    replay.run_for(60)
    after = authorize(events.authorization_request(more.event), more)
    assert json.loads(after)["metadata"]["reason"] == "amount_limit_exceeded"


def test_caps_that_cannot_be_read_just_now_are_not_forgotten(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk()
    desk.open()
    read()
    sent = stood_in(delivery(desk.event(0, 400)), StandInCause.DATABASE_UNREACHABLE)
    assert json.loads(sent)["approved"] is True
    # The host starts anew: its memory is gone, what stand-in took is on the disk.
    host_memory._forget_connection()
    shutil.rmtree(host_memory.directory(), ignore_errors=True)
    monkeypatch.setattr(budget, "CAP_WAIT_MS", 10)
    more = delivery(desk.event(0, OF_CARD - 400 + 1))
    caps = host_files.directory() / stand_in_caps.FILE
    with closing(sqlite3.connect(caps, isolation_level=None)) as busy:
        busy.execute("PRAGMA locking_mode = EXCLUSIVE")
        busy.execute("BEGIN EXCLUSIVE")
        with pytest.raises(host_memory.HostMemoryError):
            authorize(events.authorization_request(more.event), more)
    with pytest.raises(NotReplayedError):
        authorize(events.authorization_request(more.event), more)
