"""Requests that are decided together leave what they leave when decided one after the other."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple, TypeVar

import pytest
from django.contrib.auth.models import User
from django.db import models, transaction
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import event as note
from hypothesis import strategies as st

from authorizations.models import (
    Authorization,
    Card,
    CardGroup,
    Cardholder,
    Decision,
    ExceptionUse,
    Finding,
    LedgerEntry,
    Policy,
    Transaction,
    UncountedWindow,
    Usage,
    WebhookRequest,
)
from authorizations.rules.basics.controls import Scope, ScopeKind, scope_of
from authorizations.rules.basics.purchase_exceptions import Waiver
from authorizations.services.authorize.group import Member, decide_together
from authorizations.services.authorize.transaction import authorize
from authorizations.services.policies import exclusions, stops
from authorizations.services.policies.purchase_exceptions import allow_once
from authorizations.services.runtime.pipeline import BEGIN, COMMIT, ROLLBACK
from authorizations.services.store import lookup
from authorizations.services.store.plans import Plan, drive
from authorizations.services.verify.missing_numbers import missing_numbers
from authorizations.services.verify.ranges import Range
from authorizations.wire import events
from simulator.stripe.sample_lives import Life
from simulator.stripe.samples import MERCHANTS, Json
from tests.support.database_roles import served_as
from tests.support.desk import NOON, Shopper, deliver, in_force
from tests.support.lifecycle import life_of
from tests.support.spool import EARLIER, delivery_of
from tests.support.verification import differences, redecided

pytestmark = pytest.mark.django_db(transaction=True)

T = TypeVar("T")

HOUR, DAY = 3_600, 86_400


def member(event: Json, received_at: datetime = EARLIER) -> Member:
    delivery = delivery_of(event, received_at)
    return Member(events.authorization_request(delivery.event), delivery)


_OF_TRANSACTIONS = (BEGIN, COMMIT, ROLLBACK)


def within_a_transaction(plan: Plan[T]) -> Plan[T]:
    """The plan without its BEGIN and COMMIT: it runs in the test's transaction."""
    try:
        asked = next(plan)
        while True:
            own = [one for one in asked if one not in _OF_TRANSACTIONS]
            answers = iter((yield own))
            asked = plan.send([[] if one in _OF_TRANSACTIONS else next(answers) for one in asked])
    except StopIteration as done:
        result: T = done.value
        return result


# --- What a batch is made of

SHOPPERS = [
    Shopper(card_id="ic_0", cardholder_id="ich_0"),
    Shopper(card_id="ic_1", cardholder_id="ich_0"),
    Shopper(card_id="ic_2", cardholder_id="ich_1"),
    Shopper(card_id="ic_3", cardholder_id="ich_1"),
    Shopper(card_id="ic_4", cardholder_id="ich_0", card={"replacement_for": "ic_0"}),
]
IN_THE_GROUP = ["ic_0", "ic_1", "ic_2"]
STRANGERS = [
    Shopper(card_id="ic_5", cardholder_id="ich_0"),
    Shopper(card_id="ic_6", cardholder_id="ich_6", card={"replacement_for": "ic_3"}),
]
LIMITS = {
    "Program": [{"amount": 9_000, "interval": "daily"}, {"count": 9, "interval": "weekly"}],
    "Group": [
        {"amount": 12_000, "interval": "monthly"},
        {"amount": 2_500, "interval": "daily", "categories": [MERCHANTS[1].category]},
        {"amount": 2_000, "interval": "daily", "cash_only": True},
        {"amount": 3_000, "interval": "daily", "card_presences": ["not_present"]},
        {"attempts": 4, "interval": "daily", "declined_only": True},
    ],
    "Holder": [
        {"amount": 8_000, "interval": "rolling", "hours": 5},
        {"count": 6, "interval": "rolling", "days": 2},
        {"count": 4, "interval": "rolling", "days": 2, "authorization_methods": ["chip"]},
        {"attempts": 5, "interval": "rolling", "hours": 6, "countries": [MERCHANTS[0].country]},
    ],
}


class Step(NamedTuple):
    """One request of a batch; `which` chooses among the lives begun so far."""

    kind: str
    shopper: int
    amount: int
    later: int
    merchant: int
    which: int


