"""The row of figures at the top of the home page."""

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
_MAX_OTHER_CURRENCIES = 3
"""Maximum other currencies below a figure of money."""


@dataclass(frozen=True, slots=True)
class FigureCard:
    """One figure with its title, the address behind it, and notes below it."""

    title: str
    figure: str
    url: str
    notes: list[FigureLink]


def cards(shown: Shown) -> Iterator[FigureCard]:
    total, before = shown.figures.total, shown.figures.before
    outcomes = [
        FigureLink(f"{total.approved:,} approved", shown.decisions(outcome=APPROVED)),
        FigureLink(f"{total.declined:,} declined", shown.decisions(outcome="declined")),
    ]
    yield FigureCard("Decisions", f"{total.decisions:,}", shown.decisions(), outcomes)

    when = _BEFORE[shown.period.length]
    comparison = FigureLink(f"No decisions {when}")
    if before.decisions:
        days = timedelta(days=DAYS[shown.period.length])
        since, until = shown.period.first - days, shown.period.last - days
        url = shown.decisions(**{"outcome": "declined", "from": str(since), "to": str(until)})
        comparison = FigureLink(f"{share_words(before.declined, before.decisions)} {when}", url)
    rate = share_words(total.declined, total.decisions)
    yield FigureCard("Decline rate", rate, shown.decisions(outcome="declined"), [comparison])

    if shown.currency:
        yield _money_card(shown, "Approved", APPROVED, lambda sums: sums.approved_amount)
        yield _money_card(shown, "Declined", "declined", lambda sums: sums.declined_amount)

    if shown.figures.times:
        half, most, nearly_all = map(time_words, shown.figures.times)
        percentiles = [
            FigureLink("95% take no longer"),
            FigureLink(f"half {half}, 99% {nearly_all}"),
        ]
        yield FigureCard("Decision time", f"about {most}", "", percentiles)


def _money_card(
    shown: Shown, title: str, outcome: str, amount: Callable[[Outcomes], int]
) -> FigureCard:
    """The sum in the chosen currency, with links to the page in the other currencies."""
    others = [code for code in shown.figures.currencies if code != shown.currency]
    links = [
        FigureLink(
            format_money(amount(shown.figures.by_currency[code]), code), shown.in_currency(code)
        )
        for code in others[:_MAX_OTHER_CURRENCIES]
    ]
    url = shown.decisions(outcome=outcome, currency=shown.currency)
    figure = format_money(amount(shown.money), shown.currency)
    return FigureCard(f"{title} in {shown.currency.upper()}", figure, url, links)


def time_words(us: float) -> str:
    """ "0.8 ms", "9.2 ms", "31 ms", "1.2 s", from microseconds."""
    ms = us / 1000
    if ms >= 1000:
        return f"{ms / 1000:.1f} s"
    return f"{ms:.0f} ms" if ms >= 10 else f"{ms:.1f} ms"
