"""What is left of limits: the very figures that the next decision rests on."""

from random import Random
from typing import Any

import pytest
from django.db import connection

from authorizations.models import Authorization, Card, CardGroup, Cardholder, Decision, Usage
from authorizations.rules.basics.controls import ScopeKind
from authorizations.rules.decision.values import LimitFigures
from authorizations.rules.wording.remaining import (
    Level,
    available_words,
    level,
    return_words,
    used_words,
)
from authorizations.services.queries import remaining
from authorizations.services.runtime import codec
from simulator.stripe.samples import MERCHANTS, Json
from tests.support.desk import NOON, Shopper, in_force

pytestmark = pytest.mark.django_db

DAY = 86_400
BAKERY, ABROAD = MERCHANTS[0], next(m for m in MERCHANTS if m.country == "DE")
CASH_MACHINE = next(m for m in MERCHANTS if m.mcc == "6011")
INTERVALS = ("daily", "weekly", "monthly", "quarterly", "yearly", "all_time")

POLICIES: dict[str, Json] = {
    "program": {
        "time_zone": "America/New_York",
        "spending_limits": [
            {"amount": 900_000, "interval": "per_authorization"},
            {"amount": 4_000, "interval": "rolling", "hours": 30},
            {"count": 7, "interval": "rolling", "minutes": 90},
            {"amount": 5_000, "interval": "weekly", "currency": "usd"},
        ],
    },
    "card": {
        "refunds_restore": False,
        "spending_limits": [
            *({"amount": 8_000, "interval": interval} for interval in INTERVALS),
            {"count": 9, "interval": "daily", "countries": ["DE"]},
        ],
    },
    "cardholder": {
        "time_zone": "Asia/Kathmandu",
        "week_starts": "monday",
        "spending_limits": [
            *({"count": 30, "interval": interval} for interval in INTERVALS),
            {"amount": 2_000, "interval": "daily", "cash_only": True},
        ],
    },
    "group": {
        "time_zone": "Europe/Paris",
        "spending_limits": [
            {"amount": 9_000, "interval": "monthly", "categories": ["5462"]},
            {"amount": 3_000, "interval": "rolling", "days": 2, "merchants": ["boulangerie"]},
            {"amount": 500_000, "interval": "quarterly"},
            {"amount": 9_000, "interval": "monthly", "month_starts": 19},
            {"amount": 7_000, "interval": "weekly", "except_countries": ["DE"]},
            {"count": 20, "interval": "rolling", "days": 9, "except_merchants": ["boulangerie"]},
            {"amount": 6_000, "interval": "weekly", "card_presences": ["not_present"]},
            {"count": 25, "interval": "rolling", "days": 9, "authorization_methods": ["chip"]},
            {"count": 40, "interval": "quarterly", "year_starts": "11-18"},
            {"amount": 90_000, "interval": "yearly", "year_starts": "11-18"},
        ],
    },
}


def left(card_id: str = "ic_1", at: int = NOON) -> list[remaining.PolicyLeft]:
    return remaining.of_card(Card.objects.select_related("root").get(pk=card_id), at)


def figures(card_id: str = "ic_1", at: int = NOON) -> list[LimitFigures]:
    """Of all limits of the card, one after the other."""
    return known(left(card_id, at))


def known(policies: list[remaining.PolicyLeft]) -> list[LimitFigures]:
    return [limit.figures for policy in policies for limit in policy.limits if limit.is_measured]


def check_next_decision(shopper: Shopper, **facts: Any) -> None:
    """Look, then ask: each limit of the decision was shown just as the decision found it."""
    remembered = list(Usage.objects.values())
    shown = [
        (policy.policy.version_id, policy.policy.scope, limit)
        for policy in left(shopper.card_id, shopper.at)
        for limit in known([policy])
    ]
    assert list(Usage.objects.values()) == remembered
    shopper.asks(1, **facts)
    decision = Decision.objects.order_by("-webhook_request_id")[0]
    limits = [check for check in codec.trace(decision.trace) if check.figures]
    assert limits
    for check in limits:
        assert check.figures
        told = ["asked"] if check.figures.available_at else ["asked", "available_at"]
        same = {name: getattr(check.figures, name) for name in told}
        expected = [(version, scope, found._replace(**same)) for version, scope, found in shown]
        assert (check.version_id, check.scope, check.figures) in expected


