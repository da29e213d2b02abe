"""Measures purchases at a steady rate during a flood of false requests, with nginx and without."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from random import Random
from threading import local

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from rich.console import Console
from rich.table import Table

from authorizations.models import Assignment
from authorizations.services.host import spool_reader
from authorizations.services.policies.publish import publish
from authorizations.wire.signature import sign
from benchmarks.flood import HOST
from benchmarks.servers import ROOT
from simulator.stripe import samples
from tests.deploy import serving

RATES = (10, 200)
CARDS = 40
LIMIT, CAP = 10_000, 20_000
LATE_MS = 900
LEAST_USUAL = 0.99
AT_ONCE = 64
PATIENCE_S = 30
_chance = Random()
_own = local()
_trusting = serving.tls()


@dataclass
class Run:
    """The results of the purchases at one rate; `approved` has the amounts by card."""

    rate: int
    is_bare: bool = False
    usual: int = 0
    stood_in: int = 0
    failed: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    approved: Counter[str] = field(default_factory=Counter)
    strangers: dict[str, int] = field(default_factory=dict)

    @property
    def late(self) -> int:
        return sum(latency > LATE_MS for latency in self.latencies_ms)

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def run() -> int:
    """Print the table; status 1 if too few answers are usual, one is late or a limit exceeded."""
    seconds = int(os.environ.get("STRANGERS_SECONDS") or 20)
    connections = int(os.environ.get("STRANGERS_CONNECTIONS") or 256)
    console = Console(highlight=False)
    call_command("migrate", verbosity=0)
    _put_in_force()
    with tempfile.TemporaryDirectory(prefix="desk-strangers-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        ports = serving.free_ports()
        environment = {**os.environ, "SPOOL_DIR": str(directory / "spool")}
        log = directory / "webhook.log"
        (directory / "nginx").mkdir()
        with (
            serving.instance_of("webhook", ports.webhook, environment, log, workers=2),
            serving.nginx(directory / "nginx", ports),
        ):
            for number in range(CARDS):  # imports, plans, and the cards themselves
                _buy(ports.https, number, 1, Run(0))
            time.sleep(settings.STAND_IN_REFRESH_S + 2)  # the copies are read
            runs = [
                _besieged(port, Run(rate, is_bare), seconds, connections)
                for port, is_bare in ((ports.https, False), (ports.webhook, True))
                for rate in RATES
            ]
            _wait_for_replay(directory / "spool")
    exceeded = _exceeded()
    _print(console, runs, exceeded, connections)
    is_good = all(
        found.usual / len(found.latencies_ms) >= LEAST_USUAL and not found.late and not found.failed
        for found in runs
    )
    return 0 if is_good and not exceeded else 1


def _put_in_force() -> None:
    """A daily limit for each card, and a larger stand-in cap, which must make no difference."""
    document = {
        "name": "Besieged",
        "currency": "eur",
        "spending_limits": [{"amount": LIMIT, "interval": "daily"}],
        "stand_in_amount": 2_000,
        "stand_in_cap": CAP,
    }
    policy = publish(document, author=None).version.policy
    Assignment.objects.get_or_create(policy=policy, program=True)


def _besieged(port: int, found: Run, seconds: int, connections: int) -> Run:
    rate = found.rate
    flood = subprocess.Popen(
        [
            *(sys.executable, "-m", "benchmarks.flood", str(port), str(seconds + 2)),
            *(str(connections), "plain" if found.is_bare else "tls"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    time.sleep(1)  # all of them are connected
    chance = Random(rate)
    with ThreadPoolExecutor(
        AT_ONCE, initializer=_connect, initargs=(port, found.is_bare)
    ) as threads:
        list(threads.map(time.sleep, [0.2] * AT_ONCE))  # each has its connection
        began = time.monotonic()
        for place in range(rate * seconds):
            time.sleep(max(0.0, began + place / rate - time.monotonic()))
            threads.submit(_buy, port, chance.randrange(CARDS), chance.randrange(50, 400), found)
    output, _ = flood.communicate(timeout=PATIENCE_S)
    found.strangers = json.loads(output)
    return found


def _buy(port: int, number: int, amount: int, found: Run) -> None:
    now = int(time.time())
    holder = samples.cardholder(cardholder_id=f"ich_{number}", name="Grace Hopper", created=now)
    card_id = f"ic_besieged{number}"
    event = samples.request_event(
        samples.Purchase(
            authorization_id=samples.identifier("iauth", _chance), created=now, amount=amount
        ),
        event_id=samples.identifier("evt", _chance),
        created=now,
        card=samples.card(card_id=card_id, holder=holder, created=now),
    )
    body = samples.to_bytes(event)
    headers = {
        "Host": HOST,
        "Content-Type": "application/json",
        "Stripe-Signature": sign(body, settings.STRIPE_WEBHOOK_SECRETS[0], now),
    }
    began = time.monotonic()
    try:
        status, answer = _posted(port, body, headers, found.is_bare)
    except (OSError, HTTPException):
        found.failed += 1
        found.latencies_ms.append((time.monotonic() - began) * 1_000)
        return
    found.latencies_ms.append((time.monotonic() - began) * 1_000)
    if status != 200:
        found.failed += 1
        return
    decision = json.loads(answer)
    if decision["metadata"].get("stand_in"):
        found.stood_in += 1
    else:
        found.usual += 1
    if decision["approved"]:
        found.approved[card_id] += amount


def _connect(port: int, is_bare: bool) -> None:  # noqa: FBT001 - for ThreadPoolExecutor
    _own.connection = (
        HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        if is_bare
        else HTTPSConnection("127.0.0.1", port, timeout=PATIENCE_S, context=_trusting)
    )
    _own.connection.request("GET", "/healthz", headers={"Host": HOST})
    _own.connection.getresponse().read()


def _posted(
    port: int,
    body: bytes,
    headers: dict[str, str],
    is_bare: bool,  # noqa: FBT001
) -> tuple[int, bytes]:
    """Send on the connection that this thread keeps open, as Stripe does."""
    if getattr(_own, "connection", None) is None:
        _connect(port, is_bare)
    try:
        _own.connection.request("POST", "/webhook", body, headers)
        response = _own.connection.getresponse()
        return response.status, response.read()
    except (OSError, HTTPException):
        _own.connection.close()
        _own.connection = None
        raise


def _wait_for_replay(spool: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while spool_reader.waiting(spool) and time.monotonic() < until:
        time.sleep(0.2)


def _exceeded() -> int:
    """The number of cards that exceed their limit, by the books."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM (SELECT FROM authorizations_authorization AS purchase"
            " JOIN authorizations_card AS card ON card.id = purchase.card_id GROUP BY root_id"
            " HAVING sum(counted_amount) > %s) AS beyond",
            [LIMIT],
        )
        [number] = cursor.fetchone()
    return int(number)


def _print(console: Console, runs: list[Run], exceeded: int, connections: int) -> None:
    table = Table(
        *("", "rate", "asked", "usual", "stood in", "failed", "late", "p50", "p99", "slowest"),
        *("429", "400"),
    )
    for found in runs:
        asked = len(found.latencies_ms)
        table.add_row(
            "bare" if found.is_bare else "nginx",
            str(found.rate),
            str(asked),
            f"{found.usual / asked:.2%}",
            str(found.stood_in),
            str(found.failed),
            str(found.late),
            f"{found.percentile(0.5):.0f} ms",
            f"{found.percentile(0.99):.0f} ms",
            f"{max(found.latencies_ms):.0f} ms",
            f"{found.strangers.get('429', 0):,}",
            f"{found.strangers.get('400', 0):,}",
        )
    console.print(table)
    console.print(
        f"Purchases a second, late after {LATE_MS} ms; of the strangers' {connections} connections "
        f"429 is nginx's answer and 400 a worker's. Cards beyond their limit of "
        f"{LIMIT / 100:.2f} a day: {exceeded} of {CARDS}."
    )
