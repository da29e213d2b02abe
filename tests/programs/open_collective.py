"""Open Collective: collectives with a balance, and cards with an amount for an interval each.

What it checks is read from opencollective/opencollective-api, where it answers
issuing_authorization.request and where it makes cards; the interval is a spending limit at Stripe.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from simulator.stripe.samples import MERCHANTS
from tests.programs.program import Attempt, Figure, Funds, PolicyFile, amount_near, some_time_later

_INTERVALS = ("per_authorization", "daily", "weekly", "monthly", "yearly", "all_time")
_SHOPS = [shop for shop in MERCHANTS if shop.currency == "eur" and shop.mcc != "5542"]
_CHANGES = (
    *("contribution", "contribution", "expense", "amount", "amount", "interval", "interval"),
    *("pause", "pause", "card", "collective"),
)
_MOST_CARDS, _MOST_COLLECTIVES = 20, 8


@dataclass
class Collective:
    """Its balance, less what is on hold; `host` is the cardholder of the cards of its host."""

    name: str
    host: str
    balance: int = 0

    @property
    def pot(self) -> Figure:
        return Figure("Balance of the collective", "pot", "group", self.name)


@dataclass
class Card:
    """A card with its spending limit; `spent` are its purchases: when they began, and cents."""

    id: str
    collective: Collective
    amount: int
    interval: str
    is_paused: bool = False
    spent: list[tuple[int, int]] = field(default_factory=list)

    def is_left(self, at: int) -> int:
        """Of the interval around `at`."""
        begins = _begins(self.interval, datetime.fromtimestamp(at, UTC))
        return self.amount - sum(amount for begun, amount in self.spent if begun >= begins)


def _begins(interval: str, now: datetime) -> float:
    """When the interval has begun, by the calendar of UTC with weeks from Sunday on."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    match interval:
        case "daily":
            return today.timestamp()
        case "weekly":
            return (today - timedelta(days=today.isoweekday() % 7)).timestamp()
        case "monthly":
            return today.replace(day=1).timestamp()
        case "yearly":
            return today.replace(month=1, day=1).timestamp()
        case "all_time":
            return 0
    return now.timestamp() + 1  # of one purchase: nothing else counts


class OpenCollective:
    """Collectives of two hosts, with several cards each."""

    begins = 2_000_000_000
    """Pots count from their first entry on, which is made now; and a seed always plays the same."""

    def __init__(self, chance: Random) -> None:
        self._funds = Funds()
        self.cards: dict[str, Card] = {}
        self.collectives: list[Collective] = []
        for _ in range(4):
            self._new_collective(chance)
        for _ in range(6):
            self._new_card(chance.choice(self.collectives), chance)

    def policy_file(self) -> PolicyFile:
        pot = {"key": "pot", "funds": True}
        return {
            "policies": [
                {
                    "name": "Balance of the collective",
                    "currency": "eur",
                    "spending_limits": [pot],
                },
                *(
                    {
                        "name": f"Card {card.id}",
                        "currency": "eur",
                        "spending_limits": [
                            {"key": "card", "amount": card.amount, "interval": card.interval}
                        ],
                    }
                    for card in self.cards.values()
                ),
            ],
            "groups": [
                {
                    "name": collective.name,
                    "cards": [
                        card.id for card in self.cards.values() if card.collective is collective
                    ],
                }
                for collective in self.collectives
            ],
            "assignments": [
                *(
                    {"policy": collective.pot.policy, "group": collective.name}
                    for collective in self.collectives
                ),
                *({"policy": f"Card {card.id}", "card": card.id} for card in self.cards.values()),
            ],
            "funds": self._funds.taken(),
            "freezes": [],
            "blocks": [],
        }

    def next_at(self, at: int, chance: Random) -> int:
        return some_time_later(at, UTC, chance)

    def attempt(self, at: int, chance: Random) -> Attempt:
        card = chance.choice([*self.cards.values()])
        is_left = min(card.is_left(at), card.collective.balance)
        return Attempt(
            card=card.id,
            cardholder=card.collective.host,
            amount=amount_near(is_left, chance),
            merchant=chance.choice(_SHOPS),
            at=at,
            card_status="inactive" if card.is_paused else "active",
        )

    def approves(self, attempt: Attempt) -> bool:
        card = self.cards[attempt.card]
        if card.is_paused or attempt.amount > card.is_left(attempt.at):
            return False  # by Stripe, before it asks
        return attempt.amount <= card.collective.balance

    def spends(self, attempt: Attempt, amount: int) -> None:
        card = self.cards[attempt.card]
        card.spent.append((attempt.at, amount))
        card.collective.balance -= amount

    def left(self, at: int) -> Mapping[Figure, int]:
        cards = {
            Figure(f"Card {card.id}", "card", "card", card.id): card.is_left(at)
            for card in self.cards.values()
        }
        return cards | {collective.pot: collective.balance for collective in self.collectives}

    def changes(self, chance: Random) -> None:
        for collective in self.collectives:
            if collective.balance < 5_000 and chance.randrange(3):
                self._enter(collective, chance.randint(10_000, 80_000))
        collective = chance.choice(self.collectives)
        card = chance.choice([*self.cards.values()])
        match chance.choice(_CHANGES):
            case "contribution":
                self._enter(collective, chance.randint(1_000, 50_000))
            case "expense":
                # Expenses about to be paid are on hold, too.
                self._enter(collective, -chance.randint(0, max(0, collective.balance)))
            case "amount":
                card.amount = chance.randint(5_000, 120_000)
            case "interval":
                card.interval = chance.choice(_INTERVALS)
            case "pause":
                is_any_paused = any(found.is_paused for found in self.cards.values())
                for found in self.cards.values():
                    found.is_paused = found is card and not is_any_paused
            case "card" if len(self.cards) < _MOST_CARDS:
                self._new_card(collective, chance)
            case "collective" if len(self.collectives) < _MOST_COLLECTIVES:
                self._new_collective(chance)

    def _enter(self, collective: Collective, amount: int) -> None:
        if amount:
            collective.balance += amount
            self._funds.enter(collective.pot, amount)

    def _new_collective(self, chance: Random) -> None:
        number = len(self.collectives)
        collective = Collective(f"Collective {number}", f"ich_host_{number % 2}")
        self.collectives.append(collective)
        self._enter(collective, chance.randint(20_000, 100_000))
        self._new_card(collective, chance)

    def _new_card(self, collective: Collective, chance: Random) -> None:
        card_id = f"ic_{len(self.cards):03}"
        amount, interval = chance.randint(5_000, 120_000), chance.choice(_INTERVALS)
        self.cards[card_id] = Card(card_id, collective, amount, interval)
