"""Limits on attempts: how often a card may ask, and the freeze that follows."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authorizations.models import (
    Authorization,
    Card,
    CardGroup,
    Decision,
    Instruction,
)
from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.rules.basics.purchase_exceptions import Waiver
from authorizations.services.authorize.group import decide_together
from authorizations.services.authorize.transaction import authorize
from authorizations.services.policies import own_amounts, stops
from authorizations.services.policies.purchase_exceptions import allow_once, waivable
from authorizations.services.stand_in import replay_one
from authorizations.services.store import limited_attempts, statements
from authorizations.services.store.plans import Plan, drive
from simulator.stripe.samples import MERCHANTS
from tests.services.authorize.test_group import member, within_a_transaction
from tests.services.authorize.test_races import at_once
from tests.support.damage import damage, rewrite
from tests.support.database_roles import served_as
from tests.support.desk import NOON, Shopper, in_force, republish
from tests.support.spool import answered
from tests.support.verification import assert_clean, contradictions, differences, redecided

T = TypeVar("T")

ADA = Shopper(card_id="ic_ada", cardholder_id="ich_ada")
BEA = Shopper(card_id="ic_bea", cardholder_id="ich_ada")
TRIES = {"key": "tries", "attempts": 3, "interval": "rolling", "minutes": 60}
ELSEWHERE = MERCHANTS[1]

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> User:
    return User.objects.create(username="operator")


def limited(**changes: Any) -> Any:
    return in_force("Team", unlimited=True, spending_limits=[TRIES | changes])


def frozen(card: str = "ic_ada") -> list[Instruction]:
    return list(Instruction.objects.filter(kind="freeze", scope=f"card:{card}").order_by("pk"))


def test_the_attempt_after_as_many_as_the_limit_allows_is_declined() -> None:
    limited()
    assert [ADA.reason(amount) for amount in (100, 0, 100)] == ["approved"] * 3
    assert ADA.reason(100) == "attempt_limit_exceeded"
    assert ADA.reason(0) == "attempt_limit_exceeded"
    assert BEA.reason(100) == "approved"
    assert not frozen()
    assert_clean()


def test_attempts_count_whether_approved_or_not_but_none_that_the_limit_declined() -> None:
    limited(minutes=1)
    in_force("Small", spending_limits=[{"amount": 500, "interval": "per_authorization"}])
    assert ADA.reason(501) == "amount_limit_exceeded"
    assert ADA.reason(500) == ADA.reason(500) == "approved"
    for _ in range(3):
        assert ADA.reason(500) == "attempt_limit_exceeded"
    later = replace(ADA, at=NOON + 59)
    assert later.reason(500) == "attempt_limit_exceeded"
    later = replace(ADA, at=NOON + 60)
    assert [later.reason(500) for _ in range(4)] == ["approved"] * 3 + ["attempt_limit_exceeded"]
    assert_clean()


def test_only_declined_ones_count_if_it_says_so() -> None:
    limited(declined_only=True)
    in_force("Small", spending_limits=[{"amount": 500, "interval": "per_authorization"}])
    assert [ADA.reason(500) for _ in range(5)] == ["approved"] * 5
    assert [ADA.reason(501) for _ in range(3)] == ["amount_limit_exceeded"] * 3
    assert ADA.reason(500) == ADA.reason(501) == "attempt_limit_exceeded"
    assert_clean()


def test_increments_and_repeats_are_no_new_attempts() -> None:
    limited(attempts=2)
    purchase = ADA.purchase(100, is_amount_controllable=True)
    answer = ADA.asks(purchase, "evt_first")
    assert ADA.asks(purchase, "evt_first") == answer
    assert ADA.reason(purchase) == "approved"
    assert ADA.reason(100) == "approved"
    declined = ADA.purchase(100)
    assert ADA.reason(declined) == "attempt_limit_exceeded"
    assert ADA.reason(declined) == "attempt_limit_exceeded"
    assert ADA.reason(purchase) == "approved"
    assert_clean()


def test_what_a_freeze_declines_does_not_count(operator: User) -> None:
    limited()
    for scope in ("card:ic_ada", "cardholder:ich_ada", "program:"):
        kind, _, id_ = scope.partition(":")
        row = stops.freeze(Scope(ScopeKind(kind), id_), by=operator, reason="Lost")
        assert [ADA.reason(100) for _ in range(3)] == ["card_frozen"] * 3
        stops.lift(row, by=operator, reason="Found")
    assert [ADA.reason(100) for _ in range(4)] == ["approved"] * 3 + ["attempt_limit_exceeded"]
    assert set(Authorization.objects.values_list("attempt", flat=True)) == {
        "approved",
        "declined",
        "frozen",
    }
    assert_clean()


def test_the_attempt_that_reaches_it_is_decided_as_usual_and_freezes_the_card() -> None:
    limited(then_freeze_minutes=90)
    assert [ADA.reason(100) for _ in range(3)] == ["approved"] * 3
    [row] = frozen()
    last = Decision.objects.latest("position")
    assert row.reason == "3 attempts in 60 minutes (Team)"
    assert row.terms == {"attempts": row.terms["attempts"], "decision": last.pk, "created": NOON}
    assert row.ends_at == row.starts_at + timedelta(minutes=90)
    assert (row.author, row.author_name) == (None, "")
    assert ADA.reason(100) == "card_frozen"
    assert BEA.reason(100) == "approved"
    assert len(frozen()) == 1
    assert_clean()


def test_frozen_until_somebody_lifts_it_then_the_count_begins_anew(operator: User) -> None:
    limited(then_freeze=True)
    assert [ADA.reason(100) for _ in range(4)] == ["approved"] * 3 + ["card_frozen"]
    [row] = frozen()
    assert row.ends_at is None
    stops.lift(row, by=operator, reason="It was Ada")
    later = replace(ADA, at=NOON + 1)
    assert [later.reason(100) for _ in range(4)] == ["approved"] * 3 + ["card_frozen"]
    assert len(frozen()) == 2
    assert_clean()


def run_out(freeze: Instruction) -> None:
    """Its minutes are over."""
    ended = timezone.now() - timedelta(seconds=1)
    rewrite(freeze, starts_at=ended - timedelta(minutes=1), ends_at=ended)


def test_a_freeze_that_ended_by_its_time_leaves_the_count_as_it_is(operator: User) -> None:
    limited(then_freeze_minutes=1)
    assert [ADA.reason(100) for _ in range(3)] == ["approved"] * 3
    [row] = frozen()
    run_out(row)
    assert ADA.reason(100) == "attempt_limit_exceeded"
    later = replace(ADA, at=NOON + 3_600)
    assert later.reason(100) == "approved"
    assert len(frozen()) == 1
    assert [later.reason(100) for _ in range(3)] == ["approved", "approved", "card_frozen"]


def lower(policy: Any, operator: User, amount: int = 2) -> None:
    """The card's own number: fewer attempts than it has made."""
    card = Scope(ScopeKind.CARD, "ic_ada")
    own_amounts.give(card, policy, "tries", by=operator, reason="Doubtful", amount=amount)