class Household:
    """Two cards and the replacement of one, of one person, in one group, under every policy."""

    def __init__(self) -> None:
        self.shoppers = [
            Shopper(card_id="ic_1"),
            Shopper(card_id="ic_2"),
            Shopper(card_id="ic_3", card={"replacement_for": "ic_1"}),
        ]
        for shopper in self.shoppers:
            shopper.asks(0)
        self.group = CardGroup.objects.create(name="Field team")
        Card.objects.filter(pk__in=["ic_1", "ic_2"]).update(group=self.group)
        scopes: dict[str, Json] = {
            "program": {"program": True},
            "card": {"card": Card.objects.get(pk="ic_1")},
            "cardholder": {"cardholder": Cardholder.objects.get()},
            "group": {"group": self.group},
        }
        for name, policy in POLICIES.items():
            in_force(name, to=scopes[name], **policy)


def refund(chance: Random) -> None:
    purchase = chance.choice(list(Authorization.objects.order_by("pk")))
    refunded = chance.randint(0, purchase.counted_amount)
    Authorization.objects.filter(pk=purchase.pk).update(refunded_amount=refunded)
    Usage.objects.all().delete()


@pytest.mark.parametrize("seed", range(6))
def test_what_is_shown_is_what_the_next_decision_finds(seed: int) -> None:
    """Whatever was bought, refunded, replaced or forgotten before, and whenever it is asked."""
    chance = Random(seed)
    household = Household()
    instants = [NOON + offset for offset in (0, 1, 5_399, 5_400, 40_000, DAY, 9 * DAY, 70 * DAY)]
    for _ in range(25):
        shopper = chance.choice(household.shoppers)
        asking = Shopper(card_id=shopper.card_id, card=shopper.card, at=chance.choice(instants))
        merchant = chance.choice([BAKERY, BAKERY, ABROAD, CASH_MACHINE])
        facts: Json = {
            "merchant": merchant,
            "method": chance.choice(["chip", "online", "keyed_in"]),
        }
        check_next_decision(asking, **facts)
        asking.asks(chance.randint(1, 1_500), **facts)
        if chance.random() < 0.2:
            refund(chance)
        if chance.random() < 0.1:
            Usage.objects.all().delete()


@pytest.mark.parametrize("interval", INTERVALS[:-1])
@pytest.mark.parametrize("time_zone", ["UTC", "America/Santiago", "Pacific/Auckland"])
def test_at_the_end_of_a_window_everything_is_back(interval: str, time_zone: str) -> None:
    in_force(time_zone=time_zone, spending_limits=[{"amount": 1_000, "interval": interval}])
    Shopper().asks(800)
    [found] = figures()
    assert [figures(at=found.end - 1)[0].used, figures(at=found.end)[0].used] == [800, 0]
    assert figures(at=found.end)[0].start == found.end
    check_next_decision(Shopper(at=found.end - 1))
    check_next_decision(Shopper(at=found.end))


def test_a_full_rolling_limit_tells_when_there_is_room_and_then_there_is() -> None:
    in_force(spending_limits=[{"amount": 1_000, "interval": "rolling", "minutes": 60}])
    for at, amount in ((NOON, 300), (NOON + 600, 700)):
        assert Shopper(at=at).reason(amount) == "approved"
    [found] = figures(at=NOON + 900)
    assert (found.available, found.available_at) == (0, NOON + 3_600)
    assert Shopper(at=NOON + 3_599).reason(1) == "amount_limit_exceeded"
    assert Shopper(at=NOON + 3_600).reason(1) == "approved"


def test_a_rolling_limit_with_room_tells_when_the_next_part_comes_back() -> None:
    in_force(spending_limits=[{"count": 5, "interval": "rolling", "minutes": 60}])
    Shopper().asks(100)
    Shopper(at=NOON + 600).asks(100)
    [found] = figures(at=NOON + 900)
    assert (found.used, found.available_at) == (2, NOON + 3_600)
    assert return_words(found, NOON) == "More available at 18 Nov 13:00 UTC."
    [later] = figures(at=NOON + 3_600)
    assert (later.used, later.available_at) == (1, NOON + 4_200)
    [empty] = figures(at=NOON + 4_200)
    assert (empty.used, empty.available_at) == (0, None)
    assert return_words(empty, NOON) == "Each purchase counts for 60 minutes."


def test_a_purchase_that_takes_no_room_gives_none_back() -> None:
    limit = {"amount": 1_000, "interval": "rolling", "minutes": 60, "countries": ["DE"]}
    in_force(spending_limits=[limit])
    Shopper().asks(100, merchant=BAKERY)
    Shopper(at=NOON + 600).asks(100, merchant=ABROAD)
    [found] = figures(at=NOON + 900)
    assert (found.used, found.available_at) == (100, NOON + 4_200)


