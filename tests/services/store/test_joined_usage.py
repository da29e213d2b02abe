"""Two cards that turn out to be one chain: what is remembered of both goes on, exactly."""

from collections.abc import Callable
from functools import partial
from random import Random

import pytest
from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext

from authorizations.models import Authorization, Card, UncountedWindow, Usage
from authorizations.services.store import counting, joined_usage, window_sums
from authorizations.services.store.cards import register
from authorizations.services.store.counting import Pace
from authorizations.services.webhook.database_roles import WEBHOOK_SETTINGS
from simulator.stripe.samples import MERCHANTS
from tests.support import builders
from tests.support.database_roles import served_as
from tests.support.desk import NOON, Shopper, in_force
from tests.support.lifecycle import Told
from tests.support.verification import differences

HOUR, DAY = 3_600, 86_400
GENEROUS = {"amount": 10_000_000, "interval": "per_authorization"}
FLORIST = next(m for m in MERCHANTS if m.category != "bakeries" and m.country == "FR")
ROOT, REPLACING = "ic_1", "ic_2"

pytestmark = pytest.mark.django_db


def shopper(card_id: str, at: int = NOON) -> Shopper:
    return Shopper(card_id=card_id, at=at)


def after_the_join(at: int = NOON) -> Shopper:
    """Whose first purchase tells that the second card replaces the first."""
    return Shopper(card_id=REPLACING, card={"replacement_for": ROOT}, at=at)


def count_all(pace: Callable[[], Pace] = Pace) -> None:
    while UncountedWindow.objects.exists():
        counting.some(0, pace())


COPY = """
WITH purchase AS (
    INSERT INTO authorizations_authorization
    SELECT made.* FROM authorizations_authorization AS original
    CROSS JOIN generate_series(1, %(times)s) AS n
    CROSS JOIN LATERAL jsonb_populate_record(original, jsonb_build_object(
        'id', original.id || '_' || n,
        'created', original.created - n * make_interval(secs => %(every)s)
    )) AS made
    WHERE original.card_id = %(card)s
)
INSERT INTO authorizations_ledgerentry (
    authorization_id, event_id, cause, amount, cash_amount, refunded_amount, count, cash_count,
    currency, entered_at, author, reason
)
SELECT
    authorization_id || '_' || n, event_id, cause, amount, cash_amount, refunded_amount, count,
    cash_count, currency, entered_at, author, reason
FROM authorizations_ledgerentry CROSS JOIN generate_series(1, %(times)s) AS n
WHERE authorization_id = (SELECT id FROM authorizations_authorization WHERE card_id = %(card)s)
"""


def bought_much(card_id: str, times: int = 2_500, every: int = 600) -> None:
    """One purchase of EUR 1.00 over the door, and copies of it: all before noon."""
    assert shopper(card_id, NOON - 60).reason(100) == "approved"
    with connection.cursor() as cursor:
        cursor.execute(COPY, {"card": card_id, "times": times - 1, "every": every})
        cursor.execute("ANALYZE authorizations_authorization")


YEARLY_AND_ROLLING = (
    {"amount": 500_100, "interval": "yearly"},
    {"count": 5_001, "interval": "rolling", "days": 20},
)


def test_windows_that_both_remember_go_on_however_busy_both_are() -> None:
    """2,500 purchases of EUR 1.00 each: one more of EUR 1.00 fits both limits."""
    in_force(spending_limits=[GENEROUS])
    for card_id in (ROOT, REPLACING):
        bought_much(card_id)
    in_force("New", spending_limits=[*YEARLY_AND_ROLLING])
    for card_id in (ROOT, REPLACING):
        assert shopper(card_id).reason(1) == "limit_not_counted_yet"
    count_all()
    assert Usage.objects.filter(piece_seconds=DAY).count() > 30
    assert after_the_join().reason(101) == "amount_limit_exceeded"
    assert after_the_join().reason(100) == "approved"
    assert after_the_join().reason(1) == "amount_limit_exceeded"
    assert not UncountedWindow.objects.exists()
    assert set(Usage.objects.values_list("scope", flat=True)) == {f"card:{ROOT}"}
    assert differences() == []


@pytest.mark.parametrize("remembers", [ROOT, REPLACING])
@pytest.mark.parametrize("is_busy", [False, True])
def test_of_a_window_that_one_remembers_the_others_part_is_added_up_or_counted(
    remembers: str, is_busy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window_sums, "AT_ONCE", 200)
    in_force(spending_limits=[GENEROUS])
    other = REPLACING if remembers == ROOT else ROOT
    bought_much(remembers)
    bought_much(other, 2_500 if is_busy else 20)
    purchases = Authorization.objects.count()
    limit = {"amount": purchases * 100 + 300, "interval": "yearly"}
    in_force("New", spending_limits=[limit], to={"card_id": remembers})
    assert shopper(remembers).reason(100) == "limit_not_counted_yet"
    count_all()
    assert shopper(remembers).reason(100) == "approved"
    if is_busy:
        assert after_the_join().reason(100) == "limit_not_counted_yet"
        [note] = UncountedWindow.objects.all()
        assert note.scope == f"card:{ROOT}"
        assert not Usage.objects.filter(piece_seconds=0).exists()
        assert differences() == []
        count_all()
    assert after_the_join().reason(201) == "amount_limit_exceeded"
    assert after_the_join().reason(200) == "approved"
    assert not UncountedWindow.objects.exists()
    assert differences() == []