def add_freeze(policy: Any, _: User) -> None:
    republish(policy, spending_limits=[TRIES | {"then_freeze": True}])


@pytest.mark.parametrize(
    ("limit", "change"),
    [
        ({"attempts": 5, "then_freeze": True}, lower),
        ({"attempts": 5, "then_freeze_minutes": 90}, lower),
        ({}, add_freeze),
    ],
)
def test_a_limit_that_is_full_without_being_reached_freezes_with_what_it_declines(
    limit: dict[str, Any], change: Any, operator: User
) -> None:
    policy = limited(**limit)
    assert [ADA.reason(100) for _ in range(3)] == ["approved"] * 3
    change(policy, operator)
    later = replace(ADA, at=NOON + 1)
    assert [later.reason(100) for _ in range(2)] == ["attempt_limit_exceeded", "card_frozen"]
    [row] = frozen()
    declined = Decision.objects.get(pk=row.terms["decision"])
    assert (declined.reason, row.terms["created"]) == ("attempt_limit_exceeded", NOON + 1)
    assert_clean()
    stops.lift(row, by=operator, reason="It was Ada")
    again = replace(ADA, at=NOON + 2)
    expected = ["approved"] * (2 if change is lower else 3) + ["card_frozen"]
    assert [again.reason(100) for _ in expected] == expected
    assert len(frozen()) == 2
    assert_clean()


