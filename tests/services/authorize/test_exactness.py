"""Random stories, and after every answer the limits counted out anew, by hand.

Nothing here asks `decide`, windows or remembered sums: what was approved is added up from the
authorizations, and days are read off a calendar in UTC.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from authorizations.models import (
    Authorization,
    Card,
    CardGroup,
    Cardholder,
    Decision,
    LedgerEntry,
    UncountedWindow,
    Usage,
)
from authorizations.rules.basics.filters import CategorySet, LimitFilter, Merchant, MerchantSet
from authorizations.rules.policy.document import filter_of
from authorizations.rules.purchases.books import AuthorizationState
from authorizations.rules.purchases.counted import CountedUsage, cash_part
from authorizations.services.runtime import codec
from authorizations.services.store import counting, usage, window_sums
from authorizations.services.store.counting import Pace
from simulator.stripe.samples import MERCHANTS, Json, Purchase
from tests.support.desk import NOON, Shopper, deliver, in_force
from tests.support.verification import differences, differences_piecemeal, redecided

pytestmark = pytest.mark.django_db

BAKERY, ABROAD = MERCHANTS[0], next(m for m in MERCHANTS if m.country == "DE")
CASH_MACHINE = next(m for m in MERCHANTS if m.mcc == "6011")

DOLLARS = {"amount": 1_500, "interval": "weekly", "currency": "usd"}
POLICIES: dict[str, list[Json]] = {
    "program": [
        {"amount": 3_000, "interval": "daily"},
        {"amount": 900, "interval": "per_authorization"},
        {"amount": 2_000, "interval": "rolling", "hours": 2},
        DOLLARS,
    ],
    "card": [
        {"count": 9, "interval": "weekly"},
        {"count": 2, "interval": "daily", "cash_only": True},
    ],
    "cardholder": [
        {"amount": 9_000, "interval": "monthly"},
        {"amount": 700, "interval": "daily", "cash_only": True},
        {"amount": 300, "interval": "per_authorization", "cash_only": True},
        DOLLARS,
    ],
    "group": [
        {"amount": 2_500, "interval": "daily", "countries": ["FR"]},
        {"amount": 6_000, "interval": "monthly", "month_starts": 19},
        {"amount": 2_200, "interval": "daily", "except_countries": ["DE"]},
        {"amount": 1_800, "interval": "daily", "card_presences": ["not_present"]},
        {"count": 4, "interval": "rolling", "hours": 5, "authorization_methods": ["chip"]},
        {"count": 6, "interval": "rolling", "hours": 4, "except_merchants": ["lepic"]},
        {"count": 5, "interval": "rolling", "hours": 3},
        DOLLARS,
    ],
}
ADDED_LATER: list[Json] = [
    {"amount": 5_000, "interval": "weekly"},
    {"count": 12, "interval": "quarterly"},
    {"count": 9, "interval": "quarterly", "year_starts": "05-19"},
    {"amount": 6_500, "interval": "yearly", "year_starts": "11-18"},
    {"amount": 600, "interval": "yearly", "merchants": ["cajero", "distributeur"]},
    {
        "amount": 3_500,
        "interval": "quarterly",
        "card_presences": ["not_present"],
        "authorization_methods": ["keyed_in", "online"],
    },
    {"count": 8, "interval": "weekly", "card_presences": ["present"], "countries": ["FR"]},
    {
        "amount": 4_000,
        "interval": "yearly",
        "except_categories": ["6011"],
        "countries": ["FR", "DE"],
    },
    DOLLARS,
]


@dataclass(frozen=True)
class Spent:
    """An authorization's row with what its books say it counts for."""

    row: Authorization
    books: AuthorizationState
    merchant: Merchant

    @property
    def counted(self) -> CountedUsage:
        return self.books.counted(self.merchant)


def everything_spent() -> dict[str, Spent]:
    """By authorization id."""
    return {row.pk: spent(row) for row in Authorization.objects.select_related("card")}


