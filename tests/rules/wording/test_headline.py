"""The few words of a headline: every kind of decision."""

import pytest

from authorizations.rules.basics.controls import Interval
from authorizations.rules.decision.values import Check, DeclineReason, Verdict
from authorizations.rules.wording.headline import because
from tests.rules.checks import (
    amount_check,
    at,
    count_check,
    hourly,
    monthly,
    rule_check,
    uncounted_check,
)

R = DeclineReason


def declined(*trace: Check) -> Verdict:
    return Verdict(approved=False, amount=0, reason=trace[0].rule, trace=trace)


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (amount_check(monthly()), "monthly limit of €500.00 exceeded by €25.00"),
        (
            amount_check(monthly(filter='{"categories":["5812"]}')),
            "monthly limit of €500.00 on eating places and restaurants exceeded by €25.00",
        ),
        (
            amount_check(monthly(interval=Interval.PER_AUTHORIZATION, used=0, limit=4_000)),
            "limit of €40.00 per purchase exceeded by €5.00",
        ),
        (count_check(hourly()), "limit of 5 purchases in 60 minutes exceeded by 1"),
        (
            rule_check(
                R.CATEGORY_NOT_ALLOWED,
                passed=False,
                found=["7995", "betting_casino_gambling"],
                limit={"blocked": ["7995"]},
            ),
            "merchant category not allowed (betting and casino gambling, MCC 7995)",
        ),
        (
            rule_check(
                R.MERCHANT_COUNTRY_NOT_ALLOWED, passed=False, found="FR", limit={"allowed": ["DE"]}
            ),
            "merchant country not allowed (France)",
        ),
        (
            rule_check(
                R.OUTSIDE_SCHEDULE,
                passed=False,
                found=at(11, 29, 3, 10),
                limit={
                    "hours": [{"days": ["mon"], "from": "08:00", "to": "20:00"}],
                    "time_zone": "America/New_York",
                },
            ),
            "outside allowed hours (Sat 22:10 America/New_York)",
        ),
        (
            rule_check(R.CVC_REQUIRED, passed=False, found="mismatch", limit=["match"]),
            "CVC required",
        ),
        (
            rule_check(R.WALLET_NOT_ALLOWED, passed=False, limit={"allowed": ["apple_pay"]}),
            "wallet not allowed",
        ),
        (uncounted_check(monthly(used=0)), "monthly limit of €500.00 not counted yet"),
        (uncounted_check(hourly(used=0)), "limit of 5 purchases in 60 minutes not counted yet"),
        (Check(R.CARD_FROZEN, passed=False), "card frozen"),
        (Check(R.CARD_NOT_ACTIVE, passed=False, found="canceled"), "card not active (canceled)"),
    ],
)
def test_a_decline_names_what_decided_and_by_how_much(check: Check, words: str) -> None:
    assert because(declined(check)) == words


def test_a_decline_that_no_rule_made_is_named_by_its_reason() -> None:
    decision = Verdict(approved=False, amount=0, reason=R.MALFORMED_REQUEST)
    assert because(decision) == "request unreadable"


def test_a_part_is_all_that_the_tightest_limit_leaves() -> None:
    wider = amount_check(monthly(interval=Interval.YEARLY, limit=50_100))
    decision = Verdict(
        approved=True, amount=2_000, trace=(wider, amount_check(monthly())), is_partial=True
    )
    assert because(decision) == "all that is left of the monthly limit of €500.00"


def test_an_approval_says_how_many_rules_passed() -> None:
    passed = amount_check(monthly(used=0))
    words = {0: "no policy rule applied", 1: "the one policy rule passed"}
    words[2] = "all 2 policy rules passed"
    for rules, expected in words.items():
        decision = Verdict(approved=True, amount=4_500, trace=(passed,) * rules)
        assert because(decision) == expected