def test_it_freezes_once_for_what_it_counts_however_the_number_changes(operator: User) -> None:
    policy = limited(then_freeze_minutes=1)
    assert [ADA.reason(100) for _ in range(3)] == ["approved"] * 3
    [row] = frozen()
    run_out(row)
    lower(policy, operator)
    assert [ADA.reason(100) for _ in range(2)] == ["attempt_limit_exceeded"] * 2
    assert len(frozen()) == 1
    assert_clean()


def test_what_an_exception_lets_through_freezes_nothing(operator: User) -> None:
    policy = limited(attempts=5, then_freeze=True)
    assert [ADA.reason(100) for _ in range(3)] == ["approved"] * 3
    lower(policy, operator)
    allow_once(
        "ic_ada",
        [Waiver("attempt_limit_exceeded", policy.pk, "tries")],
        up_to=100,
        currency="eur",
        until=timezone.now() + timedelta(hours=1),
        by=operator,
        reason="Ada called",
    )
    assert ADA.reason(100) == "approved"
    assert not frozen()
    assert ADA.reason(100) == "attempt_limit_exceeded"
    assert len(frozen()) == 1
    assert_clean()


def test_a_limit_that_answers_without_the_database_fill_freezes_with_the_next_attempt() -> None:
    limited(attempts=2, declined_only=True, then_freeze=True)
    ADA.asks(0)
    for number in range(2):
        purchase = ADA.purchase(100)
        replay_one.replay(answered(ADA.event(purchase, f"evt_away_{number}"), None))
    assert not frozen()
    assert [ADA.reason(100) for _ in range(2)] == ["attempt_limit_exceeded", "card_frozen"]
    assert len(frozen()) == 1
    assert differences() == []


def test_within_one_group_the_first_that_finds_it_full_freezes_the_card(operator: User) -> None:
    policy = limited(attempts=5, then_freeze_minutes=60)
    assert [ADA.reason(100) for _ in range(3)] == ["approved"] * 3
    lower(policy, operator)
    events = [ADA.event(ADA.purchase(100)) for _ in range(2)]
    with served_as("webhook"):
        computed, *_ = drive(
            within_a_transaction(decide_together([member(it, timezone.now()) for it in events]))
        )
        assert [bool(one) for one in computed] == [True, False]
        answer = authorize(*member(events[1], timezone.now())[:2])
    assert b"card_frozen" in answer
    assert len(frozen()) == 1
    assert_clean()


def test_within_one_group_a_chain_is_frozen_once_for_what_its_cards_have_done(
    operator: User,
) -> None:
    policy = limited(attempts=5, then_freeze_minutes=60)
    new = Shopper(card_id="ic_new", cardholder_id="ich_ada", card={"replacement_for": "ic_ada"})
    assert [it.reason(100) for it in (ADA, new, ADA)] == ["approved"] * 3
    lower(policy, operator)
    events = [it.event(it.purchase(100)) for it in (ADA, new)]
    with served_as("webhook"):
        computed, *_ = drive(
            within_a_transaction(decide_together([member(it, timezone.now()) for it in events]))
        )
    assert [b"attempt_limit_exceeded" in one.body for one in computed if one] == [True, True]
    assert [len(frozen(card)) for card in ("ic_ada", "ic_new")] == [1, 0]
    assert_clean()