def spent(row: Authorization) -> Spent:
    merchant = Merchant(
        *(row.category, row.category_code, row.merchant_country, row.merchant_name),
        *(row.network_id, row.card_presence, row.authorization_method),
    )
    return Spent(row, codec.value(AuthorizationState, row.books), merchant)


@dataclass(frozen=True)
class Limit:
    """A limit in force: whose usage it measures, and how the policy file writes it."""

    kind: str
    key: str
    words: Json

    @property
    def concern(self) -> LimitFilter:
        return LimitFilter(
            countries=frozenset(self.words.get("countries", ())),
            merchants=MerchantSet.of(self.words.get("merchants", ())),
            except_categories=CategorySet.of(self.words.get("except_categories", [])),
            except_countries=frozenset(self.words.get("except_countries", ())),
            except_merchants=MerchantSet.of(self.words.get("except_merchants", ())),
            card_presences=frozenset(self.words.get("card_presences", ())),
            authorization_methods=frozenset(self.words.get("authorization_methods", ())),
            cash_only=self.words.get("cash_only", False),
        )

    @property
    def most(self) -> int:
        return int(self.words["amount"] if self.is_of_money else self.words["count"])

    @property
    def is_of_money(self) -> bool:
        return "amount" in self.words

    def measures(self, row: Authorization) -> bool:
        """Whether a purchase is one of its scope, and in its currency."""
        scopes = {"card": row.card.root_id, "cardholder": row.cardholder_id, "group": row.group_id}
        is_of_scope = str(scopes[self.kind]) == self.key
        return is_of_scope and (
            not self.is_of_money or row.currency == self.words.get("currency", "eur")
        )

    def part(self, counted: CountedUsage, merchant: Merchant) -> int:
        """What of a purchase it measures."""
        amount, refunded, count = counted.seen_by(self.concern, merchant)
        return amount - refunded if self.is_of_money else count

    def used(self, around: Spent, purchases: Iterable[Spent]) -> int:
        """What is used up in the window around a purchase."""
        if self.words["interval"] == "per_authorization":
            purchases = [around]
        return sum(
            self.part(each.counted, each.merchant)
            for each in purchases
            if self.measures(each.row) and self.is_in_window(each.row.created, around.row.created)
        )

    def is_in_window(self, created: datetime, around: datetime) -> bool:
        if self.words["interval"] == "rolling":
            return created > around - timedelta(hours=self.words["hours"])
        return period(self.words, created) == period(self.words, around)


def period(limit: Json, at: datetime) -> object:
    """A name for the day, the week (from Sunday) and so on that a moment is in."""
    day = at.astimezone(UTC).date()
    year_starts, months = limit.get("year_starts", "01-01"), day.year * 12 + day.month
    first = limit.get("month_starts", int(year_starts[3:]))
    months -= int(year_starts[:2]) + (day.day < first)  # whole months since the year 0 began
    periods: dict[str, object] = {
        "per_authorization": None,
        "daily": day,
        "weekly": day - timedelta(days=day.isoweekday() % 7),
        "monthly": months,
        "quarterly": months // 3,
        "yearly": months // 12,
    }
    return periods[limit["interval"]]


# --- what must hold after every answer


