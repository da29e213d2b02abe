"""Charts of our own, drawn by the server: where each part stands, and where it leads.

Lengths are percentages, so that a chart fits any width, and no script is needed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.utils.html import format_html
from django.utils.safestring import SafeString

Words = Callable[[int], str]


class Named(NamedTuple):
    """What is shown, and where it leads, if anywhere."""

    text: str
    url: str


_STEPS = 4
_ROUND = (1, 2, 3, 4, 5, 6, 8)
_FREE = 0.18
"""How much of a column's width is left free."""
_LOWEST = 0.8
"""So high at least, in percent: a single decline among thousands must be seen too."""


@dataclass(frozen=True, slots=True)
class Stack:
    """One column to draw: what was approved below, what was declined above it.

    `name` is that of its hour or day, `tick` what is written below it, if anything; the three
    addresses show what it counts: everything, approved, declined.
    """

    name: str
    tick: str
    approved: int
    declined: int
    url: str
    approved_url: str
    declined_url: str


@dataclass(frozen=True, slots=True)
class ChartColumn:
    """A stack as it is drawn: the attributes of its three rectangles, and its figures in words."""

    stack: Stack
    approved: str
    declined: str
    middle: str
    whole_area: SafeString
    approved_area: SafeString
    declined_area: SafeString


@dataclass(frozen=True, slots=True)
class Chart:
    """`name` tells the charts of a page apart; `lines` are (how far down, figure) of its scale."""

    name: str
    title: str
    columns: Sequence[ChartColumn]
    lines: Sequence[tuple[str, str]]

    @property
    def filled(self) -> list[ChartColumn]:
        """For a table: there the others would only be in the way."""
        return [it for it in self.columns if it.stack.approved or it.stack.declined]


@dataclass(frozen=True, slots=True)
class ChartBar:
    """One row of a ranking; `length` is measured against the largest, `share` against all.

    The last row may be what the others add up to; it leads nowhere.
    """

    text: str
    url: str
    figure: str
    share: str
    length: str
    is_rest: bool


def chart(name: str, title: str, stacks: Sequence[Stack], words: Words, unit: int = 1) -> Chart:
    """Draw stacks; `words` says a figure, and the scale's figures are whole multiples of `unit`."""
    top = round_up(max(stack.approved + stack.declined for stack in stacks), unit)
    steps = [top * step // _STEPS for step in range(_STEPS, -1, -1)]
    # Multiples of the unit, so there are but zeros behind the point.
    lines = [(percent(1 - line / top), words(line).partition(".")[0]) for line in steps]
    width = 1 / len(stacks)
    columns = [
        _column(stack, place * width, width, top, words) for place, stack in enumerate(stacks)
    ]
    return Chart(name, title, columns, lines)


def round_up(highest: int, unit: int) -> int:
    """The next figure that is round, and can be divided into the steps of a scale."""
    step = unit
    while True:
        for factor in _ROUND:
            if step * factor * _STEPS >= highest:
                return step * factor * _STEPS
        step *= 10


def ranking(
    rows: Sequence[tuple[str, int]], name: Callable[[str], Named], words: Words, shown: int
) -> list[ChartBar]:
    """The first of rows, which come largest first, and what the others add up to.

    `name` says what a row is called and where it leads, `words` its figure.
    """
    if len(rows) == shown + 1:
        shown += 1  # a single other one fits where "1 others" would stand
    named = [(name(value), figure) for value, figure in rows[:shown]]
    rest = rows[shown:]
    if rest:
        named.append((Named(f"{len(rest)} others", ""), sum(figure for _, figure in rest)))
    longest = max((figure for _, figure in named), default=1)
    whole = sum(figure for _, figure in rows)
    return [
        ChartBar(
            *told,
            words(figure),
            share_words(figure, whole),
            percent(figure / longest),
            is_rest=place == shown,
        )
        for place, (told, figure) in enumerate(named)
    ]


def share_words(part: int, whole: int) -> str:
    """A share for people: "12.3%", and never 0% or 100% of what is not."""
    if part in {0, whole}:
        return "100%" if part else "0%"
    share = f"{100 * part / whole:.1f}%"
    return {"0.0%": "under 0.1%", "100.0%": "over 99.9%"}.get(share, share)


def percent(share: float) -> str:
    return f"{100 * share:.2f}%"


def _column(stack: Stack, left: float, width: float, top: int, words: Words) -> ChartColumn:
    approved, declined = _height(stack.approved, top), _height(stack.declined, top)
    bar = left + width * _FREE / 2, width * (1 - _FREE)
    return ChartColumn(
        stack,
        words(stack.approved),
        words(stack.declined),
        percent(left + width / 2),
        _area(left, width, 0, 1),
        _area(*bar, 1 - approved, approved),
        _area(*bar, 1 - approved - declined, declined),
    )


def _height(figure: int, top: int) -> float:
    return max(figure / top, _LOWEST / 100) if figure else 0.0


def _area(x: float, width: float, y: float, height: float) -> SafeString:
    template = 'x="{}" width="{}" y="{}" height="{}"'
    return format_html(template, percent(x), percent(width), percent(y), percent(height))
