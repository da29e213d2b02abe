"""Odoo's expense cards: each card of an employee has a policy of its own.

What it checks is read from the module hr_expense_stripe and its documentation. Its intervals are
taken as its documentation means them, where the module of Odoo 19 adds up everything ever spent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from simulator.stripe.samples import MERCHANTS
from tests.programs.program import Attempt, Figure, PolicyFile, amount_near, some_time_later
from tests.support.desk import NOON

_ZONE = ZoneInfo("Europe/Brussels")
_INTERVALS = ("daily", "weekly", "monthly", "yearly", "all_time")
_SHOPS = [shop for shop in MERCHANTS if shop.currency == "eur" and shop.mcc != "5542"]
_CODES = sorted({shop.mcc for shop in _SHOPS})
_COUNTRIES = sorted({shop.country for shop in _SHOPS})
_CHANGES = ("employee", "countries", "codes", "company", "at once", "amount", "interval", "card")
_MOST_CARDS = 12


@dataclass
class Card:
    """A card and its policy: empty lists and amounts of 0 limit nothing.

    `spent` are its purchases: when they began, their MCCs, and cents.
    """

    id: str
    employee: str
    countries: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    at_once: int = 0
    amount: int = 0
    interval: str = "all_time"
    spent: list[tuple[int, str, int]] = field(default_factory=list)


def _begins(interval: str, at: int) -> float:
    """When the interval around `at` has begun, by the company's calendar with weeks from Monday."""
    today = datetime.fromtimestamp(at, _ZONE).date()
    match interval:
        case "weekly":
            today -= timedelta(days=today.weekday())
        case "monthly":
            today = today.replace(day=1)
        case "yearly":
            today = today.replace(month=1, day=1)
        case "all_time":
            return 0
    return datetime.combine(today, time(), _ZONE).timestamp()


class Odoo:
    """A company with four employees, and several cards of theirs."""

    begins = NOON

    def __init__(self, chance: Random) -> None:
        self.company_codes = _CODES[: len(_CODES) * 3 // 4]
        self.dismissed: dict[str, str] = {}
        """Employees that are not active, and the references of their freezes."""
        self.cards: dict[str, Card] = {}
        self._stops = 0
        for _ in range(6):
            self._new_card(chance)

    def policy_file(self) -> PolicyFile:
        cards = self.cards.values()
        return {
            "policies": [self._policy(card) for card in cards],
            "assignments": [{"policy": f"Card {card.id}", "card": card.id} for card in cards],
            "freezes": [
                {"cardholder": employee, "reason": "Left", "reference": reference}
                for employee, reference in self.dismissed.items()
            ],
            "blocks": [],
        }

    def _policy(self, card: Card) -> PolicyFile:
        codes = self._codes(card)
        limits: list[PolicyFile] = []
        if card.at_once:
            limits.append(
                {"key": "at_once", "amount": card.at_once, "interval": "per_authorization"}
            )
        if card.amount:
            # What the card bought elsewhere, before its codes were others, does not count.
            interval = {"amount": card.amount, "interval": card.interval, "categories": codes}
            limits.append({"key": "interval"} | interval)
        return {
            "name": f"Card {card.id}",
            "currency": "eur",
            "time_zone": _ZONE.key,
            "week_starts": "monday",
            "required_merchant_data": ["country", "category"],
            "allowed_merchant_countries": card.countries,
            "allowed_categories": codes,
            "spending_limits": limits,
            "unlimited": not limits,
        }

    def next_at(self, at: int, chance: Random) -> int:
        return some_time_later(at, _ZONE, chance)

    def attempt(self, at: int, chance: Random) -> Attempt:
        card = chance.choice([*self.cards.values()])
        room = [card.at_once] if card.at_once else []
        room += [self._is_left(card, at)] if card.amount else []
        allowed = [
            shop
            for shop in _SHOPS
            if shop.mcc in self._codes(card) and shop.country in (card.countries or _COUNTRIES)
        ]
        anywhere = not allowed or chance.randrange(4) == 0
        untold = chance.choice([()] * 12 + [("country",), ("category", "category_code")])
        return Attempt(
            card=card.id,
            cardholder=card.employee,
            amount=amount_near(min(room, default=chance.randint(1, 50_000)), chance),
            merchant=chance.choice(_SHOPS if anywhere else allowed),
            at=at,
            untold=frozenset(untold),
        )

    def approves(self, attempt: Attempt) -> bool:
        card = self.cards[attempt.card]
        if card.employee in self.dismissed:
            return False
        if card.at_once and attempt.amount > card.at_once:
            return False
        if attempt.country is None or attempt.mcc is None:
            return False
        if card.countries and attempt.country not in card.countries:
            return False
        if attempt.mcc not in self._codes(card):
            return False
        return not card.amount or attempt.amount <= self._is_left(card, attempt.at)

    def spends(self, attempt: Attempt, amount: int) -> None:
        found = (attempt.at, attempt.merchant.mcc, amount)
        self.cards[attempt.card].spent.append(found)

    def left(self, at: int) -> Mapping[Figure, int]:
        return {
            Figure(f"Card {card.id}", "interval", "card", card.id): self._is_left(card, at)
            for card in self.cards.values()
            if card.amount
        }

    def changes(self, chance: Random) -> None:
        card = chance.choice([*self.cards.values()])
        match chance.choice(_CHANGES):
            case "employee":
                self._stops += 1
                reference = f"number {self._stops}"
                self.dismissed = {} if self.dismissed else {card.employee: reference}
            case "company":
                self.company_codes = chance.sample(_CODES, len(_CODES) * 3 // 4)
            case "card" if len(self.cards) < _MOST_CARDS:
                self._new_card(chance)
            case what:
                self._draw(card, what, chance)

    def _codes(self, card: Card) -> list[str]:
        return card.codes or self.company_codes

    def _is_left(self, card: Card, at: int) -> int:
        """Of the interval around `at`, for what is bought where the card may buy by now."""
        begins, codes = _begins(card.interval, at), self._codes(card)
        return card.amount - sum(
            amount for begun, code, amount in card.spent if begun >= begins and code in codes
        )

    def _draw(self, card: Card, what: str, chance: Random) -> None:
        """Change one part of the card's policy."""
        match what:
            case "countries":
                card.countries = chance.sample(_COUNTRIES, chance.choice((0, 2, 4)))
            case "codes":
                card.codes = chance.sample(_CODES, chance.choice((0, 0, 4, 8)))
            case "at once":
                card.at_once = chance.choice((0, 0, chance.randint(1_000, 60_000)))
            case "amount":
                card.amount = chance.choice((0, *[chance.randint(5_000, 200_000)] * 3))
            case "interval":
                card.interval = chance.choice(_INTERVALS)

    def _new_card(self, chance: Random) -> None:
        number = len(self.cards)
        card = Card(f"ic_{number:03}", f"ich_employee_{number % 4}")
        self.cards[card.id] = card
        for what in ("countries", "codes", "at once", "amount", "interval"):
            self._draw(card, what, chance)
