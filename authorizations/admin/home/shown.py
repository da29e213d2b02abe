"""What the home page shows: the period, the currency, and the addresses behind its figures."""

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.formats import date_format

from authorizations.admin.shared.period_words import days_words
from authorizations.services.digest.overview import Outcomes, Overview
from authorizations.services.digest.periods import Length, Period

_TITLES = {Length.TODAY: "Today", Length.WEEK: "7 days", Length.MONTH: "30 days"}
_WITHIN = {
    Length.TODAY: "today",
    Length.WEEK: "in these 7 days",
    Length.MONTH: "in these 30 days",
}

APPROVED = "granted"
"""The filter of the list for approvals, partial ones included."""


class FigureLink(NamedTuple):
    """A text, with a link if there is an address."""

    text: str
    url: str = ""
    is_current: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """The figures of a period; `asked` is the currency in the address, or empty."""

    period: Period
    figures: Overview
    asked: str

    @property
    def currency(self) -> str:
        """The currency that money is shown in; empty if no money was requested."""
        found = self.figures.currencies
        return self.asked if self.asked in found else next(iter(found), "")

    @property
    def money(self) -> Outcomes:
        """The figures in `currency`."""
        return self.figures.by_currency.get(self.currency, Outcomes())

    def decisions(self, **filters: str) -> str:
        """The address of the list of decisions, of the period unless the filters name days."""
        if not filters.keys() & {"from", "hour"}:
            filters |= {"from": str(self.period.first), "to": str(self.period.last)}
        return f"{_list_url()}?{urlencode(filters)}"

    def lengths(self) -> list[FigureLink]:
        current = self.period.length
        return [
            FigureLink(_TITLES[length], _home_url(length, self.asked), length is current)
            for length in Length
        ]

    def currencies(self) -> list[FigureLink]:
        return [
            FigureLink(code.upper(), self.in_currency(code), code == self.currency)
            for code in self.figures.currencies
        ]

    def in_currency(self, currency: str) -> str:
        return _home_url(self.period.length, currency)

    def week(self) -> str:
        return _home_url(Length.WEEK, self.asked)

    def days(self) -> str:
        """Today with its weekday, or the first and last of several days."""
        if self.period.length is Length.TODAY:
            return date_format(self.period.last, "l j F Y")
        return days_words(self.period.first, self.period.last)

    def length_words(self) -> str:
        """ "7 days"."""
        return _TITLES[self.period.length]

    def within(self) -> str:
        return _WITHIN[self.period.length]


@cache
def _list_url() -> str:
    return reverse("admin:authorizations_decision_changelist")


def _home_url(length: Length, currency: str) -> str:
    chosen = {"period": str(length)} | ({"currency": currency} if currency else {})
    return f"{reverse('admin:index')}?{urlencode(chosen)}"