def test_a_remembered_sum_is_shown_as_the_decision_takes_it_even_where_it_is_wrong() -> None:
    in_force(spending_limits=[{"amount": 1_000, "interval": "daily"}])
    Shopper().asks(100)
    Usage.objects.filter(currency="eur").update(amount=555)
    assert [found.used for found in figures()] == [555]
    check_next_decision(Shopper())


def test_a_limit_lowered_under_what_is_used_says_by_how_much_it_is_over() -> None:
    limit = {"interval": "rolling", "minutes": 60}
    in_force(spending_limits=[limit | {"amount": 1_000}])
    for at, amount in ((NOON, 300), (NOON + 600, 500)):
        Shopper(at=at).asks(amount)
    in_force(spending_limits=[limit | {"amount": 400}])
    [found] = figures(at=NOON + 900)
    assert (level(found), used_words(found)) == (Level.OVER, "€8.00 used")
    assert available_words(found) == "€4.00 over"
    # The oldest purchase leaves first, but that is not enough.
    assert found.available_at == NOON + 4_200
    check_next_decision(Shopper(at=NOON + 900))


def test_a_limit_of_nothing_never_has_room() -> None:
    Shopper().asks(0)
    in_force(spending_limits=[{"amount": 1_000, "interval": "rolling", "minutes": 60}])
    Shopper().asks(500)
    in_force(spending_limits=[{"count": 0, "interval": "rolling", "minutes": 60}])
    [found] = figures()
    assert (found.limit, found.available_at, level(found)) == (0, None, Level.OVER)


def test_the_program_measures_each_card_and_the_other_scopes_all_of_theirs() -> None:
    household = Household()
    for shopper in household.shoppers:
        shopper.asks(1_000)
    used = {
        policy.policy.scope.kind: {
            found.used for found in known([policy]) if found.currency == "eur" and not found.filter
        }
        for policy in left("ic_1")
    }
    # A card and its replacement are one; a limit per purchase has nothing used.
    assert used[ScopeKind.PROGRAM] == {2_000, 0}
    assert used[ScopeKind.CARD] == {2_000}
    assert used[ScopeKind.GROUP] == {3_000}
    assert known(remaining.of_group(household.group, NOON)) == [
        found for found in figures("ic_2") if found.time_zone == "Europe/Paris"
    ]
    made = {found.used for found in known(remaining.of_cardholder(Cardholder.objects.get(), NOON))}
    assert made == {0, 3}  # none of it cash


def test_a_limit_in_another_currency_is_shown_with_what_was_used_in_it() -> None:
    limits = [{"amount": 10_000, "interval": "daily", "currency": code} for code in ("eur", "kwd")]
    in_force(spending_limits=limits)
    Shopper().asks(1_250, currency="kwd")
    assert [used_words(found) for found in figures()] == ["€0.00 used", "KWD 1.250 used"]


def test_without_policies_there_is_nothing_left_to_show() -> None:
    Shopper().asks(100)
    assert left() == []


def test_looking_costs_the_same_for_one_limit_and_for_forty(
    django_assert_num_queries: Any,
) -> None:
    limits = [{"count": n, "interval": "rolling", "minutes": n} for n in range(1, 41)]
    in_force(spending_limits=limits)
    Shopper().asks(100)
    card = Card.objects.select_related("root").get()
    remaining.of_card(card, NOON)  # versions are read once
    # What is being counted, remembered sums, and around them a short wait; what is in force is
    # asked as by a decision, which Django does not count.
    with django_assert_num_queries(4):
        assert len(remaining.of_card(card, NOON)[0].limits) == 40


@pytest.mark.django_db(transaction=True)
class TestBesideDecisions:
    @pytest.fixture
    def other(self) -> Any:
        """A second connection, with something under way on it."""
        in_force(spending_limits=[{"amount": 1_000, "interval": "daily"}])
        Shopper().asks(300)
        other = connection.copy()
        other.set_autocommit(False)
        yield other.cursor()
        other.rollback()
        other.close()

    def test_looking_waits_for_no_card_that_is_held(self, other: Any) -> None:
        other.execute("SELECT FROM authorizations_card FOR UPDATE")
        assert [found.used for found in figures()] == [300]

    def test_what_takes_too_long_to_add_up_is_left_out(
        self, other: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(remaining, "_TIMEOUT_MS", 200)
        Usage.objects.all().delete()
        other.execute("LOCK TABLE authorizations_authorization")
        [limit] = left()[0].limits
        assert (limit.is_measured, limit.figures.limit) == (False, 1_000)
