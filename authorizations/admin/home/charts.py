"""The charts of the home page: decisions and money by hour or day, and what there is most of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import NamedTuple

from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.timezone import localtime

from authorizations.admin.home.shown import APPROVED, Shown
from authorizations.admin.home.svg import Chart, ChartBar, Named, Stack, Words, chart, ranking
from authorizations.admin.shared.outcomes import label_of
from authorizations.rules.basics.money import exponent, format_money
from authorizations.rules.basics.words import category_label, country_words
from authorizations.services.digest.overview import Outcomes, PeriodColumn
from authorizations.services.digest.periods import Length

_SHOWN = 6
_NOTHING = Outcomes()
_NOT_TOLD = Named("Not told", "")


class When(NamedTuple):
    """An hour or a day: its name, what is written below its column, and how lists ask for it."""

    name: str
    tick: str
    filters: dict[str, str]


@dataclass(frozen=True, slots=True)
class Ranking:
    """`tone` is the colour of its bars; `none` is said where there are no bars."""

    title: str
    tone: str
    bars: Sequence[ChartBar]
    none: str


def charts(shown: Shown) -> Iterator[Chart]:
    by = "hour" if shown.period.length is Length.TODAY else "day"
    yield chart("decisions", f"Decisions by {by}", _counts(shown), "{:,}".format)
    if shown.currency:
        title = f"Money by {by}, in {shown.currency.upper()}"
        yield chart("money", title, _money(shown), _in(shown), 10 ** exponent(shown.currency))


def rankings(shown: Shown) -> Iterator[Ranking]:
    figures, currency = shown.figures, shown.currency.upper()
    reasons = ranking(figures.reasons, partial(_reason, shown), "{:,}".format, _SHOWN)
    yield Ranking("Reasons for declining", "declined", reasons, "Nothing was declined.")
    if not currency:
        return
    for title, places, named in (
        ("Categories", figures.categories, _category),
        ("Countries", figures.countries, _country),
    ):
        largest = places.get(shown.currency, ())
        bars = ranking(largest, partial(named, shown), _in(shown), _SHOWN)
        none = f"Nothing was approved in {currency}."
        yield Ranking(f"{title} by approved money, in {currency}", "approved", bars, none)


def _reason(shown: Shown, code: str) -> Named:
    return Named(label_of(code), shown.decisions(reason=code))


def _category(shown: Shown, name: str) -> Named:
    if not name:  # Lists can't be asked for what Stripe did not tell.
        return _NOT_TOLD
    return Named(capfirst(category_label(name)), _approved(shown, category=name))


def _country(shown: Shown, code: str) -> Named:
    return Named(country_words(code), _approved(shown, country=code)) if code else _NOT_TOLD


def _approved(shown: Shown, **only: str) -> str:
    return shown.decisions(outcome=APPROVED, currency=shown.currency, **only)


def _counts(shown: Shown) -> list[Stack]:
    return [
        _stack(shown, _when(shown, column), column.total.approved, column.total.declined)
        for column in shown.figures.columns
    ]


def _money(shown: Shown) -> list[Stack]:
    found = [
        (column, column.by_currency.get(shown.currency, _NOTHING))
        for column in shown.figures.columns
    ]
    return [
        _stack(
            shown,
            _when(shown, column),
            money.approved_amount,
            money.declined_amount,
            currency=shown.currency,
        )
        for column, money in found
    ]


def _stack(shown: Shown, when: When, approved: int, declined: int, **only: str) -> Stack:
    url, approved_url, declined_url = (
        shown.decisions(**when.filters, **only, **outcome)
        for outcome in ({}, {"outcome": APPROVED}, {"outcome": "declined"})
    )
    return Stack(when.name, when.tick, approved, declined, url, approved_url, declined_url)


def _in(shown: Shown) -> Words:
    return lambda amount: format_money(amount, shown.currency)


def _when(shown: Shown, column: PeriodColumn) -> When:
    start = localtime(column.start)
    if shown.period.length is Length.TODAY:
        return _hour(start, localtime(column.end))
    day = str(start.date())
    is_week = shown.period.length is Length.WEEK
    # Of thirty days every fifth is named, today among them.
    is_named = is_week or (shown.period.last - start.date()).days % 5 == 0
    tick = date_format(start, "D" if is_week else "j M") if is_named else ""
    return When(date_format(start, "D j M"), tick, {"from": day, "to": day})


def _hour(start: datetime, end: datetime) -> When:
    name, asked = f"{start:%H:%M} to {end:%H:%M}", f"{start:%Y-%m-%dT%H:%M}"
    if start.utcoffset() != start.replace(fold=1 - start.fold).utcoffset():
        # When clocks are put back an hour comes twice.
        name, asked = f"{name} {start:%Z}", start.isoformat(timespec="minutes")
    tick = f"{start:%H}" if start.hour % 3 == 0 else ""
    return When(name, tick, {"hour": asked})
