"""A purchase as described on the command line."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeVar
from zlib import crc32

from authorizations.rules.basics.filters import known_categories
from authorizations.rules.basics.folding import folded
from authorizations.rules.basics.money import parse_money
from authorizations.rules.basics.parsing import category, country, currency
from simulator.cast import FIRST, CardOf, named
from simulator.stripe.samples import MERCHANTS, Purchase, SampleMerchant, converted, identifier

T = TypeVar("T")

_FIRST_SHOP = next(merchant for merchant in MERCHANTS if merchant.name == "Boulangerie Lepic")
_FIRST_AMOUNT = 120  # small enough to fit the demo's limits a hundred times a day


class UnclearError(ValueError):
    """The options describe no possible purchase; the text says which one to change, and how."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The options as typed; None if not given."""

    card: str | None = None
    amount: str | None = None
    currency: str | None = None
    merchant: str | None = None
    category: str | None = None
    country: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether no option was given, so that any purchase will do."""
        return self == Wish()


@dataclass(frozen=True, slots=True)
class Order:
    """A wish with all its parts: the card, the amount and the shop."""

    member: CardOf
    amount: int
    merchant: SampleMerchant

    def purchase(self, chance: Random, at: int) -> Purchase:
        return Purchase(
            authorization_id=identifier("iauth", chance),
            created=at,
            amount=self.amount,
            currency=self.member.currency,
            merchant=self.merchant,
            method="online" if self.merchant.url else "chip",
            risk_score=12,
        )


def order(wish: Wish) -> Order:
    """Complete a wish with parts of the tour's first purchase. Raises UnclearError."""
    member = named(wish.card) if wish.card else FIRST
    if wish.currency:
        member = member._replace(currency=_checked("--currency", currency, wish.currency))
    merchant = _merchant(wish)
    if wish.amount is not None:
        amount = _checked(
            "--amount", lambda typed: parse_money(typed, member.currency), wish.amount
        )
    elif merchant is _FIRST_SHOP:
        amount = converted(_FIRST_AMOUNT, merchant.currency, member.currency)
    else:
        amount = converted(merchant.usual, merchant.currency, member.currency)
    return Order(member, amount, merchant)


def _merchant(wish: Wish) -> SampleMerchant:
    """The first sample shop that matches the wish; otherwise an invented one."""
    name = (wish.merchant or "").strip()
    kind = _checked("--category", _one_category, wish.category) if wish.category else ""
    place = _checked("--country", country, wish.country) if wish.country else ""
    fitting = (
        shop
        for shop in (_FIRST_SHOP, *MERCHANTS)
        if folded(name) in folded(shop.name)
        and kind in ("", shop.category, shop.mcc)
        and place in ("", shop.country)
    )
    return next(fitting, None) or _invented(name, kind, place)


def _invented(name: str, kind: str, place: str) -> SampleMerchant:
    kind = kind or _FIRST_SHOP.category
    codes = {entry.name: entry.code for entry in known_categories().values()}
    names = {code: name for name, code in codes.items() if code}
    name = name or "Sample Shop"
    return _FIRST_SHOP._replace(
        name=name,
        category=names.get(kind, "miscellaneous") if kind.isdigit() else kind,
        mcc=kind if kind.isdigit() else codes[kind],
        city="Sampleton",
        country=place or _FIRST_SHOP.country,
        network_id=f"9{crc32(name.encode()):011}",
        postal_code=None,
    )


def _one_category(typed: str) -> str:
    word = category(typed)
    if "-" in word:
        raise ValueError("A shop has one category: name it, or give its code.")
    return word


def _checked(option: str, convert: Callable[[str], T], typed: str) -> T:
    try:
        return convert(typed)
    except ValueError as wrong:
        raise UnclearError(f"{option}: {wrong}") from None
