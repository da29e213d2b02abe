"""Own amounts of cards as a table in CSV, as spreadsheets save it.

The first line names the columns, in any order. Amounts are written as on the pages, such as 800.00;
what they mean depends on the limit, so they are read later, with `figure`.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from authorizations.rules.basics.controls import Interval, LimitControl
from authorizations.rules.basics.fields import nearest, quoted
from authorizations.rules.basics.money import parse_money
from authorizations.rules.basics.parsing import instant, masked_text, stripe_id, text
from authorizations.rules.policy.document import NAME_LENGTH
from authorizations.rules.policy.document_limits import MOST, limit_key
from authorizations.rules.policy.policy_file import REASON_LENGTH

COLUMNS = ("card", "policy", "limit", "amount", "raise_by", "until", "reason")
_NEEDED = ("card", "policy", "limit", "reason")
_FIGURES = ("amount", "raise_by")
_MAX_LINES = 100_000
_SEPARATORS = (",", ";", "\t")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AmountLine:
    """A line of the table: `how` is amount or raise_by, `written` its figure as typed.

    `until` in Unix seconds, None for good.
    """

    number: int
    card: str
    policy: str
    limit: str
    how: str
    written: str
    reason: str
    until: int | None = None


@dataclass(frozen=True, order=True, slots=True)
class LineProblem:
    """Something to fix in a line, counted from 1; `column` is "" for the whole line."""

    number: int
    column: str
    message: str

    def __str__(self) -> str:
        return f"Line {self.number:,}{f', {self.column}' if self.column else ''}: {self.message}"


class InvalidTableError(Exception):
    """A table that can't be used; its text has all problems, in the order of the lines."""

    def __init__(self, problems: Iterable[LineProblem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


def figure(line: AmountLine, limit: LimitControl) -> int:
    """The figure in the limit's unit: the smallest of its currency, purchases or attempts.

    Raises ValueError with one sentence.
    """
    if limit.interval is Interval.FUNDS:
        raise ValueError("These are funds, which have no own amount: add money to them instead.")
    if limit.amount is not None:
        found = parse_money(line.written, limit.currency)
    elif line.written.isascii() and line.written.isdecimal() and len(line.written) < 8:
        found = int(line.written)
    else:
        what = "purchases" if limit.attempts is None else "attempts"
        raise ValueError(f"This limit counts {what}: give a whole number, such as 5.")
    if line.how == "amount" and found > (most := MOST[limit.measure]):
        raise ValueError(f"Give at most {most:,}.")
    if line.how == "raise_by" and not found:
        raise ValueError("Give what to add; 0 changes nothing.")
    return found


def read(written: str) -> tuple[list[AmountLine], list[LineProblem]]:
    """Read a table as far as possible; return its valid lines and all problems."""
    problems: list[LineProblem] = []
    records = _records(written, problems)
    first = next(records, None)
    if first is None:
        names = ",".join(COLUMNS)
        return [], problems or [LineProblem(1, "", f"The file is empty: begin it with {names}.")]
    number, cells = first
    columns = [cell.lower() for cell in cells]
    problems += [LineProblem(number, "", message) for message in _wrong_columns(columns)]
    if problems:
        return [], problems
    lines = []
    for number, cells in records:
        if len(cells) > len(columns):
            message = (
                f"There are {len(cells)} values for {len(columns)} columns: put a text that has "
                "the separator in double quotes."
            )
            problems.append(LineProblem(number, "", message))
            continue
        missing = [""] * (len(columns) - len(cells))
        line = _line(number, dict(zip(columns, [*cells, *missing], strict=True)), problems)
        if line:
            lines.append(line)
    if len(lines) > _MAX_LINES:
        message = f"There are {len(lines):,} lines: keep it to {_MAX_LINES:,}."
        return [], [LineProblem(1, "", message)]
    return lines, problems


def _records(written: str, problems: list[LineProblem]) -> Iterator[tuple[int, list[str]]]:
    """The lines that have something in them, each with its number and its trimmed cells."""
    beginning = next((line for line in written.splitlines() if line.strip()), "")
    separator = max(_SEPARATORS, key=beginning.count)
    reader = csv.reader(io.StringIO(written, newline=""), delimiter=separator, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error:
            problems.append(
                LineProblem(
                    number,
                    "",
                    "A quote is not closed here, or stands within a text: write it twice there, "
                    'as in "the ""big"" one". What follows was not read.',
                )
            )
            return
        while cells and not cells[-1]:  # spreadsheets fill lines up
            cells.pop()
        if cells:
            yield number, cells


def _wrong_columns(columns: list[str]) -> Iterator[str]:
    names = {name: name for name in COLUMNS}
    for place, column in enumerate(columns, start=1):
        if not column:
            yield f"Column {place} has no name."
        elif column not in names:
            hint = nearest(column, names) or f" There are {', '.join(COLUMNS)}."
            yield f"There is no column {quoted(column)}.{hint}"
        elif column in columns[: place - 1]:
            yield f'The column "{column}" is there twice: keep one of them.'
    for name in _NEEDED:
        if name not in columns:
            yield f'The column "{name}" is missing: the first line names the columns.'
    if not {*_FIGURES} & {*columns}:
        yield 'There is neither a column "amount" nor "raise_by": one of them is needed.'


def _line(number: int, cells: dict[str, str], problems: list[LineProblem]) -> AmountLine | None:
    before = len(problems)

    def value(column: str, convert: Callable[[object], T], default: T, missing: str = "") -> T:
        written = cells.get(column, "")
        try:
            if written:
                return convert(written)
            if missing:
                raise ValueError(missing)
        except ValueError as wrong:
            problems.append(LineProblem(number, column, str(wrong)))
        return default

    card = value("card", _card, "", "Give the card's id.")
    policy = value("policy", text(NAME_LENGTH), "", "Name the policy.")
    limit = value("limit", limit_key, "", "Name the limit by its key.")
    reason = value("reason", masked_text(REASON_LENGTH), "", "Give a reason: others will ask why.")
    until = value("until", instant, None)
    given = [how for how in _FIGURES if cells.get(how)]
    if len(given) != 1:
        message = (
            "Give an amount or raise_by, not both." if given else "Give an amount, or raise_by."
        )
        problems.append(LineProblem(number, "", message))
    if len(problems) > before:
        return None
    [how] = given
    return AmountLine(number, card, policy, limit, how, cells[how], reason, until)


def _card(given: object) -> str:
    card = stripe_id(given)
    if not card.startswith("ic_"):
        raise ValueError(f"{quoted(card)} is no id of a card: it begins with ic_.")
    return card