NEW = ("new", "new", "new", "in part", "cash")
KINDS = (
    *(*NEW, *NEW, "again", "more", "more", "second attempt"),
    *("captured", "listed", "renamed", "other card", "other currency", "stranger"),
)
steps = st.builds(
    Step,
    st.sampled_from(KINDS),
    st.integers(0, len(SHOPPERS) - 1),
    st.sampled_from([0, 1, 300, 700, 1_500, 2_600, 5_000]),
    st.sampled_from([0, 0, 0, 60, 4 * HOUR, 13 * HOUR, 3 * DAY, -DAY]),
    st.sampled_from([0, 0, 1, 6]),
    st.integers(0, 30),
)


class World:
    """Purchases begun, and every request asked so far."""

    def __init__(self) -> None:
        self.lives: list[Life] = []
        self.asked: list[Json] = []
        self.at = NOON

    def request(self, step: Step) -> Json:
        """The event of one more request."""
        self.at += 1
        made = self._made(step)
        self.asked.append(made)
        return made

    def _made(self, step: Step) -> Json:
        life = self.lives[step.which % len(self.lives)] if self.lives else None
        if life is None or step.kind in (*NEW, "stranger", "renamed"):
            return self._begun(step)
        if step.kind == "again":
            return self.asked[step.which % len(self.asked)]
        if step.kind in ("captured", "listed") and life.amount:
            captured, _ = life.capture(at=self.at, close=False)
            if step.kind == "captured":  # heard of before the purchase that it belongs to
                assert deliver(captured).status_code == 200
        asked = life.ask(step.amount, at=self.at)
        if step.kind == "more" and life.kept["pending_request"]:
            life.answered(approved=step.amount != 1_500, at=self.at)
        if step.kind == "other card":
            other = SHOPPERS[(step.shopper + 1) % len(SHOPPERS)]
            asked["data"]["object"]["card"] = life_of(other.purchase(1), other).kept["card"]
        if step.kind == "other currency":
            asked["data"]["object"]["created"] += 1
        return asked

    def _begun(self, step: Step) -> Json:
        shopper = SHOPPERS[step.shopper]
        if step.kind == "stranger":
            shopper = STRANGERS[step.shopper % len(STRANGERS)]
        if step.kind == "renamed":
            shopper = replace(shopper, name="Ada King", card=shopper.card | {"last4": "4242"})
        purchase = shopper.purchase(
            step.amount,
            created=NOON + step.later,
            merchant=MERCHANTS[step.merchant],
            is_amount_controllable=step.kind == "in part",
            cashback=step.amount // 2 if step.kind == "cash" else None,
            method=("chip", "online")[step.which % 2],
        )
        life = life_of(purchase, shopper)
        self.lives.append(life)
        asked = life.ask(at=self.at)
        if step.which % 3:  # Stripe tells of the answer with the next request
            life.answered(approved=True, at=self.at)
        return asked


STOPS: dict[str, dict[str, str]] = {
    "program:": {"category": MERCHANTS[1].category},
    "group": {"country": MERCHANTS[0].country},
    "cardholder:ich_1": {},
    "card:ic_0": {},
    "card:ic_4": {"merchant": MERCHANTS[6].name},
}
"""Freezes, and blocks with terms, by their scope."""


LEFT_OUT: dict[str, tuple[str, str, str]] = {
    "card": ("Group", "group", "card:ic_1"),
    "cardholder": ("Group", "group", "cardholder:ich_0"),
    "group": ("Program", "program:", "group"),
    "card of another": ("Program", "program:", "card:ic_3"),
}
"""Exclusions: the policy, what it is assigned to, and who is left out of that."""


WAIVED = [Waiver("amount_limit_exceeded"), Waiver("count_limit_exceeded")]


