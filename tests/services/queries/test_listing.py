"""Lists read page by page show every row once and in order, digested or not."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from authorizations.models import (
    Decision,
    ListedDecision,
    Policy,
    RejectedMinute,
    RejectedRequest,
    Stretch,
)
from authorizations.rules.basics.purchase_exceptions import Waiver
from authorizations.services.digest import update
from authorizations.services.policies.purchase_exceptions import allow_once
from authorizations.services.queries import by_time as listing_by_time
from authorizations.services.queries import listing
from authorizations.services.queries.by_time import ByTime
from authorizations.services.queries.decisions import Facets, decisions
from authorizations.services.queries.listing import Listing, WrongKeyError
from simulator.stripe.sample_merchants import MERCHANTS
from tests.support.damage import damage
from tests.support.desk import Shopper, deliver, in_force

GERMAN = next(merchant for merchant in MERCHANTS if merchant.country == "DE")
START = datetime(2026, 11, 18, 12, tzinfo=UTC)
OLD = str(int((START - timedelta(days=80)).timestamp()) * 1_000_000)
"""A place in lists by time before all of their rows."""


def walk_back(rows: Listing, size: int) -> list[Any]:
    """All rows by the links to older pages."""
    page = listing.page(rows, size=size)
    found = list(page.rows)
    while page.older:
        page = listing.page(rows, size=size, before=page.older)
        found += page.rows
    return found


def walk_forth(rows: Listing, size: int, key: str) -> list[Any]:
    """All rows by the links to newer pages, up to the newest; newest first."""
    found: list[Any] = []
    page = listing.page(rows, size=size, after=key)
    while page.newer:
        found = [*page.rows, *found]
        page = listing.page(rows, size=size, after=page.newer)
    return [row for row in page.rows if row not in found] + found


# --- Decisions -----------------------------------------------------------------


@pytest.fixture
def spent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decisions of all kinds, the older half of them digested."""
    monkeypatch.setattr(Stretch, "LENGTH", 4)
    in_force(
        "Travel",
        partial_approval=True,
        blocked_merchant_countries=["DE"],
        spending_limits=[{"amount": 10_000, "interval": "monthly"}],
    )
    grace = Shopper(card_id="ic_2", cardholder_id="ich_2", name="Grace Hopper", card=LAST4)
    grace.asks(0)
    in_force("Evenings", to={"cardholder_id": "ich_2"})
    for turn in range(2):
        for amount in (2_000, 9_500, 0, 300):
            Shopper().asks(amount, is_amount_controllable=bool(turn))
            grace.asks(amount, merchant=GERMAN)
        allow_once(
            "ic_3",
            [Waiver("amount_limit_exceeded")],
            up_to=12_000,
            currency="eur",
            until=now() + timedelta(hours=1),
            by=None,
            reason="Trip",
        )
        Shopper(card_id="ic_3", cardholder_id="ich_3").asks(12_000)
        event = grace.event(grace.purchase(100), f"evt_broken_{turn}")
        del event["data"]["object"]["pending_request"]
        deliver(event)
        if not turn:
            # As one that was made long before it could be written.
            damage(Decision.objects.filter(reason="").latest("pk"), decided_at=START)
            update.digest_all(lambda _: None)
    assert 0 < ListedDecision.objects.count() < Decision.objects.count()


LAST4 = {"last4": "0077"}


def now() -> datetime:
    return datetime.now(UTC)


