"""The charts of the home page: decisions and money by hour or day, and rankings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.timezone import localtime

from authorizations.admin.home.shown import APPROVED, Shown
from authorizations.admin.home.svg import Chart, ChartBar, Named, Stack, Words, chart, ranking
from authorizations.admin.shared.links import UNKNOWN
from authorizations.admin.shared.outcomes import label_of
from authorizations.rules.basics.money import exponent, format_money
from authorizations.rules.basics.words import category_label, country_words
from authorizations.rules.decision.values import DeclineReason
from authorizations.services.digest.overview import Outcomes, PeriodColumn
from authorizations.services.digest.periods import Length

_MAX_BARS = 6
"""Maximum bars of a ranking, without the bar of all others."""

_NOTHING = Outcomes()


class ColumnPeriod(NamedTuple):
    """An hour or a day: its name, the text below its column, and the filters that lists take."""

    name: str
    tick: str
    filters: dict[str, str]


@dataclass(frozen=True, slots=True)
class Ranking:
    """`tone` is the colour of the bars; `none` is shown if there are no bars."""

    title: str
    tone: str
    bars: Sequence[ChartBar]
    none: str


def charts(shown: Shown) -> Iterator[Chart]:
    by = "hour" if shown.period.length is Length.TODAY else "day"
    counts = [
        _stack(shown, column, column.total.approved, column.total.declined)
        for column in shown.figures.columns
    ]
    yield chart("decisions", f"Decisions by {by}", counts, "{:,}".format)

    currency = shown.currency
    if not currency:
        return
    sums = []
    for column in shown.figures.columns:
        money = column.by_currency.get(currency, _NOTHING)
        approved, declined = money.approved_amount, money.declined_amount
        sums.append(_stack(shown, column, approved, declined, currency=currency))
    title = f"Money by {by}, in {currency.upper()}"
    yield chart("money", title, sums, _money_words(currency), 10 ** exponent(currency))


def rankings(shown: Shown) -> Iterator[Ranking]:
    def reason(code: str) -> Named:
        return Named(label_of(code), shown.decisions(reason=code))

    def category(name: str) -> Named:
        # Lists have no filter for a missing category or country.
        return Named(capfirst(category_label(name)), approved(category=name)) if name else unknown

    def country(code: str) -> Named:
        return Named(country_words(code), approved(country=code)) if code else unknown

    def approved(**filters: str) -> str:
        return shown.decisions(outcome=APPROVED, currency=shown.currency, **filters)

    unknown = Named(UNKNOWN, "")
    figures, currency = shown.figures, shown.currency.upper()
    ours = [pair for pair in figures.reasons if pair[0] != DeclineReason.WRONG_MODE]
    reasons = ranking(ours, reason, "{:,}".format, _MAX_BARS)
    yield Ranking("Reasons for declining", "declined", reasons, "Nothing was declined.")
    if not currency:
        return
    for title, places, named in (
        ("Categories", figures.categories, category),
        ("Countries", figures.countries, country),
    ):
        largest = places.get(shown.currency, ())
        bars = ranking(largest, named, _money_words(shown.currency), _MAX_BARS)
        none = f"Nothing was approved in {currency}."
        yield Ranking(f"{title} by approved money, in {currency}", "approved", bars, none)


def _money_words(currency: str) -> Words:
    return lambda amount: format_money(amount, currency)


def _stack(
    shown: Shown, column: PeriodColumn, approved: int, declined: int, **filters: str
) -> Stack:
    interval = _interval(shown, column)
    url, approved_url, declined_url = (
        shown.decisions(**interval.filters, **filters, **outcome)
        for outcome in ({}, {"outcome": APPROVED}, {"outcome": "declined"})
    )
    return Stack(interval.name, interval.tick, approved, declined, url, approved_url, declined_url)


def _interval(shown: Shown, column: PeriodColumn) -> ColumnPeriod:
    start = localtime(column.start)
    if shown.period.length is Length.TODAY:
        name = f"{start:%H:%M} to {localtime(column.end):%H:%M}"
        hour = f"{start:%Y-%m-%dT%H:%M}"
        if start.utcoffset() != start.replace(fold=1 - start.fold).utcoffset():
            # When clocks are put back, an hour occurs twice: name its offset.
            name, hour = f"{name} {start:%Z}", start.isoformat(timespec="minutes")
        tick = f"{start:%H}" if start.hour % 3 == 0 else ""
        return ColumnPeriod(name, tick, {"hour": hour})
    day = str(start.date())
    is_week = shown.period.length is Length.WEEK
    # Of thirty days every fifth is named, counted back from today.
    is_named = is_week or (shown.period.last - start.date()).days % 5 == 0
    tick = date_format(start, "D" if is_week else "j M") if is_named else ""
    return ColumnPeriod(date_format(start, "D j M"), tick, {"from": day, "to": day})
