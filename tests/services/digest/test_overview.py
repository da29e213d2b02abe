"""The home page's figures are those of the decisions, digested or not, in the reader's days."""

import itertools
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from authorizations.models import Decision, DigestMark
from authorizations.services.digest import overview, tallies, update
from authorizations.services.digest.overview import Outcomes, Overview, percentiles
from authorizations.services.digest.periods import DAYS, Length, Period
from simulator.stripe.sample_merchants import MERCHANTS, SampleMerchant
from tests.support.damage import damage
from tests.support.desk import Shopper, deliver, in_force

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
BAKERY = MERCHANTS[0]
CASINO = next(merchant for merchant in MERCHANTS if merchant.category == "betting_casino_gambling")
_numbers = itertools.count(1)


@dataclass
class Book:
    """Decisions made at chosen times, digested as far as the test wants it."""

    digested: str
    made: list[Decision] = field(default_factory=list)

    def decide(self, at: datetime, amount: int, took_us: int = 1_000, **facts: Any) -> Decision:
        event_id = f"evt_overview_{next(_numbers)}"
        currency = facts.setdefault("currency", "eur")
        shopper = Shopper(card_id=f"ic_{currency}", card={"currency": currency})
        shopper.asks(amount, event_id, **facts)
        return self.keep(Decision.objects.get(pk=event_id), at, took_us)

    def keep(self, row: Decision, at: datetime, took_us: int = 1_000) -> Decision:
        damage(row, decided_at=at, duration_us=took_us)
        row.refresh_from_db()
        self.made.append(row)
        if self.digested == "half" and len(self.made) == 1:
            update.digest_all(lambda _: None)
        return row

    def overview(self, length: Length, now: datetime, zone: str = "UTC") -> Overview:
        # Within a transaction the digest stays where it is.
        stays = nullcontext() if self.digested == "all" else transaction.atomic()
        with stays:
            found = overview.overview(Period.of(length, now, ZoneInfo(zone)))
        assert found
        assert self._how_far() == self.digested
        return found

    def _how_far(self) -> str:
        mark = DigestMark.objects.first() or DigestMark()
        if mark.digested >= Decision.objects.latest("webhook_request_id").webhook_request_id:
            return "all"
        return "half" if mark.digested else "none"


@pytest.fixture(params=["none", "half", "all"])
def book(request: pytest.FixtureRequest) -> Book:
    in_force(blocked_categories=["betting_casino_gambling"], partial_approval=True)
    return Book(request.param)


def test_money_is_added_up_by_currency_and_decisions_over_all(book: Book) -> None:
    book.decide(NOON, 1_000)
    book.decide(NOON, 250)
    book.decide(NOON, 99, merchant=CASINO)
    book.decide(NOON, 5_000, currency="jpy")
    book.decide(NOON, 12_345, currency="kwd", merchant=CASINO)
    found = book.overview(Length.TODAY, NOON)
    assert found.total == Outcomes(approved=3, declined=2)
    assert found.total.decline_rate == 0.4
    assert found.by_currency == {
        "eur": Outcomes(approved=2, declined=1, approved_amount=1_250, declined_amount=99),
        "jpy": Outcomes(approved=1, approved_amount=5_000),
        "kwd": Outcomes(declined=1, declined_amount=12_345),
    }
    assert found.currencies == ["eur", "jpy", "kwd"]


def test_of_a_purchase_approved_in_part_the_part_is_approved(book: Book) -> None:
    limit = {"amount": 300, "interval": "daily"}
    in_force("Small", partial_approval=True, spending_limits=[limit])
    book.decide(NOON, 100)
    book.decide(NOON, 900, is_amount_controllable=True)
    found = book.overview(Length.TODAY, NOON)
    assert found.by_currency == {"eur": Outcomes(approved=2, approved_amount=300)}
    assert found.categories == {"eur": [("bakeries", 300)]}