def test_a_window_that_is_lost_is_noted_at_once_before_anybody_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(window_sums, "AT_ONCE", 200)
    in_force(spending_limits=[GENEROUS])
    bought_much(ROOT)
    bought_much(REPLACING)
    limit = {"amount": 500_100, "interval": "yearly"}
    in_force("New", spending_limits=[limit], to={"card_id": REPLACING})
    assert shopper(REPLACING).reason(100) == "limit_not_counted_yet"
    count_all()
    register(builders.card(id=REPLACING, replacement_for=ROOT), "evt_1", NOON)
    assert [note.scope for note in UncountedWindow.objects.all()] == [f"card:{ROOT}"]
    count_all()
    assert after_the_join().reason(101) == "amount_limit_exceeded"
    assert after_the_join().reason(100) == "approved"


def test_sixty_thousand_purchases_join_within_the_time_that_the_webhook_has() -> None:
    """No purchase is written, and no statement takes as long as the role lets it."""
    in_force(spending_limits=[GENEROUS])
    bought_much(ROOT, 2_500)
    bought_much(REPLACING, 60_000, every=300)
    in_force("New", spending_limits=[{"amount": 6_250_100, "interval": "all_time"}])
    in_force("Rolling", spending_limits=[{"amount": 6_250_100, "interval": "rolling", "days": 300}])
    for card_id in (ROOT, REPLACING):
        assert shopper(card_id).reason(1) == "limit_not_counted_yet"
    count_all()
    with (
        served_as("webhook"),
        connection.cursor() as cursor,
        CaptureQueriesContext(connection) as statements,
    ):
        cursor.execute(f"SET LOCAL statement_timeout = '{WEBHOOK_SETTINGS['statement_timeout']}'")
        register(builders.card(id=REPLACING, replacement_for=ROOT), "evt_1", NOON)
        cursor.execute("SET LOCAL statement_timeout TO DEFAULT")
    assert Card.objects.get(pk=REPLACING).root_id == ROOT
    written = [each["sql"] for each in statements if not each["sql"].startswith("SELECT")]
    assert written
    assert not any("authorizations_authorization" in statement for statement in written)
    assert after_the_join().reason(101) == "amount_limit_exceeded"
    assert after_the_join().reason(100) == "approved"
    assert not UncountedWindow.objects.exists()


# --- where ten purchases are many


@pytest.fixture
def soon_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_sums, "AT_ONCE", 10)
    monkeypatch.setattr(window_sums, "QUIET", 4)


@pytest.mark.usefixtures("soon_busy")
@pytest.mark.parametrize("busy", ["ic_1", "ic_2"])
def test_two_cards_that_turn_out_to_be_one_chain_keep_what_is_remembered(busy: str) -> None:
    """€13.00 on one card and €2.00 on the other: of €16.00 a year €1.00 is left for both."""
    limits = [
        {"amount": 1_600, "interval": "yearly"},
        {"count": 100, "interval": "rolling", "days": 2},
    ]
    in_force(spending_limits=limits)
    for n in range(13):
        assert Shopper(card_id=busy, at=NOON - n * HOUR).reason(100) == "approved"
    other = "ic_2" if busy == "ic_1" else "ic_1"
    for n in range(2):
        assert Shopper(card_id=other, at=NOON - n * HOUR).reason(100) == "approved"
    replacing = Shopper(card_id="ic_2", card={"replacement_for": "ic_1"})
    assert replacing.reason(101) == "amount_limit_exceeded"
    assert replacing.reason(100) == "approved"
    assert not UncountedWindow.objects.exists()
    assert not Usage.objects.filter(scope="card:ic_2").exists()
    assert Usage.objects.filter(scope="card:ic_1", piece_seconds=HOUR).exists()
    assert differences() == []


