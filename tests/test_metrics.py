"""What Prometheus reads, from the real server with two workers, and who may."""

import json
import logging
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings
from pytest_django.plugin import DjangoDbBlocker

from authorizations.models import Authorization
from authorizations.services.runtime import metrics_files
from authorizations.services.runtime.breaker import MISSES, Breaker
from authorizations.services.webhook import answering, gauges, scrape
from simulator.stripe import samples
from tests.conftest import empty_the_database
from tests.support import server
from tests.support.builders import signed
from tests.support.desk import Shopper, deliver, in_force
from tests.support.stand_in import spooled

pytestmark = pytest.mark.django_db(transaction=True)

Figures = dict[tuple[str, tuple[str, ...]], float]


def figures(exposition: bytes) -> Figures:
    """Each sample by its name and the values of its labels."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(exposition.decode())
        for sample in family.samples
    }


def scraped(desk: server.Server) -> Figures:
    status, content = desk.ask("/metrics")
    assert status == 200
    return figures(content)


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + server.PATIENCE_S
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture(scope="module")
def desk(
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[server.Server]:
    """Counts on from one test to the next; a proxy of this machine tells it who asks."""
    own = tmp_path_factory.mktemp("desk")
    variables = {"METRICS_DIR": str(own / "metrics"), "TRUSTED_PROXIES": "127.0.0.1"}
    with django_db_blocker.unblock(), server.running(own / "log", **variables) as running:
        wait_until(lambda: len(list((own / "metrics").glob("counter_[0-9]*.db"))) == 2)
        wait_until(lambda: all_are_ready(running))
        yield running
    with django_db_blocker.unblock():
        empty_the_database()  # it wrote what it had refused after the test that was about that


ANSWERS = re.compile(r"Process \d+ answers")


def all_are_ready(desk: server.Server) -> bool:
    return desk.log.count("Ready for purchases after ") == len(ANSWERS.findall(desk.log))


def purchase(amount: int = 100) -> tuple[bytes, dict[str, str]]:
    shopper = Shopper()
    return signed(samples.to_bytes(shopper.event(shopper.purchase(amount))))


def lines(log: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.splitlines()]


def test_a_scrape_adds_up_over_the_workers_also_those_that_ended(desk: server.Server) -> None:
    in_force(spending_limits=[{"amount": 500, "interval": "per_authorization"}])
    earlier = scraped(desk)

    def more(*sample: Any) -> float:
        now = scraped(desk)
        return now[sample] - earlier.get(sample, 0)

    for amount in [100, 600] * 6:
        assert desk.ask("/webhook", *purchase(amount))[0] == 200
    desk.ask("/webhook", b"{}", {})
    assert more("desk_decisions_total", ("approved", "approved")) == 6
    assert more("desk_decisions_total", ("declined", "amount_limit_exceeded")) == 6
    assert more("desk_decision_seconds_count", ()) == 12
    assert more("desk_lock_wait_seconds_count", ()) == 12
    assert more("desk_rejected_requests_total", ("missing",)) == 1
    before = scraped(desk)
    assert before["desk_breaker_open", ()] == 0
    assert before["desk_database_up", ()] == 1

    first, booted = desk.workers(), len(ANSWERS.findall(desk.log))
    for worker in first:
        os.kill(worker, signal.SIGKILL)
    wait_until(lambda: len(desk.workers() - first) == 2)
    wait_until(lambda: len(ANSWERS.findall(desk.log)) == booted + 2)
    assert desk.ask("/webhook", *purchase())[0] == 200
    assert more("desk_decisions_total", ("approved", "approved")) == 7
    assert more("desk_decision_seconds_count", ()) == 13


def test_each_decision_is_one_line_of_json_and_a_repeat_says_so(desk: server.Server) -> None:
    in_force()
    questions = [purchase(250) for _ in range(5)]
    earlier = len(desk.log)
    for question in [*questions, questions[0]]:
        desk.ask("/webhook", *question)
    wait_until(lambda: desk.log.count("decision_log", earlier) == 6)
    text = desk.log[earlier:]
    told = [line for line in lines(text) if line["logger"].endswith("decision_log")]
    assert Counter(line["outcome"] for line in told) == {"approved": 5, "repeated": 1}
    event = json.loads(questions[0][0])
    first, again = (line for line in told if line["decision"] == event["id"])
    assert (first["decision"], first["event_id"]) == (event["id"], event["id"])
    assert (first["amount"], first["currency"], first["card"]) == (250, "eur", "ic_1")
    assert first["authorization"] == event["data"]["object"]["id"]
    assert (first["reason"], first["stand_in"], first["level"]) == ("approved", "", "INFO")
    assert first["duration_ms"] > 0
    assert again["decision"] == first["decision"]
    assert "v1=" not in text
    assert "whsec_" not in text


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("192.168.7.7", {}, 200),
        ("::ffff:10.0.0.9", {}, 200),
        ("203.0.113.9", {}, 404),
        ("2001:db8::1", {}, 404),
        ("", {}, 404),  # a socket of this machine tells nobody's address, its proxy does
        ("", {"X-Forwarded-For": "10.0.0.9"}, 200),
        ("", {"X-Forwarded-For": "203.0.113.9"}, 404),
        ("127.0.0.1", {"X-Forwarded-For": "10.0.0.9"}, 404),  # a proxy nobody vouches for
        ("127.0.0.1", {"Forwarded": "for=10.0.0.9"}, 404),
        ("10.9.9.9", {"X-Forwarded-For": "10.0.0.9"}, 200),
        ("10.9.9.9", {"X-Forwarded-For": "203.0.113.9"}, 404),
        ("10.9.9.9", {"X-Forwarded-For": "10.0.0.9, 203.0.113.9"}, 404),
        ("203.0.113.9", {"X-Forwarded-For": "10.0.0.9"}, 404),
    ],
)
def test_metrics_exist_for_the_local_network_only(
    settings: Settings, peer: str, headers: dict[str, str], status: int
) -> None:
    settings.TRUSTED_PROXIES = [ip_network("10.9.9.9")]
    assert Client(REMOTE_ADDR=peer).get("/metrics", headers=headers).status_code == status


def test_other_networks_can_be_allowed_instead(settings: Settings) -> None:
    settings.METRICS_ALLOWED = [ip_network("203.0.113.0/24")]
    assert Client(REMOTE_ADDR="203.0.113.9").get("/metrics").status_code == 200
    assert Client(REMOTE_ADDR="127.0.0.1").get("/metrics").status_code == 404


def test_probes_that_ask_by_address_and_without_https_are_answered(desk: server.Server) -> None:
    """As Kubernetes and balancers do; it runs with production's settings."""
    wait_until(lambda: all_are_ready(desk))
    for path in ("/healthz", "/readyz", "/healthz/", "/readyz/"):
        for host in ("10.0.0.5:8000", "localhost", "[::1]", "any_name.internal"):
            status, content = desk.ask(path, headers={"Host": host})
            assert (status, json.loads(content)["status"]) in ((200, "ok"), (200, "ready"))


