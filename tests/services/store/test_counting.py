"""Limits that are new where much was bought: counted in the background, and exact throughout."""

import threading
from collections import Counter
from functools import partial
from random import Random

import pytest
from django.db.models import Sum

from authorizations.models import (
    Authorization,
    Card,
    CardGroup,
    Cardholder,
    Decision,
    UncountedWindow,
    Usage,
)
from authorizations.rules.basics.clocks import FOREVER
from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.rules.basics.filters import EVERYTHING
from authorizations.rules.decision.values import Window
from authorizations.services.store import counting, usage, window_sums
from authorizations.services.store.counting import Pace
from authorizations.services.store.plans import drive
from authorizations.services.store.window_sums import Asked
from simulator.stripe.samples import MERCHANTS
from tests.services.authorize.test_races import at_once
from tests.support.desk import NOON, Shopper, in_force
from tests.support.lifecycle import Told
from tests.support.verification import differences

HOUR, DAY = 3_600, 86_400
GENEROUS = {"amount": 10_000_000, "interval": "per_authorization"}


@pytest.fixture
def soon_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scopes with ten purchases are busy, those with four are not quiet."""
    monkeypatch.setattr(window_sums, "AT_ONCE", 10)
    monkeypatch.setattr(window_sums, "QUIET", 4)


def bought(times: int, *, every: int, before: int = NOON, amount: int = 100) -> None:
    """So many purchases, the last of them `every` seconds before an instant."""
    for n in range(times, 0, -1):
        assert Shopper(at=before - n * every).reason(amount) == "approved"


def counted() -> int:
    """Count all there is to count, in pieces as small as they get."""
    pieces = 0
    while UncountedWindow.objects.exists():
        pieces += counting.some(0, Pace(1))
    return pieces


FLORIST = next(m for m in MERCHANTS if m.category != "bakeries" and m.country == "FR")
BAKERY_ABROAD = next(m for m in MERCHANTS if m.country == "DE")

pytestmark = pytest.mark.usefixtures("soon_busy")


@pytest.mark.django_db
class TestANewLimit:
    def test_is_counted_at_once_where_little_was_bought(self) -> None:
        in_force(spending_limits=[GENEROUS])
        bought(10, every=HOUR)
        in_force("New", spending_limits=[{"amount": 1_100, "interval": "yearly"}])
        assert Shopper().reason(100) == "approved"
        assert Shopper().reason(1) == "amount_limit_exceeded"
        assert not UncountedWindow.objects.exists()

    @pytest.mark.parametrize("interval", ["yearly", "monthly", "weekly", "all_time"])
    def test_declines_until_it_is_counted_where_much_was_bought(self, interval: str) -> None:
        """€13.00 spent in 13 hours of one day: €15.00 leave room for €2.00."""
        in_force(spending_limits=[GENEROUS])
        bought(13, every=HOUR)
        in_force("New", spending_limits=[{"amount": 1_500, "interval": interval}])
        assert Shopper().reason(100) == "limit_not_counted_yet"
        assert Shopper().reason(100) == "limit_not_counted_yet"
        assert UncountedWindow.objects.count() == 1
        assert counted() > 1
        assert Shopper().reason(201) == "amount_limit_exceeded"
        assert Shopper().reason(200) == "approved"
        assert Shopper().reason(1) == "amount_limit_exceeded"
        assert differences() == []

    def test_over_a_rolling_window_leaves_pieces_and_says_exactly_when_there_is_room(self) -> None:
        """13 purchases of €1.00, one an hour; 12 may be made within 24 hours."""
        in_force(spending_limits=[GENEROUS])
        bought(13, every=HOUR)
        in_force("New", spending_limits=[{"count": 12, "interval": "rolling", "hours": 24}])
        assert Shopper().reason(100) == "limit_not_counted_yet"
        counted()
        assert Shopper().reason(100) == "count_limit_exceeded"
        figures = Decision.objects.latest("webhook_request_id").usage
        [[_, used]] = figures
        assert used["count"] == 13
        # The second of them must have gone: it was made eleven hours before twelve.
        assert used["next_available"] == [[12, NOON - 12 * HOUR + 24 * HOUR]]
        at = NOON - 12 * HOUR + 24 * HOUR
        assert Shopper(at=at - 1).reason(100) == "count_limit_exceeded"
        assert Shopper(at=at).reason(100) == "approved"
        assert differences() == []

    def test_over_a_rolling_window_costs_no_more_the_more_was_bought(self) -> None:
        """Of 80 purchases in 10 days a decision goes through few: the others are in pieces.

        The day in which the window begins is there by its hours, and so is today: a day is one
        piece when it is over.
        """
        limit = {"amount": 90_000, "interval": "rolling", "days": 7}
        in_force(spending_limits=[GENEROUS, limit])
        bought(80, every=3 * HOUR)
        window = Window(Scope(ScopeKind.CARD, "ic_1"), NOON - 7 * DAY + 1, FOREVER, "", "eur", True)
        [found] = drive(window_sums.reckon([Asked(window, EVERYTHING, has_pieces=True)]))
        assert found.used == (5_500, 0, 55)
        assert found.purchases <= 2 * window_sums.QUIET
        [pieces] = drive(window_sums.remembered_pieces([(window, DAY)]))
        lengths = [piece.end - piece.start for piece in pieces]
        assert (len(lengths), lengths.count(DAY)) < (20, 8)
        assert (lengths[0], lengths[-1]) == (HOUR, HOUR)
        assert lengths.count(DAY) >= 5
        assert not UncountedWindow.objects.exists()

    def test_is_the_last_of_all_reasons(self) -> None:
        in_force(spending_limits=[GENEROUS])
        bought(13, every=HOUR)
        limits = [{"amount": 50_000, "interval": "yearly"}]
        in_force("New", spending_limits=limits, partial_approval=True)
        in_force("Small", spending_limits=[{"amount": 150, "interval": "per_authorization"}])
        purchase = Shopper().purchase(200, is_amount_controllable=True)
        assert Shopper().reason(purchase) == "amount_limit_exceeded"
        # A part would fit the small limit: but not what nobody knows.
        assert Shopper().reason(100, is_amount_controllable=True) == "limit_not_counted_yet"

    def test_concerns_only_what_its_filter_concerns(self) -> None:
        in_force(spending_limits=[GENEROUS])
        bought(13, every=HOUR)
        limit = {"amount": 50_000, "interval": "yearly", "categories": ["florists"]}
        in_force("Flowers", spending_limits=[limit])
        assert Shopper().reason(100) == "approved"

    def test_that_is_not_asked_about_for_long_is_kept_up_with(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Or the first flowers after many other purchases would be declined."""
        monkeypatch.setattr(usage, "_KEEP_UP_EVERY", 3)
        limits = [
            GENEROUS,
            {"amount": 5_000, "interval": "yearly", "categories": ["bakeries"]},
            {"amount": 5_000, "interval": "rolling", "days": 3, "countries": ["DE"]},
        ]
        in_force(spending_limits=limits)
        chance = Random(1)
        for n in range(60):
            purchase = Shopper(at=NOON + n * 600).purchase(
                10, authorization_id=f"iauth_{chance.randrange(10**9)}", merchant=FLORIST
            )
            assert Shopper(at=NOON + n * 600).reason(purchase) == "approved"
        german = Shopper(at=NOON + 40_000).purchase(10, merchant=BAKERY_ABROAD)
        assert Shopper(at=NOON + 40_000).reason(german) == "approved"
        assert not UncountedWindow.objects.exists()
        assert differences() == []


