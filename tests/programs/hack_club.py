"""Hack Club's HCB: organizations with a balance, members with an allowance, grants with their own.

What it checks is read from hackclub/hcb, where it answers issuing_authorization.request.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

from simulator.stripe.samples import SampleMerchant
from tests.programs.program import Attempt, Figure, Funds, PolicyFile, amount_near

FORBIDDEN_CATEGORIES = (
    "betting_casino_gambling",
    "government_licensed_online_casions_online_gambling_us_region_only",
    "government_licensed_horse_dog_racing_us_region_only",
    "government_owned_lotteries_non_us_region",
    "government_owned_lotteries_us_region_only",
    "wires_money_orders",
    "non_fi_money_orders",
    "non_fi_stored_value_card_purchase_load",
)
FORBIDDEN_ID, FORBIDDEN_PREFIX, ALLOWLISTED_ID = "820000000001", "QUIKPAY*", "880000000002"
MOST_CASH = 500_00
"""In cents, at once."""


def _shop(name: str, category: str, mcc: str, number: str) -> SampleMerchant:
    return SampleMerchant(name, category, mcc, "Burlington", "US", number, "usd", 1_000)


SHOPS = (
    _shop("ROCKET ROBOTICS", "hobby_toy_and_game_shops", "5945", "700000000001"),
    _shop("ACME SERVO PARTS", "electronics_stores", "5732", "700000000002"),
    _shop("ACME BAKERY", "bakeries", "5462", "700000000003"),
    _shop("CORNER PIZZA", "eating_places_restaurants", "5812", "700000000004"),
    _shop("CITY RAIL", "passenger_railways", "4112", "700000000005"),
    _shop("LUCKY SEVEN", "betting_casino_gambling", "7995", "700000000006"),
    _shop("STATE LOTTERY", "government_owned_lotteries_us_region_only", "7800", "700000000007"),
    _shop("SWIFT ORDERS", "non_fi_money_orders", "6051", "700000000008"),
    _shop("WALLET ADD CARD", "non_fi_money_orders", "6051", ALLOWLISTED_ID),
    _shop("HONEST TOOLS", "hardware_stores", "5251", FORBIDDEN_ID),
    _shop("QUIKPAY*A1B2", "computer_software_stores", "5734", "700000000009"),
    _shop("CAFE QUIKPAY*", "eating_places_restaurants", "5812", "700000000010"),
    _shop("QUIKPAY*WALLET", "non_fi_money_orders", "6051", ALLOWLISTED_ID),
    _shop("MAIN ST ATM", "automated_cash_disburse", "6011", "700000000011"),
    _shop("CAMPUS ATM", "automated_cash_disburse", "6011", "700000000012"),
)
_CATEGORIES = ("electronics_stores", "bakeries", "eating_places_restaurants", "passenger_railways")
_KEYWORDS = ("ACME", "ROBOTICS", "PIZZA", "ATM")

_POT: PolicyFile = {"currency": "usd", "spending_limits": [{"key": "pot", "funds": True}]}
_CHANGES = (
    *("transfer", "less allowance", "less for a grant", "lists", "lists", "cash", "cash"),
    *("freeze", "freeze", "lock", "lock", "fraud", "administrator", "ban", "ban"),
    *("card", "grant", "allowance"),
)
_MOST_CARDS = 24
_ORDINARY = 5
"""So many of the shops are ordinary ones."""


@dataclass
class Organization:
    """Its balance is for its members' cards.

    `frozen` is the reference of its freeze, if any; `banned` is where none of its grants may be
    spent, in the words of a block, and the reference of this block.
    """

    name: str
    locks_cards: bool
    """Whether its plan lets the cards of a person be locked."""
    balance: int = 0
    frozen: str = ""
    banned: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def pot(self) -> Figure:
        return Figure("Balance", "pot", "group", self.name)

    @property
    def groups(self) -> tuple[str, str]:
        """Of its members' cards, and of the cards with a grant, which don't use its balance."""
        return self.name, f"{self.name}, grants"


@dataclass
class Grant:
    """Money of an organization for one card, and where it may be spent."""

    pot: Figure
    balance: int = 0
    allowed_categories: list[str] = field(default_factory=list)
    blocked_categories: list[str] = field(default_factory=list)
    allowed_merchants: list[str] = field(default_factory=list)
    blocked_merchants: list[str] = field(default_factory=list)
    keyword: str = ""

    def draw(self, chance: Random) -> None:
        """Choose other lists; each is often empty."""
        numbers = [shop.network_id for shop in SHOPS[:6]]
        self.allowed_categories = chance.sample(_CATEGORIES, chance.choice((0, 0, 1, 2)))
        self.blocked_categories = chance.sample(_CATEGORIES, chance.choice((0, 0, 1)))
        self.allowed_merchants = chance.sample(numbers, chance.choice((0, 0, 1, 2)))
        self.blocked_merchants = chance.sample(numbers, chance.choice((0, 0, 1)))
        self.keyword = chance.choice(("", "", "", *_KEYWORDS))

    def allows(self, category: str | None, merchant: str, name: str | None) -> bool:
        """Whether it may be spent at a merchant with this network id."""
        if category in self.blocked_categories or merchant in self.blocked_merchants:
            return False
        if not (self.allowed_categories or self.allowed_merchants or self.keyword):
            return True
        return (
            category in self.allowed_categories
            or merchant in self.allowed_merchants
            or bool(self.keyword and self.keyword in (name or ""))
        )

    def policy(self) -> PolicyFile:
        allowed: list[PolicyFile] = [{"network_id": number} for number in self.allowed_merchants]
        allowed += [{"contains": self.keyword}] if self.keyword else []
        conditions = {"categories": self.allowed_categories, "merchants": allowed}
        return {
            "name": self.pot.policy,
            **_POT,
            "blocked_categories": self.blocked_categories,
            "blocked_merchants": [{"network_id": number} for number in self.blocked_merchants],
            "any_of": [{key: listed} for key, listed in conditions.items() if listed],
        }


@dataclass
class Allowance:
    """What a member may spend of the organization's balance."""

    pot: Figure
    balance: int