def check_answer(event: Json, answer: Json, limits: list[Limit]) -> None:
    """The answer broke no limit, and gave as much as every limit had room for."""
    asked = event["data"]["object"]["pending_request"]
    purchases = everything_spent()
    purchase = purchases[event["data"]["object"]["id"]]
    # An approval of the same question is replaced, not added to.
    others = unanswered(purchase, len(event["data"]["object"]["request_history"]))
    replaced = purchase.counted - others.counted
    taken, wanted = taken_by(event["id"]), would_take(others, asked)
    fits_more, is_too_much = True, set()
    for limit in limits:
        if not limit.measures(purchase.row) or not limit.concern.concerns(purchase.merchant):
            continue
        used = limit.used(purchase, purchases.values())
        took = limit.part(taken, purchase.merchant)
        assert used <= limit.most or took <= 0, (limit, answer)
        if limit.is_of_money and not limit.concern.cash_only:
            # A request that comes late may be approved, but takes nothing.
            approved = answer.get("amount", asked["amount"])
            fits_more = fits_more and used - took + approved + 1 <= limit.most
        want = limit.part(wanted, purchase.merchant)
        if want > 0 and used - limit.part(replaced, purchase.merchant) + want > limit.most:
            is_too_much.add(
                "amount_limit_exceeded" if limit.is_of_money else "count_limit_exceeded"
            )
    if UncountedWindow.objects.exists() and not answer["approved"]:
        # Nobody knows of which limits it is too much.
        assert answer["metadata"]["reason"] in is_too_much | {"limit_not_counted_yet"}
    elif not answer["approved"]:
        assert answer["metadata"]["reason"] == min(is_too_much)  # an amount before a count
    elif "amount" in answer:
        assert not fits_more, (answer, asked)
        assert (asked["amount_details"]["cashback_amount"] or 0) <= answer["amount"]


def unanswered(purchase: Spent, index: int) -> Spent:
    """The purchase without our answers to one of its requests."""
    answers = (it for it in purchase.books.answers if it.request_index != index)
    return replace(purchase, books=replace(purchase.books, answers=tuple(answers)))


def taken_by(event_id: str) -> CountedUsage:
    """What the approval in answer to an event took, after the ledger."""
    return ledger_sum(
        LedgerEntry.objects.filter(event_id=event_id, cause__in=("hold", "increment"))
    )


def ledger_sum(entries: Iterable[LedgerEntry]) -> CountedUsage:
    figures = ("amount", "cash_amount", "refunded_amount", "count", "cash_count")
    return CountedUsage(*(sum(getattr(entry, name) for entry in entries) for name in figures))


def would_take(purchase: Spent, asked: Json) -> CountedUsage:
    """What a declined request would have taken: the whole amount, with the cash in it."""
    now, merchant = purchase.counted, purchase.merchant
    cashback = purchase.books.cashback + (asked["amount_details"]["cashback_amount"] or 0)
    amount = now.amount + asked["amount"]
    has_cash = int(merchant.is_cash or bool(cashback))
    cash = cash_part(amount, cashback, merchant)
    return CountedUsage(amount, cash, now.refunded, 1, has_cash) - now


def check_rows() -> None:
    """Remembered sums, columns and ledger all say what the books say."""
    purchases = everything_spent()
    entries = defaultdict(list)
    for entry in LedgerEntry.objects.all():
        entries[entry.authorization_id].append(entry)
    for key, purchase in purchases.items():
        row, found = purchase.row, purchase.counted
        assert ledger_sum(entries[key]) == found
        columns = (row.counted_amount, row.counted_cash, row.refunded_amount)
        assert CountedUsage(*columns, row.count, row.cash_count) == found
    for kept in Usage.objects.all():
        kind, _, key = kept.scope.partition(":")
        words = {"amount": 0, "currency": kept.currency} if kept.currency else {"count": 0}
        limit = Limit(kind, key, words)
        inside = [
            purchase.counted.seen_by(filter_of(kept.filter), purchase.merchant)
            for purchase in purchases.values()
            if limit.measures(purchase.row)
            and kept.window_start <= purchase.row.created.timestamp() < kept.window_end
        ]
        amount, refunded, count = (sum(part[place] for part in inside) for place in range(3))
        expected = (amount, refunded, count) if kept.currency else (0, 0, count)
        assert (kept.amount, kept.refunded_amount, kept.count) == expected, kept


# --- the story


@dataclass
class Life:
    """An authorization as the shopper's side knows it; `approved` is what was answered last.

    Of one that `tells_nothing` it is not reported how the card is used.
    """

    shopper: Shopper
    asked: Purchase
    approved: int = 0
    tells_nothing: bool = False

    @property
    def event(self) -> Json:
        """Its request, with an id of its own each time."""
        found = self.shopper.event(self.asked)
        if self.tells_nothing:
            found["data"]["object"] |= {"authorization_method": None, "card_presence": None}
        return found


