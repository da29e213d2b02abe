"""What is left of a limit, in the words in which a decline would explain it."""

from collections.abc import Iterable
from enum import StrEnum

from authorizations.rules.basics.clocks import FOREVER, local_time
from authorizations.rules.basics.controls import Interval
from authorizations.rules.basics.words import (
    duration_words,
    figure_words,
    instant_words,
    moment_words,
)
from authorizations.rules.decision.values import LimitFigures
from authorizations.rules.wording.sentences import room_again


class Level(StrEnum):
    """How full a limit is, in the words people read."""

    OPEN = "Room left"
    LOW = "Nearly used up"
    USED_UP = "Used up"
    OVER = "Over"


def level(figures: LimitFigures) -> Level:
    """Low from four fifths on."""
    if figures.available < 0:
        return Level.OVER
    if not figures.available:
        return Level.USED_UP
    return Level.LOW if figures.used * 5 >= figures.limit * 4 else Level.OPEN


def tightest(limits: Iterable[LimitFigures], currency: str) -> LimitFigures | None:
    """Of the limits on every purchase in the currency, the one that leaves least room."""
    every = [limit for limit in limits if not limit.filter]
    counts = (limit for limit in every if not limit.currency and limit.available <= 0)
    amounts = (limit for limit in every if limit.currency and limit.currency == currency)
    return min((*amounts, *counts), key=lambda limit: limit.available, default=None)


def percent_used(figures: LimitFigures) -> int:
    """At most 100; a limit of nothing is used up."""
    if figures.available <= 0:
        return 100
    return max(0, figures.used) * 100 // figures.limit


def used_words(figures: LimitFigures) -> str:
    """ "€320.00 used", "3 made"."""
    if figures.currency:
        return f"{figure_words(figures.used, figures.currency)} used"
    return f"{figures.used:,} made"


def room_words(figures: LimitFigures) -> str:
    """ "€180.00 left"; "€20.00 over" where the limit was lowered, or Stripe let more through."""
    if not figures.available:
        return "nothing left"
    word = "left" if figures.available > 0 else "over"
    room = abs(figures.available)
    return f"{figure_words(room, figures.currency) if figures.currency else f'{room:,}'} {word}"


def return_words(figures: LimitFigures, at: int) -> str:
    """When there is room again, seen from the instant `at`."""
    if figures.interval is Interval.ROLLING and figures.available_at is None:
        return f"Each purchase counts for {duration_words(figures.rolling_seconds)}."
    return room_again(figures, at)


def span_words(figures: LimitFigures) -> str:
    """Which stretch of time a limit's figures are of: "1 Nov 2026 00:00 to 1 Dec …"."""
    if figures.interval is Interval.ROLLING:
        return f"The {duration_words(figures.rolling_seconds)} up to it, and all since."
    if figures.end >= FOREVER:
        return "All time."
    start = local_time(figures.time_zone, figures.start)
    end = local_time(figures.time_zone, figures.end)
    until = instant_words(figures.end, figures.time_zone, start.year)
    return f"{moment_words(start, end.year)} to {until}."
