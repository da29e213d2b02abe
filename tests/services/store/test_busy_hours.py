"""Hours in which thousands of purchases are made: counted and added up by the minute, and exact."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random

import pytest
from django.db import connection
from django.db.models import Sum

from authorizations.models import Authorization, Card, CardGroup, UncountedWindow, Usage
from authorizations.rules.basics.clocks import FOREVER
from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.rules.basics.filters import EVERYTHING
from authorizations.rules.decision.values import Window
from authorizations.services.store import counting, window_sums
from authorizations.services.store.counting import Pace
from authorizations.services.store.plans import Plan, drive
from authorizations.services.store.window_sums import Asked, Leaving, WindowPart
from authorizations.services.verify.usage_rows import verify_remembered
from tests.support.desk import NOON, Shopper, in_force
from tests.support.lifecycle import Told
from tests.support.verification import differences

MINUTE, HOUR, DAY = 60, 3_600, 86_400
GENEROUS = {"amount": 10_000_000, "interval": "per_authorization"}
BUSY = NOON - 2 * HOUR
"""When the busy hour begins."""

# Copies of one purchase, spread evenly over [start, end); what they come to differs.
COPIES = """
INSERT INTO authorizations_authorization
SELECT made.*
FROM authorizations_authorization AS one, generate_series(0, %(count)s - 1) AS n
CROSS JOIN LATERAL jsonb_populate_record(one, jsonb_build_object(
    'id', one.id || '_' || n, 'counted_amount', 7 + n %% 97, 'refunded_amount', n %% 7,
    'created', to_timestamp(%(start)s + n * (%(end)s - %(start)s) / %(count)s)
)) AS made
WHERE one.id = %(id)s
"""

pytestmark = pytest.mark.django_db


def copy(told: Told, count: int, start: int, end: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(COPIES, {"id": told.id, "count": count, "start": start, "end": end})


def wrongly_remembered() -> list[str]:
    """The copies have no ledger: so only what is remembered is proved, against the purchases."""
    return [str(found) for piece in verify_remembered() for found in piece.differences]


def plain_sum(start: int, end: int = FOREVER) -> tuple[int, int, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(counted_amount), 0)::bigint,"
            " coalesce(sum(refunded_amount), 0)::bigint, coalesce(sum(count), 0)::bigint"
            " FROM authorizations_authorization"
            " WHERE created >= to_timestamp(%s) AND created < to_timestamp(%s)",
            [start, end],
        )
        amount, refunded, count = cursor.fetchone()
    return amount, refunded, count


@contextmanager
def gone_through(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many purchases each statement went through that adds up purchases."""
    found: list[int] = []
    add_up = window_sums._added_up

    def counting_them(ranges: Sequence[window_sums._Range]) -> Plan[list[list[WindowPart]]]:
        parts = yield from add_up(ranges)
        found.append(sum(part.purchases for its in parts for part in its))
        return parts

    with monkeypatch.context() as patched:
        patched.setattr(window_sums, "_added_up", counting_them)
        yield found


