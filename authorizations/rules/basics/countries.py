"""The countries a merchant can be in, for checking input and for offering choices."""

import csv
from functools import cache
from importlib.resources import files


@cache
def known_countries() -> dict[str, str]:
    """English names by upper-case ISO 3166-1 alpha-2 code.

    XK (Kosovo) is no ISO code, but card networks and Stripe use it.
    """
    text = files(__package__).joinpath("countries.csv").read_text("utf-8")
    return {row["country"]: row["name"] for row in csv.DictReader(text.splitlines())}
