"""Whether a card may pay where it has not paid before: its first purchase there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from authorizations.rules.basics.fields import Fields
from authorizations.rules.basics.filters import Merchant
from authorizations.rules.basics.folding import folded
from authorizations.rules.basics.money import format_money
from authorizations.rules.basics.parsing import money, one_of
from authorizations.rules.basics.words import ASK, all_of
from authorizations.rules.decision.rule import (
    FieldKind,
    ReasonTexts,
    Rule,
    Ruling,
    Section,
    Setting,
)
from authorizations.rules.decision.values import Check, DeclineReason, FirstOf, PurchaseContext
from authorizations.rules.kinds.categories import Categories
from authorizations.rules.kinds.lists import words_of
from authorizations.rules.kinds.merchant_countries import MerchantCountries
from authorizations.rules.kinds.merchants import Merchants
from authorizations.rules.purchases.events import AuthorizationRequest

_KEY, _AMOUNT = "first_purchases", "first_purchase_amount"
_CHOICES = {
    FirstOf.MERCHANT.value: "At a merchant",
    FirstOf.CATEGORY.value: "In a category",
    FirstOf.COUNTRY.value: "In a country",
}
_PLACES = {
    FirstOf.MERCHANT: ("at this merchant", "at a merchant that is not identified"),
    FirstOf.CATEGORY: ("in this category", "in a category that is not reported"),
    FirstOf.COUNTRY: ("in this country", "in a country that is not reported"),
}
_FIELDS = {
    FirstOf.MERCHANT: {**Merchants.asks, **MerchantCountries.asks},
    FirstOf.CATEGORY: Categories.asks,
    FirstOf.COUNTRY: MerchantCountries.asks,
}


@dataclass(frozen=True, slots=True)
class FirstPurchases(Rule):
    """A card's first purchase of one of these `kinds` has at most the `amount`; None: it fails.

    The amount is in the smallest unit of the policy's `currency` and includes increments. An
    increment of what was approved is no first purchase where there is no amount to keep to, and
    a request of 0 is none at all. A trace has the kinds that the purchase is the first of.
    """

    kinds: tuple[FirstOf, ...]
    amount: int | None = None
    currency: str = ""

    reason = DeclineReason.FIRST_PURCHASE_NOT_ALLOWED
    texts = ReasonTexts(
        "First purchase not allowed",
        "The policy does not allow the card's first purchase at this merchant, in this category "
        "or in this country, or only a smaller one.",
        f"This card has not been used for such a purchase before, and may not be yet. {ASK}",
    )
    settings = (
        Setting(
            _KEY,
            Section.WHERE,
            "No first purchase",
            FieldKind.CHOICES,
            words_of(one_of("kind of first purchase", _CHOICES)),
            _CHOICES.__getitem__,
            help="Purchases are declined where the card has never paid before. Exempt merchants "
            "are not.",
            nouns=("Kind", "Kinds"),
            choices=tuple(_CHOICES.items()),
        ),
        Setting(
            _AMOUNT,
            Section.WHERE,
            "First purchases up to",
            FieldKind.MONEY,
            money,
            str,
            help="Allows first purchases of at most this, increments included. Empty: none.",
        ),
    )
    asks = {name: words for fields in _FIELDS.values() for name, words in fields.items()}
    spares_exempt = True

    @classmethod
    def of(cls, normal: Mapping[str, Any], matching: int) -> Self | None:
        kinds = tuple(kind for kind in FirstOf if kind in normal[_KEY])
        return cls(kinds, normal[_AMOUNT], normal["currency"] or "") if kinds else None

    @classmethod
    def refuse(cls, fields: Fields, normal: Mapping[str, Any]) -> None:
        if fields.has(_AMOUNT) and not fields.data.get(_KEY):
            problem = "Only with kinds of first purchases: give those too, or leave this out."
            fields.problem(_AMOUNT, problem)

    def asked_fields(self) -> frozenset[str]:
        return frozenset(name for kind in self.kinds for name in _FIELDS[kind])

    def check(self, request: AuthorizationRequest) -> Ruling:
        """Evaluate the rule for a card that has paid there before."""
        return Ruling(passed=True, found=None, limit=self._limit)

    def check_with(self, request: AuthorizationRequest, context: PurchaseContext) -> Ruling | None:
        if not request.amount:
            return None
        first = [kind.value for kind in self.kinds if kind in context.first_of]
        passed = not first or not self.needs_history(request, context)
        return Ruling(passed, first or None, self._limit)

    def needs_history(self, request: AuthorizationRequest, context: PurchaseContext) -> bool:
        if not request.amount:
            return False
        if self.amount is None:
            return not (request.request_index and context.is_counted)
        is_within = context.counted + request.amount <= self.amount
        return request.currency != self.currency or not is_within

    @property
    def _limit(self) -> dict[str, Any]:
        limit: dict[str, Any] = {_KEY: [kind.value for kind in self.kinds]}
        return limit | (
            {} if self.amount is None else {"amount": self.amount, "currency": self.currency}
        )

    @classmethod
    def for_staff(cls, check: Check, request: AuthorizationRequest) -> str:
        limit = check.limit
        kinds = map(FirstOf, check.found or limit[_KEY])
        places = all_of([_PLACES[kind][not is_reported(kind, request.merchant)] for kind in kinds])
        if not check.found:
            return f"The card has paid {places} before."
        wanted = "the policy allows none"
        if "amount" in limit:
            wanted = f"the policy allows up to {format_money(limit['amount'], limit['currency'])}"
        elif check.passed and request.request_index:
            wanted = "this is an increment of what was approved"
        return f"The card's first purchase {places}; {wanted}."

    @classmethod
    def in_headline(cls, check: Check) -> str:
        return all_of(check.found)

    def in_summary(self, beside: Sequence[Rule]) -> str:
        places = " or ".join(_CHOICES[kind].lower() for kind in self.kinds)
        if self.amount is None:
            return f"no first purchase {places}"
        return f"first purchases {places} up to {format_money(self.amount, self.currency)}"


def is_reported(kind: FirstOf, merchant: Merchant) -> bool:
    """Whether the merchant reports what this kind of first purchase is about."""
    if kind is FirstOf.MERCHANT:
        return bool(merchant.network_id or folded(merchant.name))
    if kind is FirstOf.CATEGORY:
        return bool(merchant.category_code or merchant.category)
    return bool(merchant.country)


def is_same(kind: FirstOf, one: Merchant, other: Merchant) -> bool:
    """Whether two purchases are at the same merchant, in the same category or country.

    Merchants are the same by network id, or where one has none by folded name and country;
    categories by code, or where both have none by name. statements.FIRST_PURCHASES does the same.
    """
    if not is_reported(kind, one):
        return False
    if kind is FirstOf.COUNTRY:
        return one.country == other.country
    if kind is FirstOf.CATEGORY:
        if one.category_code or other.category_code:
            return one.category_code == other.category_code
        return one.category == other.category
    if one.network_id and other.network_id:
        return one.network_id == other.network_id
    name = folded(one.name)
    return bool(name) and (name, one.country) == (folded(other.name), other.country)