def test_what_could_not_be_read_is_declined_without_money(book: Book) -> None:
    for _ in range(2):
        event = Shopper().event(Shopper().purchase(100))
        event["data"]["object"]["pending_request"] = None
        deliver(event)
        book.keep(Decision.objects.get(pk=event["id"]), NOON)
    found = book.overview(Length.TODAY, NOON)
    assert found.by_currency == {"": Outcomes(declined=2)}
    assert found.currencies == []
    assert found.reasons == [("malformed_request", 2)]


def test_requests_of_the_other_mode_are_in_no_rate_and_no_sum(book: Book, settings: Any) -> None:
    yesterday = NOON - timedelta(days=1)
    for at in (yesterday, NOON):
        book.decide(at, 1_000)
        book.decide(at, 500, merchant=CASINO)
    settings.STRIPE_LIVEMODE = True
    for at in (yesterday, NOON, NOON):
        event = Shopper().event(Shopper().purchase(700))
        deliver(event | {"account": "acct_1"})
        book.keep(Decision.objects.get(pk=event["id"]), at)
    assert book.made[-1].reason == "wrong_mode"
    found = book.overview(Length.TODAY, NOON)
    both = Outcomes(approved=1, declined=1)
    assert (found.total, found.before) == (both, both)
    assert found.total.decline_rate == 0.5
    assert sum(column.total.declined for column in found.columns) == 1
    assert found.by_currency["eur"].declined_amount == 500
    assert found.reasons == [("wrong_mode", 2), ("category_not_allowed", 1)]
    assert book.overview(Length.WEEK, NOON).total == Outcomes(approved=2, declined=2)


def test_the_largest_come_first(book: Book) -> None:
    berlin, tokyo = _merchant("Berlin"), _merchant("Tokyo")
    for amount, merchant in ((700, berlin), (300, BAKERY), (500, BAKERY), (100, tokyo)):
        book.decide(NOON, amount, merchant=merchant)
    book.decide(NOON, 90_000, merchant=CASINO)
    book.decide(NOON, 400, currency="usd", merchant=tokyo)
    found = book.overview(Length.TODAY, NOON)
    assert found.categories["eur"] == [
        ("bakeries", 800),
        ("eating_places_restaurants", 700),
        ("grocery_stores_supermarkets", 100),
    ]
    assert found.countries == {"eur": [("FR", 800), ("DE", 700), ("JP", 100)], "usd": [("JP", 400)]}
    assert found.reasons == [("category_not_allowed", 1)]


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("UTC", (2026, 11, 18)),
        ("Asia/Kathmandu", (2026, 11, 18)),
        ("America/St_Johns", (2026, 11, 1)),
        ("Europe/Paris", (2026, 10, 25)),
        ("Australia/Lord_Howe", (2026, 10, 4)),
    ],
)
def test_every_column_holds_what_the_clocks_of_the_zone_say(
    zone: str, day: tuple[int, int, int]
) -> None:
    """Decisions at any time, some beyond the periods, against a plain count of them."""
    in_force(blocked_categories=["betting_casino_gambling"])
    book, chance = Book("half"), Random(zone)
    noon = datetime(*day, 12, tzinfo=ZoneInfo(zone))
    for days in (2, 15, 65):
        for _ in range(12):
            at = noon.astimezone(UTC) + timedelta(days=0.6 - chance.random() * days)
            merchant = chance.choice([BAKERY, CASINO])
            book.decide(at, chance.randrange(1, 5_000), merchant=merchant)
    for length in Length:
        found = book.overview(length, noon, zone)
        expected = _counted(book.made, length, noon)
        assert _shown(found, length, noon) == expected
        assert found.before.decisions == _counted_before(book.made, length, noon) > 0
        assert len(expected) > 2


def _counted(made: list[Decision], length: Length, now: datetime) -> Counter[Any]:
    """Money by column and outcome, counted one by one."""
    counted = Counter[Any]()
    for row in made:
        if 0 <= _age(row, now) < DAYS[length]:
            counted[_column(row.decided_at, length, now), row.approved] += row.amount or 0
    return counted