FACETS: dict[str, tuple[Callable[[], Facets], Callable[[Decision], bool]]] = {
    "all": (Facets, lambda _: True),
    "approved or in part": (lambda: Facets(outcome="granted"), lambda row: row.approved),
    "approved": (
        lambda: Facets(outcome="approved"),
        lambda row: row.approved and not row.is_partial,
    ),
    "in part": (lambda: Facets(outcome="part"), lambda row: row.is_partial),
    "declined": (lambda: Facets(outcome="declined"), lambda row: not row.approved),
    "by an exception": (
        lambda: Facets(outcome="exception"),
        lambda row: row.exception_id is not None,
    ),
    "reason": (
        lambda: Facets(reason="merchant_country_not_allowed"),
        lambda row: row.reason == "merchant_country_not_allowed",
    ),
    "impossible": (lambda: Facets(outcome="approved", reason="no_policy"), lambda _: False),
    "amounts": (
        lambda: Facets(currency="eur", least=300, most=2_000),
        lambda row: row.amount is not None and 300 <= row.amount <= 2_000,
    ),
    "amount nought": (lambda: Facets(currency="eur", most=0), lambda row: row.amount == 0),
    "category": (
        lambda: Facets(category=GERMAN.category),
        lambda row: row.category == GERMAN.category,
    ),
    "country": (lambda: Facets(country="DE"), lambda row: row.merchant_country == "DE"),
    "card": (lambda: Facets(card="ic_2"), lambda row: row.card_id == "ic_2"),
    "policy": (
        lambda: Facets(policy=Policy.objects.get(name="Evenings").pk),
        lambda row: len(row.policies) == 2,
    ),
    "since": (lambda: Facets(since=now() - timedelta(hours=1)), lambda row: row.decided_at > START),
    "until": (lambda: Facets(until=START + timedelta(1)), lambda row: row.decided_at == START),
    "at that moment": (
        lambda: Facets(since=START, until=START + timedelta(microseconds=1)),
        lambda row: row.decided_at == START,
    ),
    "days without any": (lambda: Facets(until=START), lambda _: False),
    "event": (lambda: Facets(search="evt_broken_0"), lambda row: row.pk == "evt_broken_0"),
    "card by id": (lambda: Facets(search="ic_1"), lambda row: row.card_id == "ic_1"),
    "last 4": (lambda: Facets(search="0077"), lambda row: row.card_id == "ic_2"),
    "cardholder": (lambda: Facets(search="hOpp"), lambda row: row.card_id == "ic_2"),
    "merchant": (
        lambda: Facets(search=GERMAN.name[2:9].upper()),
        lambda row: row.merchant_name == GERMAN.name,
    ),
    "nobody": (lambda: Facets(search="100% _nobody"), lambda _: False),
    "everything": (
        lambda: Facets(search="hopper", outcome="declined", currency="eur", since=START),
        lambda row: row.card_id == "ic_2" and not row.approved,
    ),
}


@pytest.mark.django_db(transaction=True)
def test_filters_and_searches_find_the_same_in_the_digest_and_beyond_it(spent: None) -> None:
    every = list(Decision.objects.order_by("-webhook_request_id"))
    for name, (facets, expected) in FACETS.items():
        rows = decisions(Decision.objects.all(), facets())
        wanted = [row.pk for row in every if expected(row)]
        assert (name, [row.pk for row in walk_back(rows, 3)]) == (name, wanted)
        assert (name, [row.pk for row in walk_forth(rows, 3, "0")]) == (name, wanted)
        assert (name, [row.pk for rows in listing.chunks(rows, 4) for row in rows]) == (
            name,
            wanted,
        )
    found = {name: sum(map(expected, every)) for name, (_, expected) in FACETS.items()}
    some = ("in part", "by an exception", "policy", "merchant", "everything")
    assert min(found[name] for name in some) >= 1


@pytest.mark.django_db(transaction=True)
def test_what_a_search_finds_in_several_ways_is_shown_once(spent: None) -> None:
    update.digest_all(lambda _: None)
    rows = decisions(Decision.objects.all(), Facets(search="e"))  # cardholders and merchants
    ways = [set(part.values_list("pk", flat=True)) for part in rows.listed]
    assert any(one & other for one, other in itertools.combinations(ways, 2))
    found = [row.webhook_request_id for row in walk_back(rows, 3)]
    assert found == sorted(set().union(*ways), reverse=True)


@pytest.mark.django_db(transaction=True)
def test_each_way_of_a_search_is_the_business_of_one_index(spent: None) -> None:
    update.digest_all(lambda _: None)
    rows = decisions(Decision.objects.all(), Facets(search=GERMAN.name))
    asked = [str(part.query) for part in rows.listed]
    assert any('"merchant_id" = ' in sql for sql in asked)
    assert not any(" OR " in sql or " IN " in sql for sql in asked)


@pytest.mark.django_db(transaction=True)
def test_a_purchase_is_found_by_its_authorization(spent: None) -> None:
    for row in Decision.objects.exclude(authorization=None):
        rows = decisions(Decision.objects.all(), Facets(search=str(row.authorization_id)))
        assert [found.pk for found in walk_back(rows, 5)] == [row.pk]


@pytest.mark.django_db(transaction=True)
def test_nothing_is_missed_or_shown_twice_while_the_digest_moves_on(spent: None) -> None:
    every = [row.pk for row in Decision.objects.order_by("-webhook_request_id")]
    rows = decisions(Decision.objects.all(), Facets())
    page = listing.page(rows, size=2)
    found = [row.pk for row in page.rows]
    for move in (update.empty, lambda: update.digest_all(lambda _: None), update.empty):
        move()
        page = listing.page(rows, size=4, before=page.older)
        found += [row.pk for row in page.rows]
    assert found == every[: len(found)]
    assert len(found) == 14


