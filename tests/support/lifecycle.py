"""Purchases lived through to their end: at Stripe, and told to the desk step by step."""

from dataclasses import replace
from typing import Any

from authorizations.models import Authorization, Finding, LedgerEntry
from simulator.stripe import samples
from simulator.stripe.sample_lives import Life
from simulator.stripe.samples import Json, Purchase
from tests.support.desk import NOON, Shopper, deliver


def card_of(shopper: Shopper) -> Json:
    """The whole card that pays."""
    holder = samples.cardholder(
        cardholder_id=shopper.cardholder_id, name=shopper.name, created=shopper.at
    )
    return samples.card(card_id=shopper.card_id, holder=holder, created=shopper.at) | shopper.card


def life_of(purchase: Purchase, shopper: Shopper | None = None, *, balances: bool = False) -> Life:
    return Life(purchase, card_of(shopper or Shopper()), balances=balances)


class Told:
    """One purchase. Each step happens at Stripe and reaches the desk at once, in order.

    A minute passes with every step. Amounts are in cents. With `balances` Stripe lists balance
    transactions too.
    """

    def __init__(
        self,
        amount: int,
        shopper: Shopper | None = None,
        *,
        balances: bool = False,
        **facts: Any,
    ) -> None:
        self.shopper = shopper or Shopper()
        self.purchase = self.shopper.purchase(amount, **facts)
        self.life = life_of(self.purchase, self.shopper, balances=balances)
        self.at = self.purchase.created

    @property
    def id(self) -> str:
        return self.purchase.authorization_id

    def tick(self) -> int:
        self.at += 60
        return self.at

    def asks(self, amount: int | None = None) -> Json:
        """The question; returns our answer, of which Stripe does not tell yet."""
        answer: Json = deliver(self.life.ask(amount, at=self.tick())).json()
        return answer

    def buys(self, amount: int | None = None) -> Json:
        """The question, our answer, and that Stripe did as we said."""
        answer = self.asks(amount)
        told = self.life.answered(
            approved=answer["approved"], amount=answer.get("amount"), at=self.tick()
        )
        self.hears(told)
        return answer

    def stripe(self, reason: str, *, approved: bool, **facts: Any) -> None:
        """How Stripe settled the request, for a reason of its own."""
        self.hears(self.life.answered(approved=approved, reason=reason, at=self.tick(), **facts))

    def captures(self, amount: int, **how: Any) -> None:
        self.hears(*self.life.capture(amount, at=self.tick(), **how))

    def refunds(self, amount: int) -> None:
        self.hears(self.life.refund(amount, at=self.tick()))

    def voids(self) -> None:
        self.hears(self.life.reverse(at=self.tick()))

    def lowers_by(self, amount: int) -> None:
        self.hears(self.life.reverse(amount, at=self.tick()))

    def is_now(self, amount: int) -> None:
        self.hears(self.life.set_amount(amount, at=self.tick()))

    def expires(self) -> None:
        self.hears(self.life.expire(at=self.tick()))

    def hears(self, *events: Json) -> None:
        for event in events:
            answer = deliver(event)
            assert answer.status_code == 200, answer.content

    @property
    def lines(self) -> list[tuple[str, int]]:
        """The ledger: why what is counted changed, and by how much."""
        return lines_of(self.id)

    @property
    def counts(self) -> tuple[int, int, int]:
        """What it counts for: amount, refunded, and whether it is a purchase."""
        return counts_of(self.id)

    @property
    def findings(self) -> list[tuple[str, int]]:
        return findings_of(self.id)


def lines_of(authorization_id: str) -> list[tuple[str, int]]:
    entries = LedgerEntry.objects.filter(authorization=authorization_id).order_by("pk")
    return [(entry.cause, entry.amount - entry.refunded_amount) for entry in entries]


def counts_of(authorization_id: str) -> tuple[int, int, int]:
    columns = ("counted_amount", "refunded_amount", "count")
    amount, refunded, count = Authorization.objects.values_list(*columns).get(pk=authorization_id)
    return amount, refunded, count


def findings_of(authorization_id: str) -> list[tuple[str, int]]:
    """Open ones: kind and money at stake."""
    found = Finding.objects.filter(authorization=authorization_id, state=Finding.State.OPEN)
    return [(row.kind, row.amount) for row in found.order_by("pk")]


def tomorrow(shopper: Shopper) -> Shopper:
    return replace(shopper, at=NOON + 86_400)
