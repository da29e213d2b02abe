"""The digest holds every decision once, whatever happens at the same moment."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from math import ceil, log
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from authorizations.models import (
    AnswerTimes,
    Decision,
    DigestMark,
    ListedDecision,
    MerchantName,
    PolicyVersion,
    Stretch,
    Tally,
    WebhookRequest,
)
from authorizations.services.digest import statements, update
from authorizations.services.queries.decisions import Facets, decisions
from authorizations.services.verify.digest import verify_digest
from simulator.stripe.sample_merchants import MERCHANTS
from tests.services.authorize.test_races import at_once
from tests.support.desk import Shopper, deliver, in_force

pytestmark = pytest.mark.django_db(transaction=True)

GERMAN = next(merchant for merchant in MERCHANTS if merchant.country == "DE")
DIGEST = (ListedDecision, MerchantName, Stretch, Tally, AnswerTimes)


def digest_all() -> int:
    return update.digest_all(lambda _: None)


def contents() -> dict[str, list[Any]]:
    """All of the digest, merchants by their names."""
    found: dict[str, list[Any]] = {
        model.__name__: list(model._default_manager.values()) for model in DIGEST[2:]
    }
    found["listed"] = list(ListedDecision.objects.order_by("pk").values("pk", "merchant__name"))
    found["policies"] = list(ListedDecision.objects.order_by("pk").values_list("policies"))
    return {name: sorted(rows, key=str) for name, rows in found.items()}


def listed() -> list[int]:
    return sorted(ListedDecision.objects.values_list("pk", flat=True))


def decided() -> list[int]:
    return sorted(Decision.objects.values_list("webhook_request_id", flat=True))


def unreadable(event_id: str) -> bytes:
    """A request that is declined without any card being looked at."""
    event = Shopper().event(Shopper().purchase(100), event_id)
    del event["data"]["object"]["pending_request"]
    body: bytes = deliver(event).content
    return body


@pytest.fixture
def busy_day() -> None:
    in_force(
        "Travel",
        partial_approval=True,
        blocked_merchant_countries=["DE"],
        spending_limits=[{"amount": 10_000, "interval": "monthly"}],
    )
    Shopper(card_id="ic_2", cardholder_id="ich_2").asks(0)
    in_force("Evenings", to={"cardholder_id": "ich_2"})
    for amount in (2_000, 9_000, 0, 300):
        Shopper().asks(amount, is_amount_controllable=True)
        Shopper(card_id="ic_2", cardholder_id="ich_2").asks(amount, merchant=GERMAN)
    unreadable("evt_broken")


@contextmanager
def held_open(sql: str = "") -> Iterator[threading.Event]:
    """A decision whose transaction has drawn its number and commits only at the end."""
    drawn, may_commit = threading.Event(), threading.Event()

    def decide() -> None:
        try:
            with transaction.atomic():
                unreadable("evt_late")
                drawn.set()
                assert may_commit.wait(20)
        finally:
            connection.close()

    thread = threading.Thread(target=decide)
    thread.start()
    try:
        assert drawn.wait(20)
        yield may_commit
    finally:
        may_commit.set()
        thread.join()


def test_every_decision_is_listed_with_its_facts(busy_day: None) -> None:
    digest_all()
    assert listed() == decided()
    for row in Decision.objects.all():
        kept = ListedDecision.objects.select_related("merchant").get(pk=row.webhook_request_id)
        for name in ("decided_at", "approved", "is_partial", "reason", "amount", "currency"):
            assert getattr(kept, name) == getattr(row, name)
        for name in ("category", "category_code", "merchant_country", "card_id", "cardholder_id"):
            assert getattr(kept, name) == getattr(row, name)
        assert (kept.merchant.name if kept.merchant else "") == row.merchant_name
        versions = [applied["version"] for applied in row.policies]
        policies = PolicyVersion.objects.filter(pk__in=versions).values_list("policy", flat=True)
        assert kept.policies == sorted(policies)


def test_each_decision_counts_once_in_every_dimension(busy_day: None) -> None:
    digest_all()
    expected: Counter[tuple[Any, ...]] = Counter()
    money: Counter[tuple[Any, ...]] = Counter()
    approved: Counter[tuple[Any, ...]] = Counter()
    for row in Decision.objects.all():
        for dimension, value in (
            *(("all", ""), ("reason", row.reason)),
            *(("category", row.category), ("country", row.merchant_country)),
        ):
            key = (dimension, quarter(row.decided_at), value, row.currency, row.approved)
            expected[key] += 1
            money[key] += row.amount or 0
            approved[key] += row.approved_amount
    kept = Tally.objects.filter(dimension__in=("all", "reason", "category", "country"))
    columns = ("dimension", "quarter", "value", "currency", "approved")
    rows = kept.values_list(*columns, "decisions", "amount", "approved_amount")
    found = {
        tuple(key): tuple(sums) for *key, one, two, three in rows for sums in [(one, two, three)]
    }
    assert found == {key: (expected[key], money[key], approved[key]) for key in expected}


def quarter(at: datetime) -> datetime:
    return at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)


def test_whole_days_hold_the_same_as_their_quarters(busy_day: None) -> None:
    digest_all()
    by_day = {"all": "totals", "reason": "reasons", "category": "categories"} | {
        "country": "countries"
    }
    for quarters, days in by_day.items():
        assert sums(quarters) == sums(days)
    assert {row.quarter.hour for row in Tally.objects.filter(dimension="totals")} == {0}


def sums(dimension: str) -> Counter[tuple[str, str, bool, str]]:
    total: Counter[tuple[str, str, bool, str]] = Counter()
    for row in Tally.objects.filter(dimension=dimension):
        for name in ("decisions", "amount", "approved_amount"):
            total[row.value, row.currency, row.approved, name] += getattr(row, name)
    return total


def test_answer_times_are_counted_in_steps_of_five_percent(busy_day: None) -> None:
    digest_all()
    expected = Counter(
        (quarter(row.decided_at), ceil(log(row.duration_us) / log(1.05)))
        for row in Decision.objects.all()
    )
    rows = AnswerTimes.objects.values_list("quarter", "bucket", "decisions")
    assert {(when, bucket): number for when, bucket, number in rows} == expected


def test_a_decision_that_commits_late_is_neither_skipped_nor_counted_twice(
    busy_day: None,
) -> None:
    with held_open() as may_commit:
        Shopper().asks(50)
        Shopper().asks(60)
        for _ in range(5):
            update.catch_up(1)
        # What came before may be in already; nothing that was drawn later is.
        assert not set(decided()[-2:]) & set(listed())
        may_commit.set()
    digest_all()
    assert listed() == decided()
    assert Decision.objects.filter(pk="evt_late").exists()
    assert not [found for part in verify_digest() for found in part]


def test_a_number_whose_transaction_is_given_up_holds_nothing_back(busy_day: None) -> None:
    with transaction.atomic():
        unreadable("evt_given_up")
        transaction.set_rollback(True)
    Shopper().asks(50)
    assert digest_all() >= max(decided())
    assert listed() == decided()


def test_many_digesters_and_deciders_at_once_count_every_decision_once(busy_day: None) -> None:
    is_over = threading.Event()

    def dig() -> None:
        while not is_over.is_set():
            update.catch_up(0.2)

    def decide(number: int) -> None:
        shopper = Shopper(card_id=f"ic_{number}", cardholder_id=f"ich_{number}")
        try:
            for place in range(15):
                shopper.asks(10)
                unreadable(f"evt_{number}_{place}")
        finally:
            finished.release()

    finished = threading.Semaphore(0)

    def wait() -> None:
        for _ in range(4):
            finished.acquire()
        is_over.set()

    at_once(dig, dig, dig, wait, *[lambda n=n: decide(n) for n in range(4)])
    digest_all()
    assert listed() == decided()
    assert not [found for part in verify_digest() for found in part]


def test_pieces_of_any_size_add_up_to_the_same(
    busy_day: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest_all()
    whole = contents()
    monkeypatch.setattr(update, "PIECE", 3)
    update.empty()
    assert listed() == []
    digest_all()
    assert contents() == whole


def test_inside_a_transaction_nothing_is_digested(busy_day: None) -> None:
    with transaction.atomic():
        assert update.catch_up(1) == 0
        with pytest.raises(transaction.TransactionManagementError):
            digest_all()
    assert listed() == []


def test_a_request_draws_its_number_under_the_lock_that_is_waited_for(busy_day: None) -> None:
    """Of every kind of decision: what the digest relies on."""
    with connection.cursor() as cursor:
        # It fires after the request's number was drawn, and before the row is written.
        cursor.execute(f"""
            CREATE FUNCTION is_locked() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF NOT EXISTS ({statements.WRITERS} AND pid = pg_backend_pid()) THEN
                    RAISE EXCEPTION 'no lock yet';
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER is_locked BEFORE INSERT ON authorizations_webhookrequest
            FOR EACH ROW EXECUTE FUNCTION is_locked()
        """)
    try:
        before = Decision.objects.count()
        Shopper().asks(10)
        Shopper(card_id="ic_new", cardholder_id="ich_new").asks(10)
        unreadable("evt_unreadable")
        assert Decision.objects.count() == before + 3
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION is_locked() CASCADE")


def test_transactions_that_write_no_requests_are_not_waited_for(busy_day: None) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def write_something_else() -> None:
        try:
            with transaction.atomic():
                MerchantName.objects.create(name="Somebody else's")
                begun.set()
                assert may_end.wait(20)
        finally:
            connection.close()

    thread = threading.Thread(target=write_something_else)
    thread.start()
    try:
        assert begun.wait(20)
        assert update.catch_up(5) == max(decided())
    finally:
        may_end.set()
        thread.join()


def test_the_command_brings_it_up_to_date_and_can_make_it_again(
    busy_day: None, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("digest")
    whole = contents()
    assert whole["listed"]
    Tally.objects.update(decisions=7)
    with pytest.raises(CommandError, match="differ"):
        call_command("digest", "--verify")
    call_command("digest", "--rebuild")
    assert contents() == whole
    call_command("digest", "--verify")
    assert "no differences found" in capsys.readouterr().out


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE authorizations_tally SET amount = amount + 1 WHERE dimension = 'totals'",
        "DELETE FROM authorizations_answertimes",
        "UPDATE authorizations_stretch SET latest = earliest - interval '1 day'",
        "DELETE FROM authorizations_listeddecision WHERE NOT approved",
        "UPDATE authorizations_listeddecision SET policies = '{}' WHERE policies <> '{}'",
        "UPDATE authorizations_merchantname SET name = name || '!'",
        "UPDATE authorizations_listeddecision SET webhook_request_id = 1000 WHERE is_partial",
    ],
)
def test_damage_to_the_digest_is_found(busy_day: None, damage: str) -> None:
    mark = digest_all()
    assert not [found for part in verify_digest() for found in part]
    with connection.cursor() as cursor:
        cursor.execute(damage)
    DigestMark.objects.update(digested=mark + 2000)
    assert [found for part in verify_digest() for found in part]


def test_who_throws_it_away_and_who_reads_lists_wait_for_each_other_in_turn(
    busy_day: None,
) -> None:
    digest_all()
    reading = threading.Event()
    rows = decisions(Decision.objects.all(), Facets(since=datetime(2020, 1, 1, tzinfo=UTC)))

    def until_so_many_wait(number: int) -> None:
        for _ in range(1_000):
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND database = "
                    "(SELECT oid FROM pg_database WHERE datname = current_database())"
                )
                if cursor.fetchone() == (number,):
                    return
            time.sleep(0.01)
        pytest.fail("They do not wait.")

    def read_for_long() -> None:
        with transaction.atomic():
            assert ListedDecision.objects.exists()
            reading.set()
            until_so_many_wait(2)

    def throw_away() -> None:
        assert reading.wait(20)
        update.empty()

    def read() -> None:
        until_so_many_wait(1)
        assert len(rows.older("", 100).rows) == len(decided())

    at_once(read_for_long, throw_away, read)


def test_requests_that_ask_nothing_move_the_mark_along(busy_day: None) -> None:
    event = Shopper().event(Shopper().purchase(100)) | {"type": "issuing_card.created"}
    deliver(event)
    assert digest_all() == WebhookRequest.objects.latest("pk").pk
