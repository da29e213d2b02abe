"""A row that stays locked is the affair of those who need it, and takes no thread for long."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from psycopg.errors import LockNotAvailable

from authorizations.models import Card, CardGroup
from authorizations.services.runtime import budget
from authorizations.services.runtime.breaker import Breaker
from authorizations.services.stand_in import local_copy_refresh
from authorizations.services.store import locked_rows, locks
from authz_project.deadline import ending
from simulator.stripe.sample_lives import Life
from tests.support import builders
from tests.support.desk import NOON, Shopper, deliver, in_force
from tests.support.lifecycle import card_of
from tests.support.stand_in import on_this_host
from tests.support.threads import done

pytestmark = pytest.mark.django_db(transaction=True)

USUAL, BRIEF = f"{budget.LOCK_TIMEOUT_MS}ms", f"{budget.BRIEF_LOCK_WAIT_MS}ms"


@pytest.fixture(autouse=True)
def nobody_misses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Any) -> Iterator[None]:
    settings.DECISION_BUDGET_MS = 20_000  # or a slow machine's deadline would pass first
    monkeypatch.setattr(budget, "LOCK_TIMEOUT_MS", 100)
    monkeypatch.setattr(locked_rows, "_until", {})
    monkeypatch.setattr(Breaker, "miss", unexpected_miss)
    with on_this_host(tmp_path / "spool"):
        yield


def unexpected_miss(_: Breaker) -> None:
    raise AssertionError("A row that stays locked says nothing about the database.")


def cause(shopper: Shopper, amount: int = 100) -> str:
    """Why it was answered without the database, if it was."""
    return str(done(partial(shopper.asks, amount))["metadata"].get("stand_in", ""))


HERS = Shopper()
SAME_HOLDER = Shopper(card_id="ic_2")
SAME_GROUP = Shopper(card_id="ic_3", cardholder_id="ich_3")
REPLACEMENT = Shopper(card_id="ic_4", cardholder_id="ich_4", card={"replacement_for": "ic_1"})
OTHER = Shopper(card_id="ic_5", cardholder_id="ich_5")
EVERYBODY = (HERS, SAME_HOLDER, SAME_GROUP, REPLACEMENT, OTHER)


@pytest.fixture
def group() -> CardGroup:
    """Of two cards; this host's copy knows it, as it does a few seconds later."""
    in_force()
    group = CardGroup.objects.create(name="Team")
    for shopper in EVERYBODY:
        shopper.asks(100)
    Card.objects.filter(pk__in=["ic_1", "ic_3"]).update(group=group)
    for shopper in EVERYBODY:
        shopper.asks(100)
    local_copy_refresh.renew_cards()
    return group


def waits(shopper: Shopper) -> str | None:
    """How long it would wait now, where its time has just begun."""
    card = builders.card(
        id=shopper.card_id,
        cardholder_id=shopper.cardholder_id,
        replacement_for=shopper.card.get("replacement_for"),
    )
    with in_time():
        return locked_rows.patience(builders.authorization_request(card=card))


def in_time() -> AbstractContextManager[None]:
    return ending(monotonic() + 20)


@pytest.mark.parametrize(
    ("locked", "concerned"),
    [
        ({"cards": ["ic_1"]}, (HERS, REPLACEMENT)),
        ({"cardholders": ["ich_1"]}, (HERS, SAME_HOLDER)),
        ({"groups": ...}, (HERS, SAME_GROUP, REPLACEMENT)),
    ],
)
def test_only_those_are_answered_alone_who_need_the_row(
    group: CardGroup, locked: dict[str, Any], concerned: tuple[Shopper, ...]
) -> None:
    rows = {"groups": [group.pk]} if "groups" in locked else locked
    with transaction.atomic():
        locks.hold(**rows)
        assert cause(HERS) == "row_locked"
        assert {s.card_id: waits(s) for s in EVERYBODY} == {
            s.card_id: BRIEF if s in concerned else "100ms" for s in EVERYBODY
        }
        assert {s.card_id: cause(s) for s in EVERYBODY} == {
            s.card_id: "row_locked" if s in concerned else "" for s in EVERYBODY
        }
    assert {cause(shopper) for shopper in EVERYBODY} == {""}
    assert {waits(shopper) for shopper in EVERYBODY} == {"100ms"}


def test_a_row_is_remembered_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(locked_rows, "monotonic", lambda: now[0])
    request = builders.authorization_request()
    refused = OperationalError()
    refused.__cause__ = LockNotAvailable()
    locked_rows.note(refused, request)
    with in_time():
        assert locked_rows.patience(request) == BRIEF
        now[0] += locked_rows.REMEMBERED_S
        assert locked_rows.patience(request) == "100ms"


def test_other_errors_of_the_database_are_remembered_of_no_row() -> None:
    request = builders.authorization_request()
    locked_rows.note(OperationalError("server closed the connection"), request)
    with in_time():
        assert locked_rows.patience(request) == "100ms"
    assert not locked_rows.is_timeout(OperationalError())


def test_a_locked_row_is_given_up_before_the_deadline_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else its time-out could not be told from that of the database."""
    request = builders.authorization_request()
    assert locked_rows.patience(request) is None
    for left_s, waited in ((0.7, "100ms"), (0.19, "90ms"), (0.05, "1ms"), (0.0, "1ms")):
        monkeypatch.setattr(locked_rows, "seconds_left", lambda left_s=left_s: left_s)
        assert locked_rows.patience(request) == waited


def test_how_long_rows_are_waited_for_is_forgotten_with_the_transaction() -> None:
    in_force()
    HERS.asks(100)
    with transaction.atomic():
        locks.hold(cards=["ic_1"])
        assert cause(HERS) == "row_locked"
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)


def test_a_later_event_whose_card_stays_locked_is_no_miss_either() -> None:
    in_force()
    life = Life(HERS.purchase(5_000), card_of(HERS))
    asked = life.ask(at=NOON)
    deliver(asked)
    event = life.answered(approved=True, at=NOON + 1)
    with transaction.atomic():
        locks.hold(cards=["ic_1"])
        done(partial(deliver, event))
    assert deliver(event).status_code == 200
