"""Stories of fuel pumps through the door: a token is asked, far more held, the rest comes back."""

from typing import Any

import pytest

from authorizations.models import Authorization, Decision, Finding, LedgerEntry
from simulator.stripe.sample_lives import Life
from simulator.stripe.samples import MERCHANTS, Json
from tests.support import lives
from tests.support.builders import CREATED
from tests.support.desk import deliver, in_force
from tests.support.verification import differences, redecided

pytestmark = pytest.mark.django_db

T = CREATED
EURO_PUMP, DOLLAR_PUMP = (
    next(shop for shop in MERCHANTS if (shop.mcc, shop.currency) == ("5542", currency))
    for currency in ("eur", "usd")
)


def pump(amount: int = 100, **facts: Any) -> Life:
    """A card in dollars, by default at a pump that counts in dollars."""
    return lives.life(amount, **({"currency": "usd", "merchant": DOLLAR_PUMP} | facts))


def asks(life: Life, amount: int | None = None, *, at: int = T) -> Json:
    answer: Json = deliver(life.ask(amount, at=at)).json()
    return answer


def tell(*events: Json) -> None:
    for event in events:
        assert deliver(event).status_code == 200


def taken(life: Life) -> int:
    row = Authorization.objects.get(pk=life.kept["id"])
    return row.counted_amount


def monthly(amount: int, **keys: Any) -> None:
    limits = [{"amount": amount, "interval": "monthly"}]
    in_force("Fuel", currency="usd", spending_limits=limits, **keys)


@pytest.fixture(autouse=True)
def _books_agree() -> Any:
    """After each story: decided again the same, and every sum is what its ledger says."""
    yield
    assert redecided() == []
    assert differences() == []


def test_a_tank_of_fuel_from_the_token_to_the_capture() -> None:
    monthly(15_000)
    life = pump()
    assert asks(life)["approved"] is True
    assert taken(life) == 10_000
    tell(life.answered(approved=True, at=T + 1))
    assert (life.amount, taken(life)) == (100, 10_000)
    tell(life.set_amount(4_321, at=T + 300))
    assert taken(life) == 4_321
    tell(*life.capture(at=T + 86_400))
    assert taken(life) == 4_321
    entries = LedgerEntry.objects.order_by("pk").values_list("cause", "amount", "count")
    assert [*entries] == [("hold", 10_000, 1), ("lowered", -5_679, 0)]
    assert not Finding.objects.exists()


@pytest.mark.parametrize("balances", [True, False])
@pytest.mark.parametrize("lowers_amount", [True, False])
def test_what_flowed_counts_once_while_its_capture_is_not_closed(
    balances: bool, lowers_amount: bool
) -> None:
    """$100.00 held, $42.30 of fuel, captured: $42.30 counts."""
    monthly(15_000)
    life = pump(balances=balances)
    asks(life)
    tell(life.answered(approved=True, at=T + 1))
    assert taken(life) == 10_000
    tell(life.set_amount(4_230, at=T + 300))
    tell(*life.capture(4_230, at=T + 86_400, close=False, lowers_amount=lowers_amount))
    assert taken(life) == 4_230


@pytest.mark.parametrize("first", ["created", "updated"])
def test_the_room_comes_back_whichever_news_comes_first(first: str) -> None:
    monthly(15_000)
    life = pump()
    asks(life)
    created = life.answered(approved=True, at=T + 1)
    updated = life.set_amount(4_321, at=T + 300)
    tell(*((created, updated) if first == "created" else (updated, created)))
    assert taken(life) == 4_321


def test_two_pumps_in_a_row_do_not_fit_until_the_first_is_done() -> None:
    monthly(15_000)
    first, second, third = pump(), pump(), pump()
    assert asks(first)["approved"] is True
    assert asks(second)["metadata"]["reason"] == "amount_limit_exceeded"
    tell(first.answered(approved=True, at=T + 1))
    assert asks(third)["metadata"]["reason"] == "amount_limit_exceeded"
    tell(first.set_amount(4_321, at=T + 300))
    fourth = pump()
    assert asks(fourth)["approved"] is True
    assert taken(first) + taken(fourth) == 14_321