def test_rows_that_do_not_say_whether_a_limit_has_frozen_are_right_as_they_are() -> None:
    limited(then_freeze_minutes=1)
    assert [ADA.reason(100) for _ in range(3)] == ["approved"] * 3
    [row] = frozen()
    run_out(row)
    assert ADA.reason(100) == "attempt_limit_exceeded"
    last = Decision.objects.latest("position")
    [policy] = last.policies
    [used] = policy["attempts"]
    assert used["has_frozen"] is True
    older = {key: value for key, value in used.items() if key != "has_frozen"}
    damage(last, policies=[policy | {"attempts": [older]}])
    assert_clean()
    damage(last, policies=[policy | {"attempts": [used | {"has_frozen": False}]}])
    assert any("freeze by limit" in found for found in contradictions())


def test_a_filter_is_about_the_merchant_of_the_attempt() -> None:
    limited(categories=[ELSEWHERE.category])
    assert [ADA.reason(100) for _ in range(4)] == ["approved"] * 4
    assert [ADA.reason(100, merchant=ELSEWHERE) for _ in range(4)] == [
        *["approved"] * 3,
        "attempt_limit_exceeded",
    ]
    assert ADA.reason(100) == "approved"
    assert_clean()


@pytest.mark.django_db(transaction=True)
def test_sixteen_at_once_reach_it_exactly_and_freeze_the_card_once() -> None:
    limited(attempts=5, then_freeze_minutes=60)
    ADA.reason(0)
    reasons = at_once(*[lambda: ADA.reason(700)] * 16)
    assert sorted(reasons) == ["approved"] * 4 + ["card_frozen"] * 12
    assert len(frozen()) == 1
    assert_clean()


@pytest.mark.django_db(transaction=True)
def test_sixteen_at_once_reach_it_exactly_without_a_freeze() -> None:
    limited(attempts=5)
    reasons = at_once(*[lambda: ADA.reason(700)] * 16)
    assert sorted(reasons) == ["approved"] * 5 + ["attempt_limit_exceeded"] * 11
    assert_clean()


def test_within_one_group_the_attempts_before_it_count_and_a_freeze_holds() -> None:
    limited(then_freeze_minutes=60)
    for shopper in (ADA, BEA):
        shopper.asks(0)
    events = [ADA.event(ADA.purchase(100)) for _ in range(4)]
    events.insert(1, BEA.event(BEA.purchase(100)))
    with served_as("webhook"):
        computed, *_ = drive(
            within_a_transaction(decide_together([member(it, timezone.now()) for it in events]))
        )
        assert [bool(one) for one in computed] == [True, True, True, False, False]
        rest = [authorize(*member(it, timezone.now())[:2]) for it in events[3:]]
    assert all(b"card_frozen" in answer for answer in rest)
    assert len(frozen()) == 1
    assert_clean()


def test_what_a_limit_counts_is_read_with_the_locks_where_it_was_seen_before() -> None:
    policy = limited()
    for shopper in (ADA, BEA):
        shopper.asks(0)
    limiting = set(statements.ATTEMPTS.values())

    def read_in(*shoppers: Shopper) -> list[int]:
        """The round trips of a group that read attempts, by their place."""
        trips: list[bool] = []

        def noted(plan: Plan[T]) -> Plan[T]:
            asked = next(plan)
            while True:
                trips.append(any(getattr(one, "text", "") in limiting for one in asked))
                try:
                    asked = plan.send((yield asked))
                except StopIteration as done:
                    result: T = done.value
                    return result

        members = [member(it.event(it.purchase(100)), timezone.now()) for it in shoppers]
        computed, *_ = drive(within_a_transaction(noted(decide_together(members))))
        assert all(computed)
        return [place for place, reads in enumerate(trips) if reads]

    assert read_in(ADA, BEA) == [0]
    republish(policy, spending_limits=[TRIES | {"attempts": 4, "declined_only": True}])
    assert len(read_in(ADA, BEA)) == 2, "the version is another than was seen"
    assert read_in(ADA, BEA) == [0]
    republish(policy, spending_limits=[])
    read_in(ADA)
    assert read_in(ADA) == []
    assert_clean()


