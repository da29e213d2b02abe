"""Invented shops for sample events: everyday ones, and those that policies often concern."""

import csv
from importlib.resources import files
from typing import NamedTuple


class SampleMerchant(NamedTuple):
    """A shop. `usual` is its usual amount, in the smallest unit of the `currency` it charges in.

    Only online shops have a `url`.
    """

    name: str
    category: str
    mcc: str
    city: str
    country: str
    network_id: str
    currency: str
    usual: int
    postal_code: str | None = None
    state: str | None = None
    url: str | None = None

    @property
    def is_online(self) -> bool:
        return self.url is not None


_TEXT = files(__package__).joinpath("sample_merchants.csv").read_text("utf-8")

MERCHANTS = tuple(
    SampleMerchant(
        **row
        | {name: row[name] or None for name in ("postal_code", "state", "url")}
        | {"usual": int(row["usual"])}
    )
    for row in csv.DictReader(_TEXT.splitlines())
)
"""All invented, also where an MCC of 3000-3999 stands for one airline, hotel or car rental.

The first is a bakery in Paris.
"""

_EUROS = {"eur": 1.0, "usd": 0.92, "gbp": 1.17, "chf": 1.05, "sek": 0.087, "pln": 0.23, "jpy": 0.61}
"""About what one smallest unit is worth in euro cents; a yen has none smaller."""


def converted(amount: int, currency: str, into: str) -> int:
    """`amount` of one currency in another, in smallest units; one not listed counts as euro."""
    return round(amount * _EUROS.get(currency, 1.0) / _EUROS.get(into, 1.0))