@pytest.mark.usefixtures("soon_busy")
def test_what_happens_to_an_old_purchase_after_the_join_counts_in_the_windows_of_both() -> None:
    """EUR 13.00 on each card, and EUR 3.00: EUR 2.00 is captured, and EUR 0.50 comes back."""
    limit = {"amount": 3_000, "interval": "yearly"}
    in_force(spending_limits=[limit])
    for n in range(13):
        for card_id in (ROOT, REPLACING):
            assert shopper(card_id, NOON - n * HOUR).reason(100) == "approved"
    bought = Told(300, shopper(REPLACING, NOON - 3 * HOUR))
    bought.buys()
    assert after_the_join().reason(101) == "amount_limit_exceeded"
    assert after_the_join().reason(100) == "approved"
    bought.captures(200)
    assert after_the_join().reason(101) == "amount_limit_exceeded"
    assert after_the_join().reason(100) == "approved"
    assert shopper(ROOT).reason(1) == "amount_limit_exceeded"
    bought.refunds(50)
    assert shopper(ROOT).reason(51) == "amount_limit_exceeded"
    assert shopper(ROOT).reason(50) == "approved"
    assert not UncountedWindow.objects.exists()
    assert differences() == []


@pytest.mark.usefixtures("soon_busy")
@pytest.mark.parametrize("begun", [(3, 0), (0, 3), (2, 4)])
def test_what_was_being_counted_of_either_ends_with_the_sum_of_both(begun: tuple[int, int]) -> None:
    """14 days of each are to be counted; of some the counting had begun when they joined."""
    in_force(spending_limits=[GENEROUS])
    for n in range(14):
        for card_id in (ROOT, REPLACING):
            assert shopper(card_id, NOON - n * DAY).reason(100) == "approved"
    limits = [
        {"amount": 3_000, "interval": "yearly"},
        {"amount": 3_000, "interval": "rolling", "days": 40},
    ]
    in_force("New", spending_limits=limits)
    for card_id, times in zip((ROOT, REPLACING), begun, strict=True):
        if times:
            assert shopper(card_id).reason(1) == "limit_not_counted_yet"
        for note in UncountedWindow.objects.filter(scope=f"card:{card_id}"):
            for _ in range(times):
                note.refresh_from_db()
                counting._counted(note, Pace(1))
    register(builders.card(id=REPLACING, replacement_for=ROOT), "evt_1", NOON)
    assert {note.scope for note in UncountedWindow.objects.all()} == {f"card:{ROOT}"}
    assert differences() == []
    assert after_the_join().reason(200) == "limit_not_counted_yet"
    count_all(partial(Pace, 1))
    assert after_the_join().reason(201) == "amount_limit_exceeded"
    assert after_the_join().reason(200) == "approved"
    assert differences() == []


@pytest.mark.usefixtures("soon_busy")
@pytest.mark.parametrize("seed", range(3))
def test_whatever_each_remembers_every_sum_is_right_after_the_join(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Limits of both and of one, counted, being counted or never asked about; pieces here, gaps
    there; and often more than can be added up at once.
    """
    monkeypatch.setattr(joined_usage, "_TIMES_AT_ONCE", 1 + seed)
    monkeypatch.setattr(joined_usage, "_MAX_ROWS", 2_000 if seed else 8)
    chance = Random(seed)
    bought: list[Told] = []

    def shops(times: int, cards: tuple[str, ...] = (ROOT, REPLACING)) -> None:
        for _ in range(times):
            at = NOON - chance.randrange(4 * DAY) if chance.random() < 0.7 else NOON
            merchant = chance.choice([MERCHANTS[0], FLORIST])
            told = Told(100, shopper(chance.choice(cards), at), merchant=merchant)
            if told.buys()["approved"]:
                bought.append(told)

    def live_on() -> None:
        for told in chance.sample(bought, 4):
            told.captures(80)
            told.refunds(30)

    in_force(spending_limits=[GENEROUS])
    shops(12)
    shops(12, (chance.choice([ROOT, REPLACING]),))
    limits = [
        {"amount": 90_000, "interval": "yearly"},
        {"count": 900, "interval": "all_time", "countries": ["FR"]},
        {"amount": 90_000, "interval": "rolling", "days": 3},
        {"amount": 90_000, "interval": "daily"},
    ]
    in_force("Both", spending_limits=limits)
    one = {"amount": 90_000, "interval": "monthly", "countries": ["FR"]}
    in_force("One", spending_limits=[one], to={"card_id": chance.choice([ROOT, REPLACING])})
    for _ in range(6):
        shops(3)
        for _ in range(chance.randrange(5)):
            counting.some(0, Pace(1))
    live_on()
    register(builders.card(id=REPLACING, replacement_for=ROOT), "evt_1", NOON)
    assert not Usage.objects.filter(scope=f"card:{REPLACING}").exists()
    assert differences() == []
    live_on()
    shops(8)
    assert differences() == []
    count_all(partial(Pace, 1))
    assert after_the_join().reason(100, merchant=FLORIST) in ("approved", "limit_not_counted_yet")
    count_all(partial(Pace, 1))
    assert after_the_join().reason(100, merchant=FLORIST) == "approved"
    assert differences() == []
    yearly = Usage.objects.get(scope=f"card:{ROOT}", window_end=1_798_761_600, filter_key="")
    total = Authorization.objects.aggregate(total=Sum("counted_amount"))["total"]
    assert yearly.amount == total
