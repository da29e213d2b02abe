"""Busy cards: rolling limits side by side with a quiet card's, and new limits as they are counted.

Once with purchases spread over a month, once with as many within two hours. Decisions are made in
this process, within the same time as behind the door; counting runs beside them as in every server,
and how long it held the lock of a card is printed.
"""

import json
import logging
import os
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.test import override_settings
from rich.console import Console
from rich.table import Table

from authorizations.models import Assignment, Card, UncountedWindow
from authorizations.services.policies import counting_ahead
from authorizations.services.policies.publish import publish
from authorizations.services.runtime.delivery import Delivery, Stopwatch
from authorizations.services.store import counting
from authorizations.services.webhook import answering
from authorizations.wire import events
from simulator.stripe import samples
from simulator.stripe.samples import MERCHANTS, Json, SampleMerchant, to_bytes

MOST_TIMES = 1.5
MOST_TURNS = 300
MONTH_S, BUSY_S = 29 * 86_400, 2 * 3_600
ROLLING_PURCHASES = 100_000

BAKERY = MERCHANTS[0]
ELSEWHERE = next(m for m in MERCHANTS if m.category != BAKERY.category and m.currency == "eur")
GENEROUS: Json = {"amount": 900_000_000, "interval": "per_authorization"}
MONTH: Json = {"interval": "rolling", "days": 30}
HOUR: Json = {"interval": "rolling", "hours": 1}
YEARLY: Json = {"amount": 900_000_000, "interval": "yearly"}
OF_BAKERIES: Json = {"count": 1_000_000, "interval": "all_time", "categories": ["bakeries"]}

# Copies of one purchase, spread evenly over the time before.
_FILL = """
INSERT INTO authorizations_authorization
SELECT made.*
FROM authorizations_authorization AS one, generate_series(1, %(count)s) AS n
CROSS JOIN LATERAL jsonb_populate_record(one, jsonb_build_object(
    'id', one.id || '_' || md5(n::text),
    'created',
    date_trunc('second', one.created - n * (interval '1 second' * %(seconds)s / %(count)s))
)) AS made
WHERE one.id = %(id)s
ORDER BY n DESC
"""

_chance = Random(7)


@dataclass
class WatchedPace(counting.Pace):
    """Also records how long counting held the lock of a card each time."""

    held_s: list[float] = field(default_factory=list)

    def took(self, seconds: float, counted: int) -> None:
        self.held_s.append(seconds)
        super().took(seconds, counted)

    @property
    def held(self) -> str:
        median_ms, worst_ms = 1000 * statistics.median(self.held_s), 1000 * max(self.held_s)
        times = f"held {len(self.held_s)} times"
        return f"{times}, {median_ms:.0f} ms in the median, {worst_ms:.0f} ms at most"


@dataclass
class Asked:
    """The reasons of answers, and the times they took."""

    reasons: Counter[str] = field(default_factory=Counter)
    times_ms: list[float] = field(default_factory=list)

    def ask(self, card_id: str, merchant: SampleMerchant = BAKERY, amount: int = 100) -> str:
        begin = time.perf_counter()
        reason = _ask(card_id, merchant, amount)
        self.times_ms.append((time.perf_counter() - begin) * 1000)
        self.reasons[reason] += 1
        return reason

    @property
    def is_in_time(self) -> bool:
        """Whether the database decided all requests."""
        return not {"stand_in", "internal_error"} & set(self.reasons)


def run() -> int:
    """Print the figures; status 1 if a busy card costs too much, or stand-in answered."""
    console = Console(highlight=False)
    logging.getLogger("authorizations").setLevel(logging.ERROR)
    call_command("migrate", verbosity=0)
    busiest = int(os.environ.get("BENCH_BUSY_PURCHASES") or 500_000)
    with tempfile.TemporaryDirectory() as spool, override_settings(SPOOL_DIR=spool):
        _in_force("Everybody", [GENEROUS], program=True)
        rolling = min(ROLLING_PURCHASES, busiest)
        ratios = [
            _rolling(console, "spread", rolling, MONTH_S, MONTH),
            _rolling(console, "at_once", rolling, BUSY_S, HOUR),
        ]
        in_time = [
            _newly_limited(console, "new_1", busiest, MONTH_S, YEARLY),
            _newly_limited(console, "new_2", busiest, MONTH_S, OF_BAKERIES),
            _newly_limited(console, "new_3", busiest, BUSY_S, YEARLY),
        ]
    connection.close()
    return int(max(ratios) > MOST_TIMES or not all(in_time))