def test_within_one_group_no_more_are_let_through_than_the_limit_allows() -> None:
    limited(attempts=4)
    ADA.asks(0)
    events = [ADA.event(ADA.purchase(100)) for _ in range(6)]
    computed, *_ = drive(
        within_a_transaction(decide_together([member(it, timezone.now()) for it in events]))
    )
    assert all(computed)
    assert [b"attempt_limit_exceeded" in one.body for one in computed if one] == [
        *[False] * 3,
        *[True] * 3,
    ]
    assert_clean()


def test_an_answer_without_the_database_counts_once_it_is_replayed() -> None:
    limited(attempts=2, declined_only=True)
    ADA.asks(0)
    for number in range(2):
        purchase = ADA.purchase(100)
        replay_one.replay(answered(ADA.event(purchase, f"evt_away_{number}"), None))
    assert ADA.reason(100) == "attempt_limit_exceeded"
    assert differences() == []


def test_after_a_lost_commit_its_replay_freezes_the_card(lose: Any) -> None:
    limited(attempts=2, then_freeze=True)
    assert ADA.reason(100) == "approved"
    replay_all = lose(ADA.event(ADA.purchase(100), "evt_lost"))
    assert not frozen()
    assert replay_all() == ["written"]
    [row] = frozen()
    assert (row.terms["decision"], row.ends_at) == ("evt_lost", None)
    assert ADA.reason(100) == "card_frozen"
    assert_clean()


def test_after_a_lost_commit_what_the_limit_declined_does_not_count_for_it(lose: Any) -> None:
    limited(attempts=2, minutes=1)
    assert [ADA.reason(100) for _ in range(2)] == ["approved"] * 2
    then = replace(ADA, at=NOON + 30)
    assert lose(then.event(then.purchase(100), "evt_lost"))() == ["written"]
    assert Decision.objects.get(pk="evt_lost").reason == "attempt_limit_exceeded"
    later = replace(ADA, at=NOON + 60)
    assert [later.reason(100) for _ in range(3)] == ["approved"] * 2 + ["attempt_limit_exceeded"]
    assert_clean()


def test_others_may_be_made_before_an_answer_whose_commit_was_lost_is_replayed(lose: Any) -> None:
    limited(attempts=2)
    replay_all = lose(ADA.event(ADA.purchase(100), "evt_lost"))
    assert ADA.reason(100) == "approved"
    assert replay_all() == ["written"]
    assert ADA.reason(100) == "attempt_limit_exceeded"
    assert_clean()


def test_a_replacement_goes_on_with_the_attempts_of_the_card_it_replaces() -> None:
    limited()
    new = Shopper(card_id="ic_new", cardholder_id="ich_ada", card={"replacement_for": "ic_ada"})
    assert [it.reason(100) for it in (ADA, new, ADA, new, ADA)] == [
        *["approved"] * 3,
        *["attempt_limit_exceeded"] * 2,
    ]
    assert_clean()


def test_each_card_has_its_own_whatever_the_policy_is_assigned_to(operator: User) -> None:
    for shopper in (ADA, BEA):
        shopper.asks(0)
    group = CardGroup.objects.create(name="Drivers")
    Card.objects.update(group=group)
    policy = in_force("Team", unlimited=True, spending_limits=[TRIES], to={"group": group})
    own_amounts.give(
        Scope(ScopeKind.CARD, "ic_ada"), policy, "tries", by=operator, reason="Trip", amount=5
    )
    later = [
        Shopper(card_id=f"ic_{who}", cardholder_id="ich_ada", at=NOON + 9_999)
        for who in ("ada", "bea")
    ]
    assert [later[0].reason(1) for _ in range(6)] == [*["approved"] * 5, "attempt_limit_exceeded"]
    assert [later[1].reason(1) for _ in range(4)] == [*["approved"] * 3, "attempt_limit_exceeded"]
    assert_clean()


