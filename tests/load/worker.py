"""One of the processes: plays lives of purchases, hands events about, and meddles as people do."""

import json
import logging
import queue
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from random import Random
from typing import Protocol

from django.contrib.auth.models import User
from django.db import DatabaseError, transaction

from authorizations.models import Authorization, CardGroup, Usage
from authorizations.services.lifecycle import adjustments
from authorizations.services.policies import groups
from authorizations.services.policies.freeze import freeze, unfreeze
from authorizations.services.store import locks
from simulator.inside import take_in
from simulator.stripe.sample_lives import (
    Life,
    card_event,
    cardholder_event,
    force_capture,
    unlinked_refund,
)
from simulator.stripe.samples import Json, to_bytes
from tests.load import town
from tests.load.instructions import Instructions

_HELD_BACK = 40
"""So many events wait at a process, so that they go out of order."""

_DRAINS = 20


class Mailbox(Protocol):
    """What processes share: events on their way."""

    def put(self, body: bytes) -> None: ...

    def get_nowait(self) -> bytes: ...


@dataclass
class Report:
    """What a process did, and the first things that went wrong."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def problem(self, kind: str, text: str) -> None:
        self.counts[kind] += 1
        if len(self.problems) < 5:
            self.problems.append(text)


class Worker:
    """`chance` draws everything but what the others do meanwhile."""

    def __init__(self, seed: str, mailbox: Mailbox) -> None:
        logging.disable(logging.INFO)  # a line for each decision
        self.report = Report()
        self._chance = Random(seed)
        self._mailbox = mailbox
        self._lives: list[Life] = []
        self._waiting: list[bytes] = []
        self._operator = User.objects.get(username="operator")
        self._instructions = Instructions(self._chance, self._operator)

    def run(self, until: float) -> None:
        """Go on until this moment of time.monotonic()."""
        often = [self._begins] * 30 + [self._asks_for_more] * 12 + [self._goes_on] * 40
        often += [self._delivers] * 90 + [self._adjusts] * 4
        seldom = [self._freezes, self._publishes, self._regroups]
        seldom += [self._forgets, self._tells_of_cards, self._strays, *[self._instructs] * 12]
        while time.monotonic() < until:
            self._step(self._chance.choice(often + seldom))
        self._hand_over()

    def drain(self) -> None:
        """Deliver what is left, and once more what could not be applied yet."""
        for _ in range(_DRAINS):
            self._fetch(many=1_000_000)
            waiting, self._waiting = self._waiting, []
            for body in waiting:
                self._step(partial(self._deliver, body))
        for body in self._waiting:
            self.report.problem("errors", f"Never applied: {body[:200]!r}")

    def _step(self, step: Callable[[], None]) -> None:
        try:
            step()
        except DatabaseError as error:
            kind = "deadlocks" if "deadlock" in str(error) else "errors"
            self.report.problem(kind, "".join(traceback.format_exception(error)[-3:]))
        except Exception as error:  # noqa: BLE001 - all of them are counted
            self.report.problem("errors", "".join(traceback.format_exception(error)[-3:]))

    # --- purchases

    def _begins(self) -> None:
        chance, at = self._chance, int(time.time())
        life = Life(town.purchase(chance, at), town.card(chance), chance=chance)
        if chance.random() < 0.1:  # Stripe decides alone
            self._send(life.answered(approved=True, at=at, reason="card_active"))
        else:
            self._ask(life, life.ask(at=at))
        self._lives = [*self._lives[-60:], life]

    def _asks_for_more(self) -> None:
        if self._lives:
            life = self._chance.choice(self._lives)
            self._ask(life, life.ask(self._chance.choice([100, 990, 3_000]), at=_now(life)))

    def _ask(self, life: Life, event: Json) -> None:
        """Ask, now and then twice at once, and tell how Stripe took the answer."""
        body = to_bytes(event)
        if self._chance.random() < 0.1:
            self._mailbox.put(body)
        answered = take_in(body, received_at=datetime.now(UTC), sender="load")
        self.report.counts["requests"] += 1
        answer = json.loads(answered.body)
        self.report.counts["approved"] += answer["approved"]
        approved, amount, reason = answer["approved"], answer.get("amount"), None
        if self._chance.random() < 0.08:  # it came too late
            approved, amount, reason = self._chance.random() < 0.5, None, "webhook_timeout"
        told = life.answered(approved=approved, at=_now(life), amount=amount, reason=reason)
        self._send(told)

    def _goes_on(self) -> None:
        """Something else happens to an authorization, whatever its state."""
        if not self._lives:
            return
        life, chance = self._chance.choice(self._lives), self._chance
        at, amount = _now(life), max(life.amount, 100)
        part = chance.randint(1, amount)
        steps: list[Callable[[], object]] = [
            lambda: life.reverse(part, at=at),
            lambda: life.set_amount(chance.choice([0, amount, amount + 500]), at=at),
            lambda: life.expire(at=at),
            lambda: life.capture(part, at=at, close=chance.random() < 0.6),
            lambda: life.capture(at=at, lowers_amount=chance.random() < 0.5),
            lambda: life.refund(part, at=at),
        ]
        before = len(life.events)
        chance.choice(steps)()
        for event in life.events[before:]:
            self._send(event)

    # --- events on their way

    def _send(self, event: Json) -> None:
        """Soon, late or twice, from here or from elsewhere."""
        body = to_bytes(event)
        if self._chance.random() < 0.5:
            self._mailbox.put(body)
            if self._chance.random() < 0.6:
                return
        self._waiting.append(body)

    def _delivers(self) -> None:
        self._fetch(many=3)
        if len(self._waiting) > self._chance.randrange(_HELD_BACK):
            self._deliver(self._waiting.pop(self._chance.randrange(len(self._waiting))))

    def _fetch(self, many: int) -> None:
        try:
            for _ in range(many):
                self._waiting.append(self._mailbox.get_nowait())
        except queue.Empty:
            pass

    def _hand_over(self) -> None:
        for body in self._waiting:
            self._mailbox.put(body)
        self._waiting = []

    def _deliver(self, body: bytes) -> None:
        kind = "requests" if b'"issuing_authorization.request"' in body else "events"
        answered = take_in(body, received_at=datetime.now(UTC), sender="load")
        self.report.counts[kind] += 1
        if answered.status != HTTPStatus.OK:
            self._waiting.append(body)
            self.report.counts["retries"] += 1
            if "deadlock" in answered.problem:
                self.report.problem("deadlocks", answered.problem)

    # --- people

    def _adjusts(self) -> None:
        found = Authorization.objects.order_by("-created")[: self._chance.randint(1, 50)]
        key = list(found)[-1].pk
        amount = self._chance.choice([-1_000, -100, 100, 1_000])
        self.report.counts["by hand"] += 1
        try:
            if self._chance.random() < 0.5:
                adjustments.release(key, by=self._operator, reason="Load")
            else:
                adjustments.adjust(key, amount, by=self._operator, reason="Load")
        except adjustments.CannotAdjustError:
            self.report.counts["refused by hand"] += 1

    def _freezes(self) -> None:
        change = self._chance.choice([freeze, *[unfreeze] * 7])
        change(town.CARDS, by=self._operator, reason="Load")

    def _instructs(self) -> None:
        self.report.counts["instructed"] += self._instructions.give()

    def _publishes(self) -> None:
        town.publish_other_limits(self._chance)

    def _regroups(self) -> None:
        group = CardGroup.objects.get() if self._chance.random() < 0.7 else None
        groups.move(self._chance.choice(list(town.CARDS)), group)

    @transaction.atomic
    def _forgets(self) -> None:
        """Remembered sums may go at any time, under the lock of their scope."""
        card_id = self._chance.choice(list(town.CARDS))
        locks.hold(cards=[card_id])
        Usage.objects.filter(scope=f"card:{card_id}").delete()

    def _tells_of_cards(self) -> None:
        card, at = town.card(self._chance), int(time.time())
        self._send(card_event(card, "updated", at=at, chance=self._chance))
        self._send(cardholder_event(card["cardholder"], "updated", at=at, chance=self._chance))

    def _strays(self) -> None:
        """Money that moves without an authorization."""
        tell = self._chance.choice([force_capture, unlinked_refund])
        card, at = town.card(self._chance), int(time.time())
        self._send(tell(card, amount=self._chance.randint(1, 900), at=at, chance=self._chance))


def _now(life: Life) -> int:
    """Each event of a life a second after the one before."""
    last: int = life.events[-1]["created"]
    return max(int(time.time()), last + 1)