def _rolling(console: Console, name: str, purchases: int, within_s: int, period: Json) -> float:
    """A rolling limit over a card with purchases within `within_s`, and over one without."""
    cards = (f"quiet_{name}", f"busy_{name}")
    for card, number in zip(cards, (0, purchases), strict=True):
        _bought(card, number, within_s)
    _in_force("Rolling", [period | {"amount": 900_000_000}], program=True)
    with _counting_beside() as pace:
        while UncountedWindow.objects.exists() or _ask(cards[1]) != "approved":
            time.sleep(0.1)
    asked = {
        (card, what): Asked()
        for card in cards
        for what in ("approved", "declined: says when there is room")
    }
    for what in ("approved", "declined: says when there is room"):
        if what != "approved":
            _in_force("Tight", [period | {"count": 1}], program=True)
        for _ in range(min(MOST_TURNS, purchases // 100)):
            for card in cards:
                asked[card, what].ask(card)
    table = Table(
        f"a rolling limit, {purchases:,} within {within_s // 3600} hours: median of a decision",
        *("no purchases", f"{purchases:,}", "times"),
    )
    ratios = []
    for what in ("approved", "declined: says when there is room"):
        quiet, busy = (statistics.median(asked[c, what].times_ms) for c in cards)
        ratios.append(busy / quiet)
        table.add_row(what, f"{quiet:.1f} ms", f"{busy:.1f} ms", f"{busy / quiet:.2f}")
    console.print(table)
    console.print(f"Counting: the lock was {pace.held}.")
    Assignment.objects.filter(policy__name__in=["Rolling", "Tight"]).delete()
    return ratios[0]


def _newly_limited(console: Console, card: str, purchases: int, within_s: int, limit: Json) -> bool:
    """A new limit on a card with many purchases; whether the database decided all requests."""
    _bought(card, purchases, within_s)
    other, concerned, besides = Asked(), Asked(), Asked()
    root = Card.objects.get(pk=f"ic_{card}")
    policy = _in_force(f"New for {card}", [limit], card=root)
    begun = counting_ahead.begin(policy)
    begin = time.monotonic()
    with _counting_beside() as pace:
        while concerned.ask(card) != "approved":
            besides.ask(card, ELSEWHERE)
            other.ask("quiet_spread")
    seconds = time.monotonic() - begin
    second = concerned.ask(card)
    table = Table(
        f"new {limit['interval']} limit, {begun.purchases:,} within {within_s // 3600} hours",
        "answers",
        "median",
        "worst",
    )
    for what, asked in (
        ("purchases it concerns", concerned),
        ("the same card elsewhere", besides),
        ("another card", other),
    ):
        if asked.times_ms:
            answers = ", ".join(f"{number} {reason}" for reason, number in asked.reasons.items())
            median, worst = statistics.median(asked.times_ms), max(asked.times_ms)
            table.add_row(what, answers, f"{median:.1f} ms", f"{worst:.0f} ms")
    console.print(table)
    console.print(
        f"Counted in {seconds:.1f} s, the lock was {pace.held}; "
        f"the second purchase afterwards: {second}."
    )
    return second == "approved" and all(a.is_in_time for a in (concerned, besides, other))


@contextmanager
def _counting_beside() -> Iterator[WatchedPace]:
    is_over, pace = threading.Event(), WatchedPace()

    def count() -> None:
        while not is_over.wait(0.2):
            counting.some(1.0, pace)
            connection.close()

    thread = threading.Thread(target=count)
    thread.start()
    try:
        yield pace
    finally:
        is_over.set()
        thread.join()


def _bought(card: str, purchases: int, within_s: int) -> None:
    """Make a real purchase, and `purchases` copies of it within the seconds before."""
    authorization_id = f"iauth_{card}"
    assert _ask(card, authorization_id=authorization_id) == "approved"  # noqa: S101
    if not purchases:
        return
    with connection.cursor() as cursor:
        cursor.execute(_FILL, {"id": authorization_id, "count": purchases, "seconds": within_s})
        cursor.execute("VACUUM ANALYZE authorizations_authorization")


def _in_force(name: str, limits: list[Json], **scope: Any) -> Any:
    document: Json = {"name": name, "currency": "eur", "spending_limits": limits}
    if all("amount" not in limit for limit in limits):
        document |= {"unlimited": True}
    policy = publish(document, author=None).version.policy
    Assignment.objects.get_or_create(policy=policy, **scope)
    return policy


def _ask(
    card: str,
    merchant: SampleMerchant = BAKERY,
    amount: int = 100,
    *,
    authorization_id: str = "",
) -> str:
    """Make a decision as the webhook does; returns its reason."""
    now = int(time.time())
    holder = samples.cardholder(cardholder_id=f"ich_{card}", name="Grace Hopper", created=now)
    purchase = samples.Purchase(
        authorization_id=authorization_id or samples.identifier("iauth", _chance),
        created=now,
        amount=amount,
        merchant=merchant,
    )
    event = samples.request_event(
        purchase,
        event_id=samples.identifier("evt", _chance),
        created=now,
        card=samples.card(card_id=f"ic_{card}", holder=holder, created=now),
    )
    body = to_bytes(event)
    delivery = Delivery(
        received_at=datetime.now(UTC),
        sender="benchmark",
        headers={},
        body=body,
        signing_key="benchmar",
        event=events.read(body),
        stopwatch=Stopwatch(),
    )
    answer: Json = json.loads(answering.answer(delivery))
    return str(answer["metadata"]["reason"])