@dataclass
class Card:
    id: str
    person: str
    organization: Organization
    grant: Grant | None = None
    withdraws_cash: bool = False

    def may_pay(self, category: str | None, merchant: str, name: str | None) -> bool:
        """As far as a grant has a say; at a merchant with this network id."""
        if not self.grant:
            return True
        banned = self.organization.banned
        if ("category", category) in banned or ("merchant", merchant) in banned:
            return False
        return self.grant.allows(category, merchant, name)


class HackClub:
    """Three organizations; people with cards in one or two of them, allowances and grants."""

    def __init__(self, chance: Random) -> None:
        self.begins = int(time.time())
        self.cards: dict[str, Card] = {}
        self._funds, self._stops = Funds(), 0
        self._locked: dict[str, str] = {}
        """People, and the references of their locks."""
        self._administrators = ["ich_fay"]
        """They may pay at forbidden merchants."""
        self._forbidden_ids = [FORBIDDEN_ID]
        self._allowances: dict[tuple[str, str], Allowance] = {}
        robotics = Organization("Robotics", locks_cards=True)
        assembly = Organization("Assembly", locks_cards=True)
        bank = Organization("Bank", locks_cards=False)
        self.organizations = [robotics, assembly, bank]
        for person, organization in (
            *(("ich_ada", robotics), ("ich_ada", robotics), ("ich_bea", robotics)),
            *(("ich_cleo", assembly), ("ich_cleo", robotics), ("ich_dan", assembly)),
            *(("ich_eve", bank), ("ich_fay", bank), ("ich_fay", assembly)),
        ):
            self._new_card(person, organization)
        self.cards["ic_006"].withdraws_cash = True  # Eve's
        for organization in self.organizations:
            self._enter(organization, 300_000)
        for person, organization in (
            *(("ich_ada", robotics), ("ich_cleo", assembly), ("ich_fay", bank)),
        ):
            self._allow(person, organization, 60_000)
        for person, organization in (("ich_bea", bank), ("ich_gus", assembly)):
            self._give(person, organization, 40_000, chance)
        self._members = [("ich_bea", robotics), ("ich_dan", assembly), ("ich_fay", assembly)]
        """Those that may get an allowance later."""

    def policy_file(self) -> PolicyFile:
        at_once = {"amount": MOST_CASH, "interval": "per_authorization", "categories": ["6011"]}
        grants = self._grants()
        administrators = [
            {"cardholder": person, "reason": "Administrator"} for person in self._administrators
        ]
        withdrawing = [
            {"card": card.id, "reason": "May withdraw cash"}
            for card in self.cards.values()
            if card.withdraws_cash
        ]
        return {
            "policies": [
                {
                    "name": "Forbidden",
                    "blocked_categories": list(FORBIDDEN_CATEGORIES),
                    "exempt_merchants": [{"network_id": ALLOWLISTED_ID}],
                },
                {
                    "name": "Fraud",
                    "blocked_merchants": [
                        *({"network_id": number} for number in self._forbidden_ids),
                        {"begins_with": FORBIDDEN_PREFIX},
                    ],
                },
                {"name": "No cash", "blocked_categories": ["6011"]},
                {"name": "Cash", "currency": "usd", "spending_limits": [at_once]},
                {"name": "Balance", **_POT},
                {"name": "Allowance", **_POT},
                *(grant.policy() for grant in grants),
            ],
            "groups": [
                {
                    "name": group,
                    "cards": [
                        card.id
                        for card in self.cards.values()
                        if card.organization is organization and bool(card.grant) == is_of_grants
                    ],
                }
                for organization in self.organizations
                for group, is_of_grants in zip(organization.groups, (False, True), strict=True)
            ],
            "assignments": [
                {"policy": "Forbidden", "program": True, "except": administrators},
                {"policy": "Fraud", "program": True, "except": administrators},
                {"policy": "No cash", "program": True, "except": withdrawing},
                {"policy": "Cash", "program": True},
                *({"policy": "Balance", "group": found.name} for found in self.organizations),
                *(self._allowances_in(organization) for organization in self.organizations),
                *({"policy": grant.pot.policy, "card": grant.pot.target} for grant in grants),
            ],
            "funds": self._funds.taken(),
            "freezes": [*self._freezes()],
            "blocks": [
                {
                    kind: {"network_id": what} if kind == "merchant" else what,
                    "group": organization.groups[1],
                    "reason": "No grant is for this",
                    "reference": reference,
                }
                for organization in self.organizations
                for (kind, what), reference in organization.banned.items()
            ],
        }

    def _allowances_in(self, organization: Organization) -> PolicyFile:
        """Each member has their own; who has none may spend all of the balance."""
        members = {
            card.person
            for card in self.cards.values()
            if card.organization is organization and not card.grant
        }
        others = [
            {"cardholder": person, "reason": "No allowance"}
            for person in sorted(members)
            if (person, organization.name) not in self._allowances
        ]
        where = {"policy": "Allowance", "group": organization.name}
        return {**where, "each": "cardholder", "except": others}

    def next_at(self, at: int, chance: Random) -> int:
        """Now: a pot counts what begins from the second of its first entry on."""
        return int(time.time())

    def attempt(self, at: int, chance: Random) -> Attempt:
        card = chance.choice([*self.cards.values()])
        shop = chance.choice(SHOPS if chance.randrange(2) else self._shops_of(card))
        if card.withdraws_cash and chance.randrange(3) == 0:
            shop = SHOPS[-1]
        amount = amount_near(min(self._balances(card)), chance)
        if shop.mcc == "6011" and chance.randrange(2):
            amount = chance.choice((MOST_CASH, MOST_CASH + 1, MOST_CASH - 1))
        untold = chance.choice([()] * 12 + [("category", "category_code"), ("name",)])
        return Attempt(
            card=card.id,
            cardholder=card.person,
            amount=amount,
            merchant=shop,
            at=at,
            currency="usd",
            untold=frozenset(untold),
        )

    def approves(self, attempt: Attempt) -> bool:
        card, number = self.cards[attempt.card], attempt.merchant.network_id
        if card.organization.frozen:
            return False
        is_forbidden = (
            number in self._forbidden_ids
            or (attempt.name or "").startswith(FORBIDDEN_PREFIX)
            or (attempt.category in FORBIDDEN_CATEGORIES and number != ALLOWLISTED_ID)
        )
        if is_forbidden and card.person not in self._administrators:
            return False
        if not card.may_pay(attempt.category, number, attempt.name):
            return False
        if attempt.amount > min(self._balances(card)):
            return False
        if attempt.mcc == "6011" and not (card.withdraws_cash and attempt.amount <= MOST_CASH):
            return False
        return not (card.person in self._locked and card.organization.locks_cards)

    def spends(self, attempt: Attempt, amount: int) -> None:
        for holder in self._holders(self.cards[attempt.card]):
            holder.balance -= amount

    def left(self, at: int) -> Mapping[Figure, int]:
        every: list[Organization | Allowance | Grant] = [
            *self.organizations,
            *self._allowances.values(),
            *self._grants(),
        ]
        return {holder.pot: holder.balance for holder in every}

    def changes(self, chance: Random) -> None:
        amount = chance.randint(1_000, 90_000)
        self._add_where_little_is_left(chance)
        card = chance.choice([*self.cards.values()])
        organization = chance.choice(self.organizations)
        allowance = chance.choice([*self._allowances.values()])
        granted = chance.choice([found for found in self.cards.values() if found.grant])
        match chance.choice(_CHANGES):
            case "transfer":
                self._enter(organization, -min(amount, max(0, organization.balance)))
            case "less allowance":
                self._enter(allowance, -min(amount, max(0, allowance.balance)))
            case "less for a grant":
                self._move(granted, -amount)
            case "lists" if granted.grant:
                granted.grant.draw(chance)
            case "freeze":
                is_frozen = any(found.frozen for found in self.organizations)
                for found in self.organizations:
                    found.frozen = ""
                if not is_frozen:
                    organization.frozen = self._reference()
            case "lock":
                self._locked = {} if self._locked else {card.person: self._reference()}
            case "fraud":
                number = chance.choice((ALLOWLISTED_ID, SHOPS[0].network_id, SHOPS[3].network_id))
                more = [number] if len(self._forbidden_ids) == 1 else []
                self._forbidden_ids = [FORBIDDEN_ID, *more]
            case "administrator":
                self._administrators = [chance.choice((card.person, "ich_fay"))]
            case "ban":
                banned = organization.banned
                what = ("category", chance.choice(_CATEGORIES))
                if chance.randrange(2):
                    what = ("merchant", chance.choice(SHOPS[:_ORDINARY]).network_id)
                organization.banned = {} if banned else {what: self._reference()}
            case "cash":
                card.withdraws_cash = not card.withdraws_cash
            case "card" if len(self.cards) < _MOST_CARDS:
                self._new_card(card.person, organization)
            case "grant" if len(self.cards) < _MOST_CARDS:
                self._give(f"ich_{len(self.cards)}", organization, amount, chance)
            case "allowance" if self._members:
                # What was bought in the second of its first entry counts as well.
                time.sleep(1 - time.time() % 1)
                self._allow(*self._members.pop(), amount)

    def _shops_of(self, card: Card) -> list[SampleMerchant]:
        """Ordinary ones at which the card may pay, if there are any."""
        found = [
            shop
            for shop in SHOPS[:_ORDINARY]
            if card.may_pay(shop.category, shop.network_id, shop.name)
        ]
        return found or list(SHOPS)

    def _freezes(self) -> Iterator[PolicyFile]:
        for organization in self.organizations:
            for group in organization.groups if organization.frozen else ():
                reference = f"{group}, {organization.frozen}"
                yield {"group": group, "reason": "Frozen", "reference": reference}
        for person, reference in self._locked.items():
            cards = [card for card in self.cards.values() if card.person == person]
            lockable = [card.id for card in cards if card.organization.locks_cards]
            is_whole = len(lockable) == len(cards)
            for kind, target in (
                [("cardholder", person)] if is_whole else [("card", card) for card in lockable]
            ):
                found = {"reason": "Receipts are missing", "reference": f"{target}, {reference}"}
                yield {kind: target, **found}

    def _grants(self) -> list[Grant]:
        return [card.grant for card in self.cards.values() if card.grant]

    def _holders(self, card: Card) -> list[Organization | Allowance | Grant]:
        """Whose balances the card spends."""
        if card.grant:
            return [card.grant]
        allowance = self._allowances.get((card.person, card.organization.name))
        return [card.organization, *([allowance] if allowance else [])]

    def _balances(self, card: Card) -> list[int]:
        return [holder.balance for holder in self._holders(card)]

    def _enter(self, holder: Organization | Allowance | Grant, amount: int) -> None:
        if amount:
            holder.balance += amount
            self._funds.enter(holder.pot, amount)

    def _add_where_little_is_left(self, chance: Random) -> None:
        for card in self.cards.values():
            for holder in self._holders(card):
                if holder.balance > 2_000 or chance.randrange(3) == 0:
                    continue
                amount = chance.randint(5_000, 150_000)
                if isinstance(holder, Grant):
                    self._move(card, amount)
                else:
                    self._enter(holder, amount * 2)

    def _move(self, card: Card, amount: int) -> None:
        """From the organization to the card's grant, or back; never more than is left there."""
        assert card.grant
        if amount > 0:
            moved = min(amount, max(0, card.organization.balance))
        else:
            moved = max(amount, -max(0, card.grant.balance))
        self._enter(card.organization, -moved)
        self._enter(card.grant, moved)

    def _reference(self) -> str:
        self._stops += 1
        return f"number {self._stops}"

    def _new_card(self, person: str, organization: Organization) -> Card:
        card = Card(f"ic_{len(self.cards):03}", person, organization)
        self.cards[card.id] = card
        return card

    def _give(self, person: str, organization: Organization, amount: int, chance: Random) -> None:
        """A card with a grant of its own."""
        card = self._new_card(person, organization)
        card.grant = Grant(Figure(f"Grant of {card.id}", "pot", "card", card.id))
        card.grant.draw(chance)
        self._move(card, amount)

    def _allow(self, person: str, organization: Organization, amount: int) -> None:
        pot = Figure("Allowance", "pot", "cardholder", person, group=organization.name)
        allowance = self._allowances[person, organization.name] = Allowance(pot, 0)
        self._enter(allowance, amount)