def test_with_amount_control_the_second_pump_gets_what_the_first_leaves() -> None:
    monthly(15_000, partial_approval=True)
    first, second = pump(is_amount_controllable=True), pump(is_amount_controllable=True)
    assert asks(first)["amount"] == 10_000
    tell(first.answered(approved=True, amount=10_000, at=T + 1))
    answer = asks(second)
    assert (answer["approved"], answer["amount"]) == (True, 5_000)
    row = Decision.objects.get(pk=answer["metadata"]["decision"])
    assert (row.amount, row.approved_amount, row.is_partial) == (100, 5_000, True)
    tell(second.answered(approved=True, amount=5_000, at=T + 2))
    assert taken(second) == 5_000
    tell(first.set_amount(4_321, at=T + 300), second.set_amount(5_000, at=T + 301))
    assert taken(first) + taken(second) == 9_321


def test_without_amount_control_a_part_is_never_named() -> None:
    monthly(15_000, partial_approval=True)
    first, second = pump(), pump()
    assert "amount" not in asks(first)
    answer = asks(second)
    assert (answer["approved"], "amount" in answer) == (False, False)


def test_an_increment_takes_the_place_of_the_hold() -> None:
    monthly(15_000)
    life = pump()
    asks(life)
    tell(life.answered(approved=True, at=T + 1))
    assert asks(life, 12_000, at=T + 300)["approved"] is True
    assert taken(life) == 12_100
    tell(life.answered(approved=True, at=T + 301))
    assert taken(life) == 12_100


def test_a_declined_increment_leaves_the_hold_as_it_was() -> None:
    """The pump may still be running."""
    monthly(15_000)
    life = pump()
    asks(life)
    tell(life.answered(approved=True, at=T + 1))
    assert asks(life, 15_000, at=T + 300)["approved"] is False
    assert taken(life) == 10_000
    tell(life.answered(approved=False, at=T + 301))
    assert taken(life) == 10_000
    causes = LedgerEntry.objects.order_by("pk").values_list("cause", "amount")
    assert list(causes) == [("hold", 10_000), ("reasked", -9_900), ("kept", 9_900)]


def test_a_pump_that_stripe_declined_gives_all_of_it_back() -> None:
    monthly(15_000)
    life = pump()
    asks(life)
    tell(life.answered(approved=False, reason="webhook_timeout", at=T + 2))
    assert taken(life) == 0
    assert asks(pump())["approved"] is True


def test_a_pump_asked_about_again_is_held_once() -> None:
    monthly(15_000)
    life = pump()
    assert [asks(life)["approved"] for _ in range(2)] == [True, True]
    assert taken(life) == 10_000


def test_a_pump_nobody_used_gives_all_of_it_back() -> None:
    monthly(15_000)
    life = pump()
    asks(life)
    tell(life.answered(approved=True, at=T + 1), life.reverse(at=T + 60))
    assert taken(life) == 0


def test_a_policy_s_own_hold_is_what_is_taken() -> None:
    monthly(15_000, fuel_hold=15_000)
    life = pump()
    assert asks(life)["approved"] is True
    assert taken(life) == 15_000


def test_a_pump_abroad_holds_at_its_own_rate() -> None:
    monthly(15_000)
    life = pump(108, merchant=EURO_PUMP, merchant_amount=100)
    asks(life)
    assert taken(life) == 10_800
    tell(life.answered(approved=True, at=T + 1))
    assert taken(life) == 10_800
    tell(life.set_amount(5_400, at=T + 300))
    assert taken(life) == 5_400


def test_at_the_cashier_nothing_is_held_beyond_what_is_asked() -> None:
    monthly(15_000)
    life = pump(merchant=DOLLAR_PUMP._replace(mcc="5541"))
    assert asks(life)["approved"] is True
    assert taken(life) == 100