def test_the_real_server_tells_the_networks_apart_and_takes_any_name_without_https(
    desk: server.Server,
) -> None:
    """It runs with production's settings: all else is led to HTTPS, or refused for its name."""
    assert desk.ask("/metrics", headers={"X-Forwarded-For": "203.0.113.9"}) == (404, b"")
    assert desk.ask("/metrics", headers={"X-Forwarded-For": "10.0.0.9"})[0] == 200
    assert desk.ask("/metrics", headers={"Host": "10.0.0.5:8000"})[0] == 200


def ours(response: Any) -> Figures:
    return figures(response.content)


@pytest.fixture
def _no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauges, "FRESH_S", 0.0)


@pytest.mark.usefixtures("_no_memory")
def test_what_waits_for_somebody_is_read_when_asked(client: Client) -> None:
    in_force()
    Shopper(at=int(time.time())).asks(100)
    before = ours(client.get("/metrics"))
    assert before["desk_holds_past_their_time", ()] == 0
    Authorization.objects.update(created=timezone.now() - timedelta(days=32))
    deliver({"id": "evt_odd", "type": "issuing_transaction.created", "data": {"object": {}}})
    after = ours(client.get("/metrics"))
    assert after["desk_holds_past_their_time", ()] == 1
    assert after["desk_events_not_applied", ()] == 1
    assert after["desk_findings_open", ()] == 0
    assert after["desk_windows_uncounted", ()] == 0


