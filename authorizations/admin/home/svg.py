"""Charts drawn by the server as SVG, without scripts.

Lengths are percentages, so a chart fits any width.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.utils.html import format_html
from django.utils.safestring import SafeString

Words = Callable[[int], str]


class Named(NamedTuple):
    """A name and its address, which may be empty."""

    text: str
    url: str


_STEPS = 4
_ROUND = (1, 2, 3, 4, 5, 6, 8)
_GAP = 0.18
"""The part of a column's width that is left free."""
_MIN_HEIGHT = 0.8
"""Minimum height in percent, so that a single decline among thousands is visible."""


@dataclass(frozen=True, slots=True)
class Stack:
    """One column to draw, with approvals below and declines above.

    `name` is its hour or day, `tick` the text below it or empty. The three addresses list all its
    decisions, the approvals and the declines.
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
    """A stack as drawn: its figures in words, and the SVG attributes of its three rectangles."""

    stack: Stack
    approved: str
    declined: str
    middle: str
    whole_area: SafeString
    approved_area: SafeString
    declined_area: SafeString


@dataclass(frozen=True, slots=True)
class Chart:
    """`name` is unique on the page; `lines` are pairs of distance from the top and figure."""

    name: str
    title: str
    columns: Sequence[ChartColumn]
    lines: Sequence[tuple[str, str]]

    @property
    def filled(self) -> list[ChartColumn]:
        """The columns that are not empty, for the table."""
        return [one for one in self.columns if one.stack.approved or one.stack.declined]


@dataclass(frozen=True, slots=True)
class ChartBar:
    """One row of a ranking. `length` is relative to the largest row, `share` to the total.

    `is_rest` marks a last row for the sum of all others, which has no address.
    """

    text: str
    url: str
    figure: str
    share: str
    length: str
    is_rest: bool


def chart(name: str, title: str, stacks: Sequence[Stack], words: Words, unit: int = 1) -> Chart:
    """Draws stacks. `words` formats a figure; figures on the scale are multiples of `unit`."""
    top = round_up(max(stack.approved + stack.declined for stack in stacks), unit)
    steps = [top * step // _STEPS for step in range(_STEPS, -1, -1)]
    # Multiples of the unit have only zeros behind the point.
    lines = [(percent(1 - line / top), words(line).partition(".")[0]) for line in steps]
    width = 1 / len(stacks)
    columns = []
    for place, stack in enumerate(stacks):
        left = place * width
        bar = left + width * _GAP / 2, width * (1 - _GAP)
        approved, declined = _height(stack.approved, top), _height(stack.declined, top)
        column = ChartColumn(
            stack,
            words(stack.approved),
            words(stack.declined),
            percent(left + width / 2),
            _area(left, width, 0, 1),
            _area(*bar, 1 - approved, approved),
            _area(*bar, 1 - approved - declined, declined),
        )
        columns.append(column)
    return Chart(name, title, columns, lines)


def round_up(highest: int, unit: int) -> int:
    """The next round figure that can be divided into the steps of a scale."""
    step = unit
    while True:
        for factor in _ROUND:
            if step * factor * _STEPS >= highest:
                return step * factor * _STEPS
        step *= 10


def ranking(
    rows: Sequence[tuple[str, int]], name: Callable[[str], Named], words: Words, shown: int
) -> list[ChartBar]:
    """The first `shown` rows, which come largest first, and the sum of the others.

    `name` gives a row's name and address, `words` formats its figure.
    """
    if len(rows) == shown + 1:
        shown += 1  # a single remaining row takes the place of "1 others"
    named = [(name(value), figure) for value, figure in rows[:shown]]
    rest = rows[shown:]
    if rest:
        named.append((Named(f"{len(rest)} others", ""), sum(figure for _, figure in rest)))
    longest = max((figure for _, figure in named), default=1)
    whole = sum(figure for _, figure in rows)
    return [
        ChartBar(
            *row,
            words(figure),
            share_words(figure, whole),
            percent(figure / longest),
            is_rest=place == shown,
        )
        for place, (row, figure) in enumerate(named)
    ]


def share_words(part: int, whole: int) -> str:
    """A share as text: "12.3%". It is 0% or 100% only if exact."""
    if part in {0, whole}:
        return "100%" if part else "0%"
    share = f"{100 * part / whole:.1f}%"
    return {"0.0%": "under 0.1%", "100.0%": "over 99.9%"}.get(share, share)


def percent(share: float) -> str:
    return f"{100 * share:.2f}%"


def _height(figure: int, top: int) -> float:
    return max(figure / top, _MIN_HEIGHT / 100) if figure else 0.0


def _area(x: float, width: float, y: float, height: float) -> SafeString:
    template = 'x="{}" width="{}" y="{}" height="{}"'
    return format_html(template, percent(x), percent(width), percent(y), percent(height))