def _counted_before(made: list[Decision], length: Length, now: datetime) -> int:
    return sum(DAYS[length] <= _age(row, now) < 2 * DAYS[length] for row in made)


def _shown(found: Overview, length: Length, now: datetime) -> Counter[Any]:
    shown = Counter[Any]()
    for it in found.columns:
        for sums in it.by_currency.values():
            shown[_column(it.start, length, now), True] += sums.approved_amount
            shown[_column(it.start, length, now), False] += sums.declined_amount
    return +shown


def _age(row: Decision, now: datetime) -> int:
    return (now.date() - row.decided_at.astimezone(now.tzinfo).date()).days


def _column(at: datetime, length: Length, now: datetime) -> Any:
    local = at.astimezone(now.tzinfo)
    hour = (local.hour, local.utcoffset()) if length is Length.TODAY else None
    return local.date(), hour


def test_a_decision_belongs_to_the_column_that_begins_with_it(book: Book) -> None:
    second = timedelta(microseconds=1)
    for at in (NOON, NOON - second, NOON + timedelta(hours=1)):
        book.decide(at, 100)
    columns = book.overview(Length.TODAY, NOON).columns
    assert [columns[hour].total.approved for hour in (11, 12, 13)] == [1, 1, 1]


def test_percentiles_are_the_upper_bounds_of_their_buckets(book: Book) -> None:
    for place in range(20):
        book.decide(NOON, 100, took_us=1_000 if place < 10 else 5_000 if place < 19 else 90_000)
    half, most, nearly_all = book.overview(Length.TODAY, NOON).times
    assert 1_000 <= half < 1_000 * 1.05
    assert 5_000 <= most < 5_000 * 1.05
    assert 90_000 <= nearly_all < 90_000 * 1.05


@pytest.mark.parametrize(
    ("buckets", "expected"),
    [
        ({}, []),
        ({0: 1}, [0, 0, 0]),
        ({3: 1, 7: 1}, [3, 7, 7]),
        ({1: 50, 2: 45, 3: 4, 4: 1}, [1, 2, 3]),
        ({1: 49, 2: 45, 3: 4, 4: 2}, [2, 3, 4]),
        ({9: 10, 2: 990}, [2, 2, 2]),
    ],
)
def test_a_percentile_is_the_first_bucket_up_to_which_so_many_are(
    buckets: dict[int, int], expected: list[int]
) -> None:
    assert percentiles(buckets) == [1.05**bucket for bucket in expected]


def test_there_is_no_overview_before_the_first_decision() -> None:
    assert overview.overview(Period.of(Length.TODAY, NOON, UTC)) is None


def test_a_period_without_decisions_has_figures_of_nothing(book: Book) -> None:
    book.decide(NOON, 100)
    book.decide(NOON, 100)
    found = book.overview(Length.TODAY, NOON + timedelta(days=3))
    assert (found.total, found.by_currency, found.times) == (Outcomes(), {}, [])
    assert found.newest == NOON
    assert len(found.columns) == 24


def test_it_says_so_while_older_decisions_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    in_force()
    book = Book("none")
    for _ in range(4):
        book.decide(NOON, 100)
    assert book.overview(Length.TODAY, NOON).is_complete
    for module in (overview, tallies):
        monkeypatch.setattr(module, "TAIL", 3)
    found = book.overview(Length.TODAY, NOON)
    assert (found.is_complete, found.total.decisions) == (False, 3)


def test_it_reads_the_same_few_statements_however_long_the_period() -> None:
    in_force()
    book = Book("none")
    book.decide(NOON, 100)
    for length in Length:
        with CaptureQueriesContext(connection) as queries:
            book.overview(length, NOON)
        reads = [query for query in queries if "authorizations_tally" in query["sql"]]
        assert len(reads) == 1


def _merchant(city: str) -> SampleMerchant:
    return next(merchant for merchant in MERCHANTS if merchant.city == city)