def begin(
    before: Sequence[Step],
    *,
    with_rolling: bool,
    stopped: Sequence[str],
    allowed: Sequence[str],
    each: str,
    left_out: Sequence[str],
) -> World:
    """Cards that have paid, in a group of three, and policies in force; some of STOPS and LEFT_OUT.

    `each` is whose own the group's limits are. Each of the cards `allowed` has an exception, as
    often as it is named. Where something is stopped, a card has left the group since its purchases
    began.
    """
    in_force("Program", spending_limits=LIMITS["Program"], partial_approval=True)
    for shopper in SHOPPERS:
        shopper.asks(0)
    group = CardGroup.objects.create(name="North")
    Card.objects.filter(pk__in=IN_THE_GROUP).update(group=group)
    to = {"group": group, "each": each}
    in_force("Group", spending_limits=LIMITS["Group"], to=to, partial_approval=True)
    if with_rolling:  # whose pieces are summed for each purchase
        in_force("Holder", spending_limits=LIMITS["Holder"], to={"cardholder_id": "ich_0"})
    for shopper in SHOPPERS:
        shopper.asks(1)
    world = World()
    for step in before:
        deliver(world.request(step))
    if stopped:
        Card.objects.filter(pk=IN_THE_GROUP[-1]).update(group=None)
    operator = User.objects.create(username="operator")

    def scope_by(key: str) -> Scope:
        return Scope(ScopeKind.GROUP, str(group.pk)) if key == "group" else scope_of(key)

    until = timezone.now() + timedelta(hours=1)
    for name in left_out:
        policy_name, assigned, who = LEFT_OUT[name]
        policy = Policy.objects.get(name=policy_name)
        between = (scope_by(assigned), scope_by(who))
        exclusions.leave_out(policy, *between, by=operator, reason="Trip", until=until)
    for key in stopped:
        scope = scope_by(key)
        if terms := STOPS[key]:
            stops.block(scope, terms, by=operator, reason="Fraud")
        else:
            stops.freeze(scope, by=operator, reason="Lost")
    if allowed:
        in_force("Tight", spending_limits=[{"amount": 600, "interval": "daily"}])
    for number, card_id in enumerate(allowed):  # two that say the same are one
        known: dict[str, Any] = {"up_to": 2_600, "currency": "eur", "until": until}
        allow_once(card_id, WAIVED, by=operator, reason=f"Trip {number}", **known)
    return world


# --- What it leaves

UNLIKE = {
    *("id", "decided_at", "duration_us", "position", "webhook_request_id", "repeats_id"),
    *("entered_at", "timings", "asked_at", "found_at", "first_seen", "used_at"),
}
"""Ids that are drawn and times that are measured."""

KEPT: tuple[tuple[type[models.Model], str], ...] = (
    (WebhookRequest, "pk"),
    (Decision, "webhook_request_id"),
    (Authorization, "pk"),
    (LedgerEntry, "pk"),
    (Usage, "pk"),
    (UncountedWindow, "pk"),
    (Transaction, "pk"),
    (Card, "pk"),
    (Cardholder, "pk"),
    (Finding, "pk"),
    (ExceptionUse, "pk"),
)


def kept() -> dict[str, list[dict[str, Any]]]:
    """All rows, but for what differs each time."""
    found = {}
    for model, order in KEPT:
        is_drawn = model._meta.pk.get_internal_type() == "BigAutoField"
        unlike = UNLIKE if is_drawn else UNLIKE - {"id"}
        rows = model._default_manager.order_by(order).values()
        found[model.__name__] = [
            {key: value for key, value in row.items() if key not in unlike} for row in rows
        ]
    return found


def taken_back(work: Callable[[], T]) -> T:
    """What `work` returns; the database is then as before."""
    seen = dict(lookup._seen)
    with transaction.atomic():
        result = work()
        transaction.set_rollback(True)
    lookup._seen.clear()
    lookup._seen.update(seen)
    return result


class Left(NamedTuple):
    """Answers by place in the batch, all rows, and the order in which requests were decided."""

    answers: list[bytes]
    rows: dict[str, list[dict[str, Any]]]
    order: list[int]


def decided_together(batch: Sequence[Json]) -> Left:
    """As a group; what leaves it by itself afterwards."""
    members = [member(asked) for asked in batch]
    with served_as("webhook"):
        computed, *_ = drive(within_a_transaction(decide_together(members)))
        answers = [one.body if one else b"" for one in computed]
        left = [place for place, one in enumerate(computed) if one is None]
        for place in left:
            answers[place] = authorize(*member(batch[place])[:2])
    assert differences() == []
    assert redecided() == []
    order = [place for place, one in enumerate(computed) if one] + left
    note(f"{len(computed) - len(left)} of {len(computed)} together")
    note(f"{ExceptionUse.objects.count()} exceptions used")
    return Left(answers, kept(), order)