@pytest.mark.parametrize("key", ["x", "-1", "1.5", "٣", str(2**63), "9" * 30, "9" * 5_000, " 1"])
def test_what_is_no_key_of_a_decision_is_told(key: str) -> None:
    with pytest.raises(WrongKeyError):
        decisions(Decision.objects.all(), Facets()).older(key, 5)


# --- Times ---------------------------------------------------------------------


@pytest.fixture
def rejected(db: None) -> list[int]:
    """Rows at uneven distances, some at the same instant, and out of order; their keys in order."""
    minutes = [0, 0, 0, 1, 2, 2, 3, 30, 31, 31, 500, 501, 20_000, 20_000, 99_999]
    times = [START - timedelta(minutes=minute) for minute in minutes]
    for place, at in enumerate(sorted(times, key=lambda at: at.timestamp() * 7919 % 101)):
        RejectedRequest.objects.create(received_at=at, cause="mismatch", sender=f"10.0.0.{place}")
    ordered = RejectedRequest.objects.order_by("-received_at", "-pk")
    return [row.pk for row in ordered]


@pytest.fixture(params=["small table", "large table", "large table, and no time"])
def table(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the table is looked at: in one go, in windows, or with a stop after each window."""
    kind = str(request.param)
    monkeypatch.setattr(listing_by_time, "SMALL_BYTES", 0 if "large" in kind else 2**40)
    if "no time" in kind:
        monkeypatch.setattr(listing_by_time, "BUDGET_S", 0)
        monkeypatch.setattr(listing_by_time, "FIRST_WINDOW", timedelta(days=20))
    return kind


def by_time(**options: Any) -> ByTime:
    return ByTime(RejectedRequest.objects.all(), "received_at", **options)


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_rows_in_the_order_of_time_are_all_found(
    rejected: list[int], table: str, size: int
) -> None:
    rows = by_time()
    assert [row.pk for row in walk_back(rows, size)] == rejected
    assert [row.pk for row in walk_forth(rows, size, OLD)] == rejected
    assert [row.pk for part in listing.chunks(rows, size) for row in part] == rejected


@pytest.mark.parametrize("size", [1, 2, 5])
def test_rows_that_are_named_by_their_time_are_shown_once(db: None, table: str, size: int) -> None:
    minutes = [START - timedelta(minutes=minute) for minute in (0, 1, 2, 3, 30, 31, 500)]
    for minute in minutes:
        RejectedMinute.objects.create(minute=minute, count=1)
    rows = ByTime(RejectedMinute.objects.all(), "minute")
    assert [row.pk for row in walk_back(rows, size)] == minutes
    oldest, *newer = reversed(minutes)
    page = listing.page(rows, size=size, after=rows.key(RejectedMinute(minute=oldest)))
    found = [row.pk for row in page.rows]
    while len(found) < size and page.newer:
        page = listing.page(rows, size=size, after=page.newer)
        found = [row.pk for row in page.rows] + found
    assert found[-size:] == newer[:size][::-1]


def test_a_period_has_its_first_instant_and_not_its_last(rejected: list[int], table: str) -> None:
    edges = {"since": START - timedelta(minutes=31), "until": START - timedelta(minutes=1)}
    expected = RejectedRequest.objects.filter(
        received_at__gte=edges["since"], received_at__lt=edges["until"]
    )
    wanted = [row.pk for row in expected.order_by("-received_at", "-pk")]
    assert len(wanted) == 6
    for size in (2, 50):
        assert [row.pk for row in walk_back(by_time(**edges), size)] == wanted
        assert [row.pk for row in walk_forth(by_time(**edges), size, OLD)] == wanted


def test_without_time_a_page_says_how_far_it_has_looked(
    rejected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing_by_time, "SMALL_BYTES", 0)
    monkeypatch.setattr(listing_by_time, "BUDGET_S", 0)
    page = listing.page(by_time(), size=50)
    assert page.looked_to
    assert page.older
    assert listing.page(by_time(is_narrow=True), size=50).looked_to is None


@pytest.mark.parametrize("key", ["x", "-", "12-", "1-x", "-1-2", "9" * 17, "1e5"])
def test_what_is_no_key_of_a_time_is_told(db: None, key: str) -> None:
    with pytest.raises(WrongKeyError):
        by_time().older(key, 5)