class Story:
    """Two cards of one person, both in one group; every step is drawn by `chance`."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.lives: list[Life] = []
        self.delivered: list[tuple[Json, Json]] = []
        self.limits: list[Limit] = []
        self.reasons: Counter[str] = Counter()
        for card_id in ("ic_1", "ic_2"):
            Shopper(card_id=card_id).asks(0)
        self.group = CardGroup.objects.create(name="Field team")
        Card.objects.update(group=self.group)
        scopes: dict[str, list[tuple[str, dict[str, Any]]]] = {
            "program": [("ic_1", {"program": True}), ("ic_2", {})],
            "card": [("ic_1", {"card": Card.objects.get(pk="ic_1")})],
            "cardholder": [("ich_1", {"cardholder": Cardholder.objects.get(pk="ich_1")})],
            "group": [(str(self.group.pk), {"group": self.group})],
        }
        for name, words in POLICIES.items():
            for key, scope in scopes[name]:
                self.limit("card" if name == "program" else name, key, words)
                if scope:
                    self.publish(name, words, scope)

    def limit(self, kind: str, key: str, limits: list[Json]) -> None:
        self.limits += [Limit(kind, key, words) for words in limits]

    def publish(self, name: str, limits: list[Json], scope: dict[str, Any]) -> None:
        partial = {"partial_approval": True} if any("amount" in words for words in limits) else {}
        in_force(name, spending_limits=limits, to=scope, **partial)

    def steps(self) -> Iterator[Callable[[], None]]:
        often = [self.buys] * 6 + [self.asks_for_more] * 6
        seldom = [self.repeats, self.asks_anew, self.asks_out_of_order, self.forgets, self.moves]
        for _ in range(20):
            yield self.chance.choice(often + seldom)
        yield self.adds_limits
        for _ in range(20):
            yield self.chance.choice(often + seldom)

    def ask(self, life: Life, event: Json) -> None:
        answer: Json = deliver(event).json()
        self.delivered.append((event, answer))
        self.reasons[answer["metadata"]["reason"]] += 1
        asked = event["data"]["object"]["pending_request"]["amount"]
        life.approved = answer.get("amount", asked) if answer["approved"] else 0
        self.reasons["partial"] += "amount" in answer
        check_answer(event, answer, self.limits)

    def begins(self) -> Life:
        at = NOON + self.chance.choice([0, 0, 1, 3_600, 7_199, 7_200, 40_000, -50_000, 86_400])
        shopper = Shopper(card_id=self.chance.choice(["ic_1", "ic_2"]), at=at)
        merchant = self.chance.choice([BAKERY, BAKERY, ABROAD, CASH_MACHINE])
        purchase = shopper.purchase(
            self.amount(),
            # Of a seed always the same: which windows are kept up depends on it.
            authorization_id=f"iauth_story{len(self.lives):04}",
            merchant=merchant,
            currency=self.chance.choice(["eur"] * 5 + ["usd"]),
            method=self.method(),
            is_amount_controllable=self.chance.random() < 0.5,
        )
        life = Life(shopper, self.with_cash(purchase), tells_nothing=self.chance.random() < 0.15)
        self.lives.append(life)
        return life

    def method(self) -> str:
        return self.chance.choice(["chip", "chip", "contactless", "online", "keyed_in"])

    def amount(self) -> int:
        return self.chance.choice([0, 1, 99, 250, 400, 600, 901])

    def with_cash(self, purchase: Purchase) -> Purchase:
        has_cash = self.chance.random() < 0.25 and purchase.merchant is not CASH_MACHINE
        cashback = self.chance.randint(0, purchase.amount) if has_cash else None
        return replace(purchase, cashback=cashback)

    def buys(self) -> None:
        life = self.begins()
        self.ask(life, life.event)

    def asks_for_more(self) -> None:
        """As Stripe took our answer, or not having heard it; now and then lowered meanwhile."""
        if not self.lives:
            return
        life = self.chance.choice(self.lives[-4:])
        heard = 0 if self.chance.random() < 0.2 else life.approved
        more = life.asked.increment(self.amount(), approved=heard, at=life.shopper.at)
        if self.chance.random() < 0.3:
            more = replace(more, method=self.method())
        if self.chance.random() < 0.2:
            more = replace(more, approved_amount=self.chance.randint(0, more.approved_amount))
        life.asked = self.with_cash(more)
        self.ask(life, life.event)

    def asks_anew(self) -> None:
        if self.lives:
            life = self.chance.choice(self.lives[-4:])
            self.ask(life, life.event)

    def asks_out_of_order(self) -> None:
        """The request before comes after the one it led to, if it comes at all."""
        life = self.begins()
        first = life.asked
        approved = first.amount if self.chance.random() < 0.7 else 0
        more = first.increment(self.amount(), approved=approved, at=life.shopper.at)
        life.asked = self.with_cash(more)
        self.ask(life, life.event)
        answered = life.approved
        if self.chance.random() < 0.7:
            before = everything_spent()[first.authorization_id].counted
            self.ask(life, life.shopper.event(first))
            life.approved = answered
            assert everything_spent()[first.authorization_id].counted == before

    def repeats(self) -> None:
        if self.delivered:
            before = LedgerEntry.objects.count(), Decision.objects.count()
            event, answer = self.chance.choice(self.delivered)
            assert deliver(event).json() == answer
            assert (LedgerEntry.objects.count(), Decision.objects.count()) == before

    def forgets(self) -> None:
        """Sums may be forgotten at any time."""
        kept = Usage.objects.count()
        for row in self.chance.sample(list(Usage.objects.order_by("pk")), kept // 2):
            row.delete()

    def moves(self) -> None:
        """The second card leaves the group or comes back; its purchases stay where they began."""
        is_in = Card.objects.filter(pk="ic_2", group=self.group).exists()
        Card.objects.filter(pk="ic_2").update(group=None if is_in else self.group)

    def adds_limits(self) -> None:
        """Limits that find everything already there."""
        self.publish("later", ADDED_LATER, {"cardholder": Cardholder.objects.get(pk="ich_1")})
        self.limit("cardholder", "ich_1", ADDED_LATER)

    def counts(self) -> None:
        """One piece of what is to be counted in the background."""
        counting.some(0, Pace(1))


SEEDS = range(8)


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_is_asked_in_whatever_order_no_limit_is_exceeded_and_none_is_left_unused(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Story(seed)
    for step in story.steps():
        step()
        check_rows()
    assert differences() == []
    assert differences_piecemeal(monkeypatch) == []
    assert redecided() == []
    # Full enough that the limits were in the way.
    assert story.reasons["approved"] >= 5
    assert story.reasons["amount_limit_exceeded"] + story.reasons["partial"] >= 2


@pytest.mark.parametrize("seed", range(4))
def test_the_same_holds_where_every_scope_is_busy_and_counted_piece_by_piece(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three purchases are more than are added up at once; a purchase or two are counted at a time.

    What is not counted yet may be declined for that, but nothing is ever approved that a limit has
    no room for, and every remembered window and piece is the sum of what lies in it.
    """
    monkeypatch.setattr(window_sums, "AT_ONCE", 3)
    monkeypatch.setattr(window_sums, "QUIET", 1)
    monkeypatch.setattr(usage, "_KEEP_UP_EVERY", 2)
    story = Story(seed)
    for step in story.steps():
        step()
        if story.chance.random() < 0.7:
            story.counts()
        check_rows()
    assert differences() == []
    assert story.reasons["approved"] >= 3
    assert story.reasons["limit_not_counted_yet"] >= 1
    assert Usage.objects.filter(piece_seconds=86_400).exists()
    while UncountedWindow.objects.exists():
        story.counts()
    check_rows()
    assert differences() == []