@pytest.mark.parametrize("kind", ["card", "group"])
def test_an_hour_is_counted_by_the_minute_and_exact_whatever_changes_meanwhile(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """30,000 purchases in an hour, 500 a minute; no transaction goes through more than a minute."""
    in_force(spending_limits=[GENEROUS])
    Shopper().asks(0)
    group = CardGroup.objects.create(name="Field team")
    Card.objects.update(group=group)
    bought = [Told(5_000, Shopper(at=BUSY + at)) for at in (30, 900, 1_800, 3_500)]
    for told in bought:
        assert told.buys()["approved"]
    copy(bought[0], 30_000, BUSY, BUSY + HOUR)
    to = {"group": group} if kind == "group" else {"program": True}
    in_force("New", spending_limits=[{"amount": 90_000_000, "interval": "yearly"}], to=to)
    assert Shopper().reason(100) == "limit_not_counted_yet"

    changes: dict[int, Callable[[], None]] = {
        5: lambda: bought[0].captures(4_000),  # in a minute that is counted
        20: lambda: bought[0].refunds(1_500),
        21: bought[1].voids,
        22: lambda: bought[2].captures(6_000),  # in one that is not
        40: lambda: Told(300, Shopper(at=BUSY + 61)).stripe("network_fallback", approved=True),
        41: lambda: Told(300, Shopper(at=BUSY + 3_540)).stripe("network_fallback", approved=True),
    }
    most = []
    while UncountedWindow.objects.exists():
        with gone_through(monkeypatch) as purchases:
            counting.some(0, Pace(500))
        most.append(sum(purchases))
        if change := changes.pop(len(most), None):
            change()
            assert wrongly_remembered() == []
    assert not changes
    assert len(most) > 55
    assert max(most) <= 502  # the copies of a minute, and what else was bought in it
    assert wrongly_remembered() == []
    scope = f"group:{group.pk}" if kind == "group" else "card:ic_1"
    pieces = Usage.objects.filter(scope=scope, window_end__gt=BUSY, window_end__lte=BUSY + HOUR)
    assert pieces.filter(piece_seconds=MINUTE).count() == 60
    [hour] = pieces.filter(piece_seconds=HOUR)
    minutes = pieces.filter(piece_seconds=MINUTE).aggregate(amount=Sum("amount"))
    total = Authorization.objects.aggregate(amount=Sum("counted_amount"))
    assert hour.amount == minutes["amount"] == total["amount"]
    assert Usage.objects.get(scope=scope, piece_seconds=0).amount == total["amount"]
    assert Shopper().reason(100) == "approved"


def counted_rolling(hours: int) -> None:
    """15,000 purchases within three hours up to noon, in pieces: those of a rolling limit."""
    in_force(spending_limits=[GENEROUS])
    told = Told(5_000, Shopper(at=NOON - 2 * HOUR))
    assert told.buys()["approved"]
    copy(told, 15_000, NOON - 3 * HOUR - 1_234, NOON)
    limit = {"amount": 90_000_000, "interval": "rolling", "hours": hours}
    in_force("New", spending_limits=[limit])
    assert Shopper().reason(100) == "limit_not_counted_yet"
    while UncountedWindow.objects.exists():
        counting.some(0, Pace(1_000))
    assert wrongly_remembered() == []


def test_a_window_that_begins_and_ends_in_busy_hours_is_exact_and_goes_through_few_purchases(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """75 purchases a minute: those of the minutes at both ends, and none in between."""
    counted_rolling(30)
    chance = Random(3)
    card = Scope(ScopeKind.CARD, "ic_1")
    for _ in range(60):
        start = NOON - chance.randrange(4 * HOUR)
        end = chance.choice([FOREVER, chance.randint(start + 1, NOON)])
        window = Window(card, start, end, "", "eur", rolling=end == FOREVER)
        with gone_through(monkeypatch) as purchases:
            [found] = drive(window_sums.reckon([Asked(window, EVERYTHING, has_pieces=True)]))
        assert found.used == plain_sum(start, end)
        assert sum(purchases) <= 2 * 80 + window_sums.QUIET // 2


def test_when_there_is_room_is_looked_for_in_few_purchases(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By days, hours, minutes, and the purchases of the minute in which enough will have left."""
    counted_rolling(30)
    chance = Random(4)
    card = Scope(ScopeKind.CARD, "ic_1")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM created)::bigint, count FROM authorizations_authorization"
            " ORDER BY created"
        )
        bought = cursor.fetchall()
    for _ in range(20):
        start = NOON - chance.randrange(3 * HOUR)
        window = Window(card, start, FOREVER, "", "", rolling=True)
        asked = Asked(window._replace(currency="eur"), EVERYTHING, has_pieces=True)
        counts = [at for at, count in bought if at >= start and count]
        over = chance.randint(1, plain_sum(start)[0] - 1)
        with gone_through(monkeypatch) as purchases:
            [at] = drive(window_sums.last_to_leave([Leaving(asked, over, restore=False)]))
        assert at is not None
        assert at in counts
        assert plain_sum(start, at)[0] < over <= plain_sum(start, at + 1)[0]
        assert sum(purchases) <= 3 * 80 + window_sums.QUIET


@pytest.mark.parametrize(
    ("every", "times", "limit"),
    [
        (90, 200, {"hours": 2}),
        (20, 300, {"minutes": 61}),
        (1_200, 300, {"hours": 30}),
        (3_000, 250, {"days": 3}),
    ],
)
def test_a_rolling_limit_goes_through_few_purchases_for_as_long_as_buying_goes_on(
    every: int, times: int, limit: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was bought in a day or an hour is there in shorter pieces when the window leaves it."""
    monkeypatch.setattr(window_sums, "AT_ONCE", 40)
    monkeypatch.setattr(window_sums, "QUIET", 8)
    in_force(spending_limits=[{"amount": 10_000_000, "interval": "rolling"} | limit])
    most = []
    for n in range(times):
        with gone_through(monkeypatch) as purchases:
            assert Shopper(at=NOON + n * every).reason(100) == "approved"
        most.append(max(purchases))
    assert max(most) <= 40
    assert not UncountedWindow.objects.exists()
    assert differences() == []