def decided_one_by_one(batch: Sequence[Json], order: Sequence[int]) -> Left:
    answers = [b""] * len(batch)
    with served_as("webhook"):
        for place in order:
            answers[place] = authorize(*member(batch[place])[:2])
    return Left(answers, kept(), list(order))


def without_who_came_first(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A group creates a new card with the time of the first request that names it, even where this
    one leaves the group and is decided after another of the card.
    """
    new = STRANGERS[0].card_id
    return [
        row | dict.fromkeys(("details_at", "metadata_at"), 0) if row.get("id") == new else row
        for row in rows
    ]


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(
    before=[],
    drawn=[
        *[Step("new", 0, 0, 0, 0, 0)] * 4,
        Step("stranger", 0, 2_600, 0, 0, 0),
        *[Step("new", 0, 0, 0, 0, 0)] * 6,
        Step("stranger", 0, 0, 0, 0, 0),
    ],
    with_rolling=False,
    stopped=[],
    allowed=[],
    each="",
    left_out=[],
)
@example(
    before=[],
    drawn=[Step("new", 0, 2_600, 0, 0, 0)] * 8,
    with_rolling=False,
    stopped=[],
    allowed=["ic_0", "ic_0"],
    each="cardholder",
    left_out=["group"],
)
@given(
    before=st.lists(steps, max_size=4),
    drawn=st.lists(steps, min_size=2, max_size=12),
    with_rolling=st.booleans(),
    stopped=st.lists(st.sampled_from(list(STOPS)), max_size=2, unique=True),
    allowed=st.lists(st.sampled_from(["ic_0", "ic_1", "ic_3"]), max_size=3),
    each=st.sampled_from(["", "card", "cardholder"]),
    left_out=st.lists(st.sampled_from(list(LEFT_OUT)), max_size=2, unique=True),
)
def test_a_group_leaves_the_rows_and_answers_of_its_requests_one_by_one(
    before: list[Step],
    drawn: list[Step],
    **world_of: Any,
) -> None:
    with transaction.atomic():
        world = begin(before, **world_of)
        batch = [world.request(step) for step in drawn]
        together = taken_back(partial(decided_together, batch))
        alone = taken_back(partial(decided_one_by_one, batch, together.order))
        assert together.answers == alone.answers
        for table, rows in together.rows.items():
            others = alone.rows[table]
            assert without_who_came_first(rows) == without_who_came_first(others), table
        transaction.set_rollback(True)


def test_numbers_of_the_ledger_prove_the_order_within_a_group_and_none_is_missing() -> None:
    in_force(spending_limits=[{"amount": 1_000, "interval": "daily"}])
    shopper = Shopper()
    shopper.asks(0)
    asked = [shopper.event(shopper.purchase(amount)) for amount in (400, 700, 300, 0, 301, 300)]
    lost = [shopper.event(shopper.purchase(amount)) for amount in (0, 1)]
    began = timezone.now()
    with served_as("webhook"):
        for batch in (asked, lost):
            drive(decide_together([member(event, timezone.now()) for event in batch]))
    decisions = Decision.objects.filter(pk__in=[event["id"] for event in asked + lost])
    found = list(decisions.order_by("webhook_request_id").values_list("approved", "position"))
    assert [approved for approved, _ in found] == [
        *(True, False, True, True, False, True, True),
        False,
    ]
    numbers = [position for _, position in found]
    entries = dict(LedgerEntry.objects.values_list("event_id", "id"))
    drawn = []
    for event, position in zip(asked + lost, numbers, strict=True):
        drawn += [position, entries[event["id"]]] if event["id"] in entries else [position]
    assert drawn == list(range(drawn[0], drawn[0] + len(drawn)))
    missing = missing_numbers(Range(since=began))
    assert {name: found["count"] for name, found in missing.items()} == dict.fromkeys(missing, 0)
    assert differences() == []
