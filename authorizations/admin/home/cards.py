"""The row of figures on top of the home page."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from authorizations.admin.home.shown import APPROVED, FigureLink, Shown
from authorizations.admin.home.svg import share_words
from authorizations.rules.basics.money import format_money
from authorizations.services.digest.overview import Outcomes
from authorizations.services.digest.periods import DAYS, Length

_BEFORE = {
    Length.TODAY: "yesterday",
    Length.WEEK: "in the 7 days before",
    Length.MONTH: "in the 30 days before",
}
_OTHERS = 3


@dataclass(frozen=True, slots=True)
class FigureCard:
    """One figure: what it is, where it leads, and what is to say about it."""

    title: str
    figure: str
    url: str
    notes: list[FigureLink]


def cards(shown: Shown) -> Iterator[FigureCard]:
    yield _decisions(shown)
    yield _decline_rate(shown)
    if shown.currency:
        yield _money(shown, "Approved", APPROVED, lambda sums: sums.approved_amount)
        yield _money(shown, "Declined", "declined", lambda sums: sums.declined_amount)
    yield from _times(shown)


def _decisions(shown: Shown) -> FigureCard:
    total = shown.figures.total
    notes = [
        FigureLink(f"{total.approved:,} approved", shown.decisions(outcome=APPROVED)),
        FigureLink(f"{total.declined:,} declined", shown.decisions(outcome="declined")),
    ]
    return FigureCard("Decisions", f"{total.decisions:,}", shown.decisions(), notes)


def _decline_rate(shown: Shown) -> FigureCard:
    total, before = shown.figures.total, shown.figures.before
    when = _BEFORE[shown.period.length]
    note = FigureLink(f"No decisions {when}")
    if before.decisions:
        days = timedelta(days=DAYS[shown.period.length])
        since, until = shown.period.first - days, shown.period.last - days
        url = shown.decisions(**{"outcome": "declined", "from": str(since), "to": str(until)})
        note = FigureLink(f"{share_words(before.declined, before.decisions)} {when}", url)
    rate = share_words(total.declined, total.decisions)
    return FigureCard("Decline rate", rate, shown.decisions(outcome="declined"), [note])


def _money(shown: Shown, title: str, outcome: str, amount: Callable[[Outcomes], int]) -> FigureCard:
    """In the chosen currency; others lead to themselves."""
    currencies = [code for code in shown.figures.currencies if code != shown.currency]
    others = [
        FigureLink(
            format_money(amount(shown.figures.by_currency[code]), code), shown.in_currency(code)
        )
        for code in currencies[:_OTHERS]
    ]
    url = shown.decisions(outcome=outcome, currency=shown.currency)
    figure = format_money(amount(shown.money), shown.currency)
    return FigureCard(f"{title} in {shown.currency.upper()}", figure, url, others)


def _times(shown: Shown) -> Iterator[FigureCard]:
    if shown.figures.times:
        half, most, nearly_all = map(time_words, shown.figures.times)
        notes = [
            FigureLink("95% take no longer"),
            FigureLink(f"half {half}, 99% {nearly_all}"),
        ]
        yield FigureCard("Time to decide", f"about {most}", "", notes)


def time_words(us: float) -> str:
    """ "0.8 ms", "9.2 ms", "31 ms", "1.2 s"."""
    ms = us / 1000
    if ms >= 1000:
        return f"{ms / 1000:.1f} s"
    return f"{ms:.0f} ms" if ms >= 10 else f"{ms:.1f} ms"