def test_a_new_version_of_the_policy_goes_on_counting() -> None:
    policy = limited()
    assert [ADA.reason(100) for _ in range(4)] == ["approved"] * 3 + ["attempt_limit_exceeded"]
    republish(policy, spending_limits=[TRIES | {"attempts": 4}])
    assert [ADA.reason(100) for _ in range(2)] == ["approved", "attempt_limit_exceeded"]
    assert_clean()


def test_too_many_attempts_that_do_not_count_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limited_attempts, "AT_ONCE", 5)
    limited()
    assert [ADA.reason(100) for _ in range(5)] == ["approved"] * 3 + ["attempt_limit_exceeded"] * 2
    for _ in range(3):
        assert ADA.reason(100) in {"attempt_limit_exceeded", "limit_not_counted_yet"}
    assert ADA.reason(100) == "limit_not_counted_yet"
    later = replace(ADA, at=NOON + 3_600)
    assert later.reason(100) == "approved"
    assert_clean()


def test_counts_and_columns_that_were_changed_are_found() -> None:
    limited()
    assert [ADA.reason(100) for _ in range(4)] == ["approved"] * 3 + ["attempt_limit_exceeded"]
    last = Decision.objects.latest("position")
    [policy] = last.policies
    [used] = policy["attempts"]
    damage(last, policies=[policy | {"attempts": [used | {"used": 2}]}])
    assert any("attempts by limit" in found for found in contradictions())
    assert redecided()
    damage(last, policies=[policy])
    assert contradictions() == []
    for columns in ({"attempt": "approved"}, {"refused_by": ""}):
        with transaction.atomic():
            Authorization.objects.filter(pk=last.authorization_id).update(**columns)
            assert contradictions()
            transaction.set_rollback(True)


def test_a_freeze_that_is_missing_or_that_no_decision_made_is_found() -> None:
    limited(then_freeze=True)
    assert [ADA.reason(100) for _ in range(3)] == ["approved"] * 3
    assert_clean()
    [row] = frozen()
    rewrite(row, terms={})
    assert any("freeze by limit" in found for found in contradictions())


def test_an_exception_lets_one_more_through_which_counts(operator: User) -> None:
    team = limited()
    assert [ADA.reason(100) for _ in range(3)] == ["approved"] * 3
    last = replace(ADA, at=NOON + 1_800)
    assert last.reason(100) == "attempt_limit_exceeded"
    declined = Decision.objects.latest("position")
    waives = [waiver for _, waiver in waivable(declined).checks]
    assert waives == [Waiver("attempt_limit_exceeded", team.pk, "tries")]
    until = timezone.now() + timedelta(hours=1)
    allow_once(
        "ic_ada", waives, up_to=100, currency="eur", until=until, by=operator, reason="Ada called"
    )
    assert [last.reason(100) for _ in range(2)] == ["approved", "attempt_limit_exceeded"]
    # The first three are over, the one that was let through is not.
    later = replace(ADA, at=NOON + 3_600)
    assert [later.reason(100) for _ in range(3)] == ["approved"] * 2 + ["attempt_limit_exceeded"]
    assert_clean()


# --- Against a reference


class Move(NamedTuple):
    """A request of a card, so many seconds later; or a freeze of it, or the end of all freezes."""

    kind: str
    card: int
    later: int
    elsewhere: bool


