"""What is left of a limit, in words; and which limit leaves least."""

from typing import Any

import pytest

from authorizations.rules.basics.clocks import FOREVER
from authorizations.rules.basics.controls import Interval
from authorizations.rules.decision.values import LimitFigures
from authorizations.rules.wording.remaining import (
    Level,
    available_words,
    level,
    percent_used,
    return_words,
    tightest,
    used_words,
)

NOON = 1_795_003_200
"""18 November 2026, 12:00 UTC."""


def figures(limit: int, used: int, currency: str = "eur", **more: Any) -> LimitFigures:
    found = LimitFigures(Interval.MONTHLY, limit, used, 0, currency, end=NOON + 86_400)
    return found._replace(**more)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (figures(50_000, 32_000), (Level.OPEN, 64, "€320.00 used", "€180.00 left")),
        (figures(50_000, 39_999), (Level.OPEN, 79, "€399.99 used", "€100.01 left")),
        (figures(50_000, 40_000), (Level.LOW, 80, "€400.00 used", "€100.00 left")),
        (figures(50_000, 49_999), (Level.LOW, 99, "€499.99 used", "€0.01 left")),
        (figures(50_000, 50_000), (Level.USED_UP, 100, "€500.00 used", "nothing left")),
        (figures(50_000, 62_000), (Level.OVER, 100, "€620.00 used", "€120.00 over")),
        (figures(0, 0), (Level.USED_UP, 100, "€0.00 used", "nothing left")),
        (figures(5, 3, ""), (Level.OPEN, 60, "3 made", "2 left")),
        (figures(1_000, 1_200, ""), (Level.OVER, 100, "1,200 made", "200 over")),
        (figures(150_000, 1, "jpy"), (Level.OPEN, 0, "¥1 used", "¥149,999 left")),
        (figures(1_250, 250, "kwd"), (Level.OPEN, 20, "KWD 0.250 used", "KWD 1.000 left")),
    ],
)
def test_used_and_left_are_said_in_words(
    found: LimitFigures, words: tuple[Level, int, str, str]
) -> None:
    assert (level(found), percent_used(found), used_words(found), available_words(found)) == words


ROLLING: dict[str, Any] = {"interval": Interval.ROLLING, "rolling_seconds": 3_600}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (figures(1_000, 0), "Resets on 19 Nov 12:00 UTC."),
        (figures(1_000, 0, end=FOREVER), "It never resets."),
        (figures(1_000, 0, **ROLLING), "Each purchase counts for 60 minutes."),
        (figures(5, 0, **ROLLING, of_attempts=True), "Each attempt counts for 60 minutes."),
        (
            figures(1_000, 900, available_at=NOON + 1, **ROLLING),
            "More available at 18 Nov 12:01 UTC.",
        ),
        (
            figures(1_000, 1_000, available_at=NOON + 60, **ROLLING),
            "Available again at 18 Nov 12:01 UTC.",
        ),
    ],
)
def test_when_there_is_room_again_is_said_in_words(found: LimitFigures, words: str) -> None:
    assert return_words(found, NOON) == words


class TestTightest:
    def test_the_least_room_in_the_currency_counts(self) -> None:
        limits = [figures(500, 100), figures(900, 800), figures(50, 0, "usd"), figures(9, 0, "")]
        assert tightest(limits, "eur") == limits[1]

    def test_a_limit_on_certain_purchases_says_nothing_of_every_purchase(self) -> None:
        assert tightest([figures(5, 5, filter='{"countries":["DE"]}')], "eur") is None

    def test_of_a_card_whose_currency_is_not_known_no_amount_can_be_said(self) -> None:
        assert tightest([figures(500, 100), figures(9, 0, "")], "") is None

    def test_a_count_matters_once_it_is_full(self) -> None:
        amount = figures(500, 100)
        assert tightest([amount, figures(3, 2, "")], "eur") == amount
        assert tightest([amount, figures(3, 3, "")], "eur") == figures(3, 3, "")
