"""What is left of a limit, in the words that explain a decline."""

from collections.abc import Iterable
from enum import StrEnum

from authorizations.rules.basics.clocks import FOREVER, local_time
from authorizations.rules.basics.controls import Interval
from authorizations.rules.basics.words import (
    counted_noun,
    duration_words,
    figure_words,
    instant_words,
    moment_words,
)
from authorizations.rules.decision.values import LimitFigures
from authorizations.rules.wording.sentences import when_available


class Level(StrEnum):
    """How much of a limit is used, as pages show it."""

    OPEN = "Available"
    LOW = "Nearly used up"
    USED_UP = "Used up"
    OVER = "Over"


def level(figures: LimitFigures) -> Level:
    """A limit is low once four fifths of it are used."""
    if figures.available < 0:
        return Level.OVER
    if not figures.available:
        return Level.USED_UP
    return Level.LOW if figures.used * 5 >= figures.limit * 4 else Level.OPEN


def tightest(limits: Iterable[LimitFigures], currency: str) -> LimitFigures | None:
    """The limit on every purchase in the currency that has the least available."""
    every = [limit for limit in limits if not limit.filter]
    counts = (limit for limit in every if not limit.currency and limit.available <= 0)
    amounts = (limit for limit in every if limit.currency and limit.currency == currency)
    return min((*amounts, *counts), key=lambda limit: limit.available, default=None)


def percent_used(figures: LimitFigures) -> int:
    """The used share in percent, at most 100; a limit of 0 is used up."""
    if figures.available <= 0:
        return 100
    return max(0, figures.used) * 100 // figures.limit


def used_words(figures: LimitFigures) -> str:
    """ "€320.00 used", "3 made", "3 of 5 attempts"."""
    if figures.of_attempts:
        noun = counted_noun(of_attempts=True, declined_only=figures.declined_only)
        return f"{figures.used:,} of {figure_words(figures.limit, '', noun)}"
    if figures.currency:
        return f"{figure_words(figures.used, figures.currency)} used"
    return f"{figures.used:,} made"


def available_words(figures: LimitFigures) -> str:
    """ "€180.00 left"; "€20.00 over" if the limit was lowered or Stripe approved more.

    Of funds "€412.10 left of €2,000.00 added".
    """
    added = ""
    if figures.interval is Interval.FUNDS:
        added = f" of {figure_words(figures.limit, figures.currency)} added"
    if not figures.available:
        return f"nothing left{added}"
    word = "left" if figures.available > 0 else "over"
    figure = abs(figures.available)
    shown = figure_words(figure, figures.currency) if figures.currency else f"{figure:,}"
    return f"{shown} {word}{added}"


def return_words(figures: LimitFigures, at: int) -> str:
    """When more becomes available, seen from the instant `at`."""
    if figures.interval is Interval.ROLLING and figures.available_at is None:
        each = "attempt" if figures.of_attempts else "purchase"
        return f"Each {each} counts for {duration_words(figures.rolling_seconds)}."
    return when_available(figures, at)


def span_words(figures: LimitFigures) -> str:
    """The window that a limit's figures are for: "1 Nov 2026 00:00 to 1 Dec …"."""
    if figures.interval is Interval.ROLLING:
        return f"The {duration_words(figures.rolling_seconds)} up to it, and everything since."
    if figures.end >= FOREVER and figures.interval is not Interval.FUNDS:
        return "All time."
    start = local_time(figures.time_zone, figures.start)
    if figures.interval is Interval.FUNDS:
        return f"Since {moment_words(start)}." if figures.start else "Nothing was added yet."
    end = local_time(figures.time_zone, figures.end)
    until = instant_words(figures.end, figures.time_zone, start.year)
    return f"{moment_words(start, end.year)} to {until}."