@pytest.mark.django_db
def test_what_was_counted_when_it_began_goes_on_where_it_stopped() -> None:
    """Another process, or this one after a restart, finds how far it went in the row."""
    in_force(spending_limits=[GENEROUS])
    bought(13, every=DAY)
    in_force("New", spending_limits=[{"amount": 50_000, "interval": "yearly"}])
    assert Shopper().reason(100) == "limit_not_counted_yet"
    counting.some(0, Pace(3))
    [note] = UncountedWindow.objects.all()
    assert (note.purchases, note.counted, note.counted_to) == (14, 3, NOON - NOON % DAY - 10 * DAY)
    # What falls into the part that is counted already changes its piece, and nothing else.
    assert Shopper(at=NOON - 12 * DAY).reason(1_000) == "limit_not_counted_yet"
    forced = Told(300, Shopper(at=NOON - 13 * DAY))
    forced.life.ask(at=NOON)
    forced.stripe("network_fallback", approved=True)  # nobody asked us
    counted()
    assert Shopper().reason(50_000 - 1_300 - 300 + 1) == "amount_limit_exceeded"
    assert Shopper().reason(50_000 - 1_300 - 300) == "approved"
    assert differences() == []


@pytest.mark.django_db(transaction=True)
def test_nothing_is_lost_or_counted_twice_while_buyers_and_stripe_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Real threads: four buy, are voided and captured; three count, as three processes would."""
    in_force(spending_limits=[GENEROUS])
    group = CardGroup.objects.create(name="Field team")
    for n in range(2):
        Shopper(card_id=f"ic_{n}").asks(0)
    Card.objects.update(group=group)
    for n in range(30):
        assert Shopper(card_id=f"ic_{n % 2}", at=NOON - n * 7_000).reason(100) == "approved"
    in_force(
        "Of all", spending_limits=[{"amount": 9_000, "interval": "all_time"}], to={"group": group}
    )
    limits = [
        {"amount": 7_000, "interval": "rolling", "days": 2},
        {"count": 40, "interval": "yearly", "countries": ["FR"]},
    ]
    in_force("Of hers", spending_limits=limits, to={"cardholder": Cardholder.objects.get()})
    is_over = threading.Event()

    def shop(seed: int) -> Counter[str]:
        chance, reasons = Random(seed), Counter[str]()
        for _ in range(10):
            shopper = Shopper(card_id=f"ic_{seed % 2}", at=NOON - chance.randrange(200_000))
            bought = Told(chance.choice([50, 100, 200]), shopper)
            answer = bought.buys()
            reasons[answer["metadata"]["reason"]] += 1
            if answer["approved"] and chance.random() < 0.5:
                (bought.voids if chance.random() < 0.5 else partial(bought.captures, 40))()
        return reasons

    def count() -> None:
        while not is_over.is_set():
            counting.some(0.05, Pace(1))

    def all_shop() -> Counter[str]:
        try:
            return sum(at_once(*[lambda seed=seed: shop(seed) for seed in range(4)]), Counter())
        finally:
            is_over.set()

    reasons, *_ = at_once(all_shop, count, count, count)
    assert set(reasons) <= {
        "approved", "limit_not_counted_yet", "amount_limit_exceeded", "count_limit_exceeded"
    }  # fmt: skip
    counted()
    assert differences() == []
    assert not UncountedWindow.objects.exists()
    total = Authorization.objects.aggregate(total=Sum("counted_amount"))["total"]
    assert total <= 9_000
    everything = Usage.objects.get(scope=f"group:{group.pk}", window_start=0)
    assert everything.amount == total
