"""Opens every list with its filters and searches, and measures each."""

import os
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from rich.console import Console
from rich.progress import track
from rich.table import Table

from authorizations.models import Authorization, Decision, Policy, WebhookRequest
from authorizations.services.digest import update
from benchmarks import fill

MOST_TIMES = 7
_SAMPLED = 10_000
MOST_MS = 300

Queries = list[tuple[str, dict[str, Any]]]
"""Names of pages with their queries."""

_LISTS = "/admin/authorizations/"


@dataclass(frozen=True)
class Opened:
    """A page: its name in the table, its address, the rows it showed and the times it took."""

    name: str
    rows: int
    times_ms: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.times_ms)

    @property
    def best(self) -> float:
        return min(self.times_ms)

    @property
    def worst(self) -> float:
        return max(self.times_ms)


def run() -> None:
    """Fill the database if it is empty; print the table; status 1 if a page is too slow."""
    console = Console()
    call_command("migrate", verbosity=0)
    count = int(os.environ.get("BENCH_PAGES_DECISIONS", "1_000_000"))
    if not Decision.objects.exists():
        _fill(console, count)
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(User.objects.get(username="auditor"))
    client.get("/admin/", secure=True)  # imports
    times = 1 if count < _SAMPLED else MOST_TIMES  # of few nothing is to be learned
    pages = track(list(_pages()), "Opening", console=console)
    opened = [_open(client, *page, times) for page in pages]
    console.print(_table(opened))
    connection.close()
    sys.exit(any(page.median > MOST_MS for page in opened))