moves = st.builds(
    Move,
    st.sampled_from(["fits", "fits", "nothing", "too much", "too much", "freeze", "lift"]),
    st.integers(0, 1),
    st.sampled_from([0, 1, 20, 59, 60, 61, 200]),
    st.booleans(),
)
LIMITS = st.builds(
    lambda attempts, window, declined_only, only, then_freeze: {
        "key": "tries",
        "attempts": attempts,
        "interval": "rolling" if window else "all_time",
        **({"minutes": window} if window else {}),
        "declined_only": declined_only,
        "then_freeze": then_freeze,
        **only,
    },
    st.integers(1, 3),
    st.sampled_from([0, 1, 2]),
    st.booleans(),
    st.sampled_from(
        [
            {},
            {"categories": [ELSEWHERE.category]},
            {"card_presences": ["not_present"]},
            {"authorization_methods": ["online", "swipe"]},
        ]
    ),
    st.booleans(),
)
"""Those with a filter are about what is bought elsewhere."""

FILTERS = {"categories", "card_presences", "authorization_methods"}


class Reference:
    """What must be answered, worked out anew from all that came before."""

    def __init__(self, limit: dict[str, Any]) -> None:
        self.limit = limit
        self.only_elsewhere = not FILTERS.isdisjoint(limit)
        self.made: list[tuple[int, int, bool, bool]] = []  # number, time, is declined, is elsewhere
        self.frozen = [False, False]
        self.by_limit: dict[int, tuple[int, int]] = {}  # frozen card: number and time of attempt
        self.begun = 0

    def counted(self, at: int) -> int:
        window = self.limit.get("minutes", 0) * 60
        return sum(
            1
            for number, when, declined, elsewhere in self.made
            if number >= self.begun
            and (not window or when > at - window)
            and (declined or not self.limit["declined_only"])
            and (elsewhere or not self.only_elsewhere)
        )

    def answer(self, number: int, at: int, move: Move) -> str:
        if self.frozen[move.card] or move.card in self.by_limit:
            return "card_frozen"
        concerns = move.elsewhere or not self.only_elsewhere
        if concerns and self.counted(at) >= self.limit["attempts"]:
            return "attempt_limit_exceeded"
        is_declined = move.kind == "too much"
        self.made.append((number, at, is_declined, move.elsewhere))
        counts = concerns and (is_declined or not self.limit["declined_only"])
        is_reached = counts and self.counted(at) == self.limit["attempts"]
        if is_reached and self.limit["then_freeze"]:
            self.by_limit[move.card] = (number, at)
        return "amount_limit_exceeded" if is_declined else "approved"

    def lift(self) -> None:
        if self.by_limit:
            self.begun = max(number for number, _ in self.by_limit.values()) + 1
        self.by_limit, self.frozen = {}, [False, False]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(limit=LIMITS, drawn=st.lists(moves, max_size=25))
def test_every_answer_is_that_of_a_reference(
    limit: dict[str, Any], drawn: Sequence[Move], operator: User
) -> None:
    with transaction.atomic():
        in_force("Team", unlimited=True, spending_limits=[limit])
        in_force("Small", spending_limits=[{"amount": 500, "interval": "per_authorization"}])
        reference, at = Reference(limit), NOON
        for number, move in enumerate(drawn):
            at += 1 + move.later  # a second ends with the freeze that it is lifted after
            shopper = Shopper(
                card_id=f"ic_{move.card}",
                cardholder_id="ich_ada",
                at=at,
                card={"replacement_for": "ic_0"} if move.card else {},
            )
            if move.kind == "freeze" and not reference.frozen[move.card]:
                stops.freeze(Scope(ScopeKind.CARD, shopper.card_id), by=operator, reason="Lost")
                reference.frozen[move.card] = True
            elif move.kind == "lift":
                for row in stops.in_force():
                    stops.lift(row, by=operator, reason="Found")
                reference.lift()
            elif move.kind != "freeze":
                amount = {"fits": 500, "nothing": 0, "too much": 501}[move.kind]
                where = {"merchant": ELSEWHERE, "method": "online"} if move.elsewhere else {}
                expected = reference.answer(number, at, move)
                assert shopper.reason(amount, **where) == expected
        assert_clean()
        transaction.set_rollback(True)