@pytest.mark.usefixtures("_no_memory")
def test_without_the_database_its_gauges_are_left_out_and_the_counters_stay(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_force()
    Shopper().asks(100)
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "NAME", "no_such_database")
    away = ours(client.get("/metrics"))
    monkeypatch.undo()
    connection.close()
    assert away["desk_database_up", ()] == 0
    assert not [name for name, _ in away if name.startswith("desk_findings")]
    assert away["desk_decisions_total", ("approved", "approved")] >= 1


@pytest.mark.usefixtures("_no_memory")
def test_a_table_that_is_locked_is_waited_for_half_a_second_only(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held by somebody who lets go when the scrape is over: without a time-out it never is."""
    monkeypatch.setattr(gauges, "_TIMEOUT_MS", 500)
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE authorizations_finding IN ACCESS EXCLUSIVE MODE")
            assert ours(client.get("/metrics"))["desk_database_up", ()] == 0
    finally:
        other.close()


def test_a_directory_that_cannot_be_used_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    taken = tmp_path / "file"
    taken.touch()
    metrics_files.share(taken)
    [told] = caplog.messages
    assert f"METRICS_DIR, {taken}, can't be used" in told
    assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ


@pytest.mark.usefixtures("_no_memory")
def test_stand_in_is_counted_by_its_cause_and_told_with_each_decision(
    client: Client,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    settings.SPOOL_DIR = tmp_path
    caplog.set_level(logging.INFO)
    cause = ("desk_stand_ins_total", ("database_unreachable",))
    before = ours(client.get("/metrics"))
    monkeypatch.setattr(answering.breaker, "is_open", True)
    answer = Shopper().asks(250)
    after = ours(client.get("/metrics"))
    assert after[cause] - before.get(cause, 0) == 1
    assert after["desk_database_up", ()] == 0
    assert after["desk_spool_bytes", ()] > before["desk_spool_bytes", ()]
    assert after["desk_spool_files", ()] == 1
    assert after["desk_standing_copy_age_seconds", ()] == float("inf")
    [told] = [record for record in caplog.records if "decision_log" in record.name]
    facts = vars(told)
    assert (facts["decision"], facts["outcome"]) == (answer["metadata"]["decision"], "declined")
    assert (facts["stand_in"], facts["amount"]) == ("database_unreachable", 250)
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["breaker"], ready.json()["copy"]) == (
        503,
        "open",
        "none",
    )


def test_the_breaker_tells_when_it_opens_and_closes() -> None:
    may_recover = threading.Event()

    def pause(_seconds: float) -> None:
        may_recover.wait()

    def probe() -> None:
        if not may_recover.is_set():
            raise OSError

    breaker = Breaker(probe=probe, recovered=lambda: None, pause=pause)
    for _ in range(MISSES):
        breaker.miss()
    wait_until(lambda: figures(scrape.exposition())["desk_breaker_open", ()] == 1)
    may_recover.set()
    wait_until(lambda: figures(scrape.exposition())["desk_breaker_open", ()] == 0)


def test_an_answer_that_the_spool_refuses_is_counted(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = ours(client.get("/metrics"))["desk_spool_failures_total", ()]
    directory = tmp_path / "file"
    directory.touch()
    settings.SPOOL_DIR = directory
    monkeypatch.setattr(answering.breaker, "is_open", True)
    assert Shopper().asks(250)["approved"] is False
    assert ours(client.get("/metrics"))["desk_spool_failures_total", ()] > before
    directory.unlink()
    wait_until(lambda: bool(spooled(directory)))  # its record followed: nothing is left behind