def _fill(console: Console, count: int) -> None:
    begin = time.monotonic()
    pieces = -(-count // fill.PIECE)
    for _ in track(fill.fill(count), "Making decisions", total=pieces, console=console):
        pass
    made = time.monotonic()
    update.digest_all(lambda _: None)
    digested = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    console.print(
        f"{count:,} decisions made in {made - begin:.0f} s, digested in {digested - made:.0f} s."
    )


def _open(client: Client, name: str, address: str, times: int) -> Opened:
    times_ms = []
    rows = 0
    for _ in range(times):
        begin = time.perf_counter()
        response: Any = client.get(address, secure=True)
        body = response.content
        times_ms.append((time.perf_counter() - begin) * 1000)
        if response.status_code != 200:
            raise RuntimeError(f"{address} answered {response.status_code}")
        rows = body.count(b'class="data-row')
    return Opened(name, rows, times_ms)


def _pages() -> Iterator[tuple[str, str]]:
    for period in ("today", "7d", "30d"):
        yield f"home: {period}", f"/admin/?period={period}"
    for model, pages in {
        "decision": [*_places(), *_alone(), *_together(), *_searches()],
        "webhookrequest": _requests(),
        "authorization": _authorizations(),
        "ledgerentry": _entries(),
    }.items():
        for name, query in pages:
            yield f"{model}: {name}", f"{_LISTS}{model}/?{urlencode(query)}"
    decision = Decision.objects.latest("webhook_request_id")
    for name, row in (("decision", decision), ("webhookrequest", decision.webhook_request)):
        yield f"{name}: its page", f"{_LISTS}{name}/{row.pk}/change/"


def _places() -> Queries:
    last = WebhookRequest.objects.latest("pk").pk
    return [
        ("newest", {}),
        ("half way down", {"before": last // 2}),
        ("near the end", {"before": last // 100}),
        ("back up from there", {"after": last // 100}),
    ]


def _alone() -> Queries:
    today = timezone.now().date()
    old, unused = today - timedelta(days=50), _policies()[-1]
    frequent = _policies()[0]
    return [
        *(
            (f"outcome {word}", {"outcome": word})
            for word in ("approved", "part", "exception", "declined")
        ),
        ("reason, frequent", {"reason": fill.FREQUENT_REASON}),
        ("reason, rare", {"reason": fill.RARE_REASON}),
        ("reason, never", {"reason": fill.UNUSED_REASON}),
        ("category, frequent", {"category": _frequent("category")}),
        ("category, rare", {"category": fill.RARE_CATEGORY}),
        ("category, never", {"category": fill.UNUSED_CATEGORY}),
        ("country, frequent", {"country": _frequent("merchant_country")}),
        ("country, rare", {"country": fill.RARE_COUNTRY}),
        ("country, never", {"country": fill.UNUSED_COUNTRY}),
        ("currency, frequent", {"currency": "eur"}),
        ("currency, never", {"currency": "jpy"}),
        ("card, frequent", {"card": "ic_bench0"}),
        ("card, rare", {"card": f"ic_bench{fill.CARDS - 1}"}),
        ("policy, frequent", {"policy": frequent}),
        ("policy, least", {"policy": unused}),
        ("today", {"from": today, "to": today}),
        ("one old day", {"from": old, "to": old}),
        ("thirty old days", {"from": old, "to": old + timedelta(days=30)}),
        ("days before the first", {"to": "2020-01-01"}),
        ("one hour", {"hour": f"{old}T14:00"}),
        ("amounts, many", {"amount_from": "10", "amount_to": "20", "currency": "eur"}),
        ("amounts, none", _amounts("99999")),
    ]


def _together() -> Queries:
    today = timezone.now().date()
    old = today - timedelta(days=50)
    return [
        ("frequent reason, rare country", {"reason": fill.FREQUENT_REASON, "country": "IS"}),
        ("approved, but a reason", {"outcome": "approved", "reason": fill.FREQUENT_REASON}),
        ("rare reason, one old day", {"reason": fill.RARE_REASON, "from": old, "to": old}),
        ("declined, eur, thirty days", {"outcome": "declined", "currency": "eur", "from": old}),
        ("in part, large", {"outcome": "part", "amount_from": "299", "currency": "gbp"}),
        ("card, never declined so", {"card": "ic_bench0", "reason": fill.UNUSED_REASON}),
        ("category and another's country", {"category": _frequent("category"), "country": "IS"}),
        ("policy, currency never", {"policy": _policies()[0], "currency": "jpy"}),
        (
            "declined, amounts none",
            {"outcome": "declined"} | _amounts("999"),
        ),
    ]


def _searches() -> Queries:
    some = Decision.objects.filter(webhook_request_id=WebhookRequest.objects.latest("pk").pk // 2)
    row = some.get()
    return [
        ("search event", {"q": row.pk}),
        ("search authorization", {"q": row.authorization_id}),
        ("search card", {"q": row.card_id}),
        ("search last 4", {"q": "0007"}),
        ("search cardholders", {"q": "lovelace"}),
        ("search one cardholder", {"q": "Grace Hopper 3"}),
        ("search merchants", {"q": "hotel"}),
        ("search one merchant", {"q": "nordpol"}),
        ("search nothing", {"q": "zzzz"}),
        ("search merchants, large", {"q": "hotel", "outcome": "declined"} | _amounts("299")),
        ("search merchants, one old day", {"q": "hotel"} | _old_day()),
    ]


def _requests() -> Queries:
    row = WebhookRequest.objects.get(pk=WebhookRequest.objects.latest("pk").pk // 2)
    place = f"{int(row.received_at.timestamp() * 1_000_000)}-{row.pk}"
    return [
        ("newest", {}),
        ("half way down", {"before": place}),
        ("back up from there", {"after": place}),
        ("type, never", {"type": "issuing_card.created"}),
        ("mode, never", {"mode": "live"}),
        ("one old day", _old_day()),
        ("one old day, type never", {"type": "issuing_card.created"} | _old_day()),
        ("search event", {"q": row.event_id}),
        ("search nothing", {"q": "zzzz"}),
    ]


def _authorizations() -> Queries:
    row = Authorization.objects.filter(card="ic_bench7").order_by("created")[5]
    place = f"{int(row.created.timestamp() * 1_000_000)}-{row.pk}"
    return [
        ("newest", {}),
        ("near the end", {"before": place}),
        ("back up from there", {"after": place}),
        ("card, frequent", {"card": "ic_bench0"}),
        ("cardholder", {"cardholder": "ich_bench0"}),
        ("category, rare", {"category": fill.RARE_CATEGORY}),
        ("currency, never", {"currency": "jpy"}),
        ("one old day", _old_day()),
        ("search last 4", {"q": "0007"}),
        ("search cardholders", {"q": "lovelace"}),
        ("search one merchant", {"q": "nordpol"}),
        ("search nothing", {"q": "zzzz"}),
    ]


def _entries() -> Queries:
    return [
        ("newest", {}),
        ("entry, never", {"cause": "reasked"}),
        ("one old day", _old_day()),
        ("search nothing", {"q": "zzzz"}),
    ]


def _old_day() -> dict[str, Any]:
    day = timezone.now().date() - timedelta(days=50)
    return {"from": day, "to": day}


def _amounts(least: str) -> dict[str, Any]:
    return {"amount_from": least, "currency": "eur"}


def _policies() -> list[int]:
    """The policies by the number of their decisions, the most frequent first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT policy FROM authorizations_listeddecision TABLESAMPLE SYSTEM (%s), "
            "unnest(policies) AS policy GROUP BY 1 ORDER BY count(*) DESC",
            [_percent()],
        )
        used = [number for (number,) in cursor.fetchall()]
    return [*used, *Policy.objects.exclude(pk__in=used).values_list("pk", flat=True)]


def _percent() -> float:
    """The percentage of decisions sampled to find frequent values; 100 if there are few."""
    return min(100.0, 100 * _SAMPLED / max(1, Decision.objects.count()))


def _frequent(column: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {column} FROM authorizations_listeddecision TABLESAMPLE SYSTEM (%s) "  # noqa: S608
            "GROUP BY 1 ORDER BY count(*) DESC LIMIT 1",
            [_percent()],
        )
        [value] = cursor.fetchone()
    return str(value)


def _table(opened: list[Opened]) -> Table:
    table = Table("page", "rows", "best ms", "median ms", "worst ms", "")
    for page in opened:
        late = "too slow" if page.median > MOST_MS else ""
        figures = (f"{figure:,.0f}" for figure in (page.best, page.median, page.worst))
        table.add_row(page.name, str(page.rows), *figures, late)
    return table
