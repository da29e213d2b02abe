"""What staff and cardholders read of a fuel pump, where what is held is not what was asked."""

from typing import Any

import pytest

from authorizations.rules.basics.controls import ScopeKind
from authorizations.rules.decision.values import DeclineReason, WindowUsage
from authorizations.rules.wording.explain import (
    amount_words,
    answer_sentence,
    cardholder,
    hold_for_cardholder,
    part_for_cardholder,
)
from authorizations.rules.wording.headline import because
from tests.rules.deciding import applied, decided
from tests.rules.pumps import asked
from tests.support.builders import authorization_request


def words(limit: dict[str, Any], used: int = 0, **keys: Any) -> tuple[str, str, str]:
    """Headline, staff's sentence and the cardholder's, of a limit with so much used."""
    request = asked(is_amount_controllable=True)
    limits = [{"interval": "daily"} | limit]
    policy = applied(currency="usd", name="Fuel", spending_limits=limits, **keys)
    decision = decided(request, policy, usage=WindowUsage(amount=used))
    failed = [check for check in decision.trace if not check.passed]
    if decision.is_partial:
        told = part_for_cardholder(decision.amount, request)
    elif failed:
        told = cardholder(failed[0], request)
    else:
        told = hold_for_cardholder(decision.amount, request)
    return because(decision), answer_sentence(decision, request), told


HELD = "At fuel pumps $100.00 is held until the real amount is known."
RESETS = "Resets on 15 Nov 00:00 UTC."


def test_an_approved_pump_says_what_is_held_and_why() -> None:
    assert words({"amount": 20_000}) == (
        "all 2 policy rules passed",
        f"Approved $1.00 ($100.00 held) at Pump & Go. All 2 rules passed. {HELD}",
        f"{HELD} Then only that amount counts.",
    )


def test_a_pump_approved_in_part_says_how_much_may_flow() -> None:
    assert words({"amount": 15_000}, 11_000, partial_approval=True) == (
        "all that is left of the daily limit of $150.00",
        (
            "Approved $1.00 ($40.00 held) at Pump & Go. Daily limit of $150.00: $110.00 used + "
            f"$100.00 held = $210.00, $60.00 over. {RESETS} Policy Fuel (card). {HELD}"
        ),
        "Fuel for up to $40.00 was approved. Please pay for more another way.",
    )


def test_where_exactly_the_token_is_left_nobody_reads_of_a_part_of_it() -> None:
    _, staff, told = words({"amount": 15_000}, 14_900, partial_approval=True)
    assert staff.startswith("Approved $1.00 at Pump & Go. ")
    assert told == "Fuel for up to $1.00 was approved. Please pay for more another way."


def test_a_declined_pump_says_what_there_was_no_room_for() -> None:
    assert words({"amount": 15_000}, 11_000) == (
        "daily limit of $150.00 exceeded by $60.00",
        (
            "Declined $1.00 at Pump & Go. Daily limit of $150.00: $110.00 used + $100.00 held = "
            f"$210.00, $60.00 over. {RESETS} Policy Fuel (card). {HELD}"
        ),
        (
            "The $100.00 held at fuel pumps is more than the $40.00 left of the daily limit of "
            "$150.00. It resets on 15 Nov 00:00 UTC."
        ),
    )


def test_a_pump_above_the_limit_of_one_purchase_is_not_told_to_ask_for_less() -> None:
    _, staff, told = words({"amount": 6_000, "interval": "per_authorization"})
    assert "Limit of $60.00 per purchase: $100.00 held, $40.00 over." in staff
    assert told == (
        "The $100.00 held at fuel pumps is above the limit of $60.00 per purchase. "
        "Please pay inside instead."
    )


@pytest.mark.parametrize(
    ("kind", "interval", "told"),
    [
        (ScopeKind.GROUP, {"interval": "all_time"}, "is more than your group has left. Please"),
        (
            ScopeKind.CARD,
            {"interval": "rolling", "hours": 1},
            "is more than this card may spend for now. Please try again later.",
        ),
    ],
)
def test_a_cardholder_at_a_pump_hears_of_the_hold_and_of_nobody_else_s_money(
    kind: ScopeKind, interval: dict[str, Any], told: str
) -> None:
    limits = [{"amount": 7_700} | interval]
    decision = decided(asked(), applied(kind, currency="usd", spending_limits=limits))
    [check] = [check for check in decision.trace if not check.passed]
    heard = cardholder(check, asked())
    assert heard.startswith(f"The $100.00 held at fuel pumps {told}")
    assert "77" not in heard


def test_a_pump_declined_for_another_reason_does_not_speak_of_holds() -> None:
    decision = decided(asked(), applied(blocked_categories=["5542"]))
    assert decision.reason is DeclineReason.CATEGORY_NOT_ALLOWED
    assert "held" not in answer_sentence(decision, asked())


def test_an_ordinary_purchase_has_no_hold_to_speak_of() -> None:
    assert hold_for_cardholder(1_250, authorization_request(amount=1_250)) == ""


@pytest.mark.parametrize(
    ("approved", "words"),
    [(0, "$1.00"), (100, "$1.00"), (40, "$0.40 of $1.00"), (4_000, "$1.00 ($40.00 held)")],
)
def test_lists_show_what_was_asked_and_what_came_of_it(approved: int, words: str) -> None:
    assert amount_words(100, approved, "usd") == words
