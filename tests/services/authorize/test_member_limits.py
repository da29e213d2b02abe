"""Limits that each card or each cardholder have for themselves: exact, and of all they spend."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authorizations.models import (
    Assignment,
    Authorization,
    Card,
    CardGroup,
    Cardholder,
    Decision,
    Policy,
    UncountedWindow,
    Usage,
)
from authorizations.rules.basics.controls import OwnBudget, Scope, ScopeKind
from authorizations.services.policies import counting_ahead, own_amounts
from authorizations.services.policies.assignments import Targets, assign, change_each
from authorizations.services.policies.stops import StopError
from authorizations.services.store import counting, window_sums
from authorizations.services.store.counting import Pace
from tests.services.authorize.test_races import at_once
from tests.support.desk import NOON, Shopper, in_force
from tests.support.lifecycle import Told
from tests.support.verification import assert_clean, differences, differences_piecemeal

pytestmark = pytest.mark.django_db

CARD, CARDHOLDER = OwnBudget.CARD.value, OwnBudget.CARDHOLDER.value
DAY = 86_400
DAILY = [{"amount": 1_000, "interval": "daily"}]
ADA, ADAS_OTHER, BEA, CYD = (
    Shopper(card_id=card, cardholder_id=holder, name=holder)
    for card, holder in (
        ("ic_ada", "ich_ada"),
        ("ic_ada2", "ich_ada"),
        ("ic_bea", "ich_bea"),
        ("ic_cyd", "ich_cyd"),
    )
)
EVERYBODY = (ADA, ADAS_OTHER, BEA, CYD)


@pytest.fixture
def team() -> CardGroup:
    """All cards but Cyd's."""
    for shopper in EVERYBODY:
        shopper.asks(0)
    group = CardGroup.objects.create(name="Team")
    Card.objects.exclude(pk="ic_cyd").update(group=group)
    return group


def move(shopper: Shopper, group: CardGroup | None) -> None:
    Card.objects.filter(pk=shopper.card_id).update(group=group)


def left(shopper: Shopper, amount: int) -> bool:
    """Whether exactly this much is left to it, and takes it."""
    return (
        shopper.reason(amount + 1) == "amount_limit_exceeded"
        and shopper.reason(amount) == "approved"
    )


class TestToAGroup:
    def test_without_each_its_cards_share_one_budget(self, team: CardGroup) -> None:
        in_force(spending_limits=DAILY, to={"group": team})
        assert ADA.reason(600) == "approved"
        assert left(BEA, 400)
        assert not Usage.objects.filter(scope__startswith="member:").exists()

    def test_each_card_has_its_own(self, team: CardGroup) -> None:
        in_force(spending_limits=DAILY, to={"group": team, "each": CARD})
        for shopper in (ADA, ADAS_OTHER, BEA):
            assert left(shopper, 1_000)
        assert CYD.reason(1) == "no_policy"
        assert_clean()

    def test_a_cards_own_is_its_whole_usage_so_that_a_change_of_group_resets_nothing(
        self, team: CardGroup
    ) -> None:
        in_force(spending_limits=DAILY, to={"group": team, "each": CARD})
        other = CardGroup.objects.create(name="Others")
        in_force("Other", spending_limits=DAILY, to={"group": other, "each": CARD})
        assert ADA.reason(900) == "approved"
        move(ADA, other)
        assert left(ADA, 100)
        assert_clean()

    def test_each_cardholder_has_their_own_for_their_cards_in_the_group(
        self, team: CardGroup
    ) -> None:
        in_force(spending_limits=DAILY, to={"group": team, "each": CARDHOLDER})
        assert ADA.reason(600) == "approved"
        assert left(ADAS_OTHER, 400)
        assert left(BEA, 1_000)
        assert_clean()

    def test_a_cardholders_own_is_what_they_spend_there_alone(self, team: CardGroup) -> None:
        in_force("All", unlimited=True)
        move(ADAS_OTHER, None)
        in_force(spending_limits=DAILY, to={"group": team, "each": CARDHOLDER})
        assert ADAS_OTHER.reason(5_000) == "approved"
        assert left(ADA, 1_000)
        move(ADAS_OTHER, team)
        assert ADAS_OTHER.reason(1) == "amount_limit_exceeded"
        assert_clean()

    def test_a_purchase_keeps_the_group_and_so_the_member_it_began_with(
        self, team: CardGroup
    ) -> None:
        in_force("All", unlimited=True)
        in_force(spending_limits=DAILY, to={"group": team, "each": CARDHOLDER})
        begun = ADA.purchase(600)
        assert ADA.reason(begun) == "approved"
        move(ADA, None)
        more = begun.increment(500, approved=600, at=ADA.at)
        assert ADA.reason(more) == "amount_limit_exceeded"
        assert ADA.reason(begun.increment(400, approved=600, at=ADA.at)) == "approved"
        assert ADAS_OTHER.reason(1) == "amount_limit_exceeded"
        assert_clean()

    def test_what_is_captured_voided_and_refunded_counts_for_the_member(
        self, team: CardGroup
    ) -> None:
        in_force(spending_limits=DAILY, to={"group": team, "each": CARDHOLDER})
        captured, voided, refunded = (Told(300, ADA) for _ in range(3))
        for told in (captured, voided, refunded):
            assert told.buys()["approved"]
        assert left(BEA, 1_000)
        captured.captures(200, close=True)
        voided.voids()
        refunded.captures(300)
        refunded.refunds(100)
        assert left(ADAS_OTHER, 600)
        assert_clean()


@pytest.mark.usefixtures("team")
class TestToTheProgram:
    def test_each_cardholder_has_their_whole_usage(self) -> None:
        in_force(spending_limits=DAILY, to={"program": True, "each": CARDHOLDER})
        move(ADA, None)
        assert ADA.reason(600) == "approved"
        assert left(ADAS_OTHER, 400)
        assert left(CYD, 1_000)
        assert_clean()

    def test_without_each_every_card_has_its_own(self) -> None:
        in_force(spending_limits=DAILY)
        assert left(ADA, 1_000)
        assert left(ADAS_OTHER, 1_000)

    def test_each_card_is_what_it_is_without(self) -> None:
        policy = in_force(spending_limits=DAILY)
        row = policy.assignments.get()
        change_each(policy, row, CARD)
        row.refresh_from_db()
        assert row.each == ""


class TestAChange:
    def test_forgets_nothing_that_was_spent(self, team: CardGroup) -> None:
        policy = in_force(spending_limits=DAILY, to={"group": team})
        row = policy.assignments.get()
        assert ADA.reason(600) == "approved"
        assert BEA.reason(400) == "approved"
        assert ADAS_OTHER.reason(1) == "amount_limit_exceeded"
        change_each(policy, row, CARDHOLDER)
        assert left(ADAS_OTHER, 400)
        assert left(BEA, 600)
        change_each(policy, row, "")
        assert BEA.reason(1) == "amount_limit_exceeded"
        change_each(policy, row, CARD)
        assert left(ADA, 400)
        assert_clean()

    @pytest.mark.parametrize("name", ["card", "cardholder"])
    @pytest.mark.usefixtures("team")
    def test_of_one_card_or_cardholder_is_refused(self, name: str) -> None:
        rows: dict[str, Any] = {
            "card": Card.objects.get(pk="ic_ada"),
            "cardholder": Cardholder.objects.get(pk="ich_ada"),
        }
        policy = in_force(spending_limits=DAILY, to={name: rows[name]})
        row = policy.assignments.get()
        with pytest.raises(ValidationError, match="leave this empty"):
            change_each(policy, row, CARD)
        with pytest.raises(IntegrityError), transaction.atomic():
            Assignment.objects.update(each=CARD)

    def test_many_are_assigned_with_limits_of_their_own(self, team: CardGroup) -> None:
        policy = in_force(spending_limits=DAILY, to={"card": Card.objects.get(pk="ic_cyd")})
        assign(policy, Targets(groups=(team.pk,), group_each=CARDHOLDER))
        assert ADA.reason(600) == "approved"
        assert left(ADAS_OTHER, 400)
        assert left(BEA, 1_000)


class TestOwnAmounts:
    """An own amount holds where the limit measures its scope or a narrower one."""

    @pytest.fixture
    def give(self) -> Any:
        operator = User.objects.create(username="operator")

        def given(policy: Policy, kind: ScopeKind, id_: object, amount: int) -> None:
            scope = Scope(kind, str(id_))
            own_amounts.give(scope, policy, "daily", by=operator, reason="Trip", amount=amount)

        return given

    def test_of_a_cardholder_or_group_hold_for_members(self, team: CardGroup, give: Any) -> None:
        policy = in_force(spending_limits=DAILY, to={"group": team, "each": CARDHOLDER})
        give(policy, ScopeKind.GROUP, team.pk, 2_000)
        assert left(BEA, 2_000)
        give(policy, ScopeKind.CARDHOLDER, "ich_ada", 3_000)
        assert ADA.reason(2_500) == "approved"
        assert left(ADAS_OTHER, 500)
        with pytest.raises(StopError, match="measures no card there"):
            give(policy, ScopeKind.CARD, "ic_ada", 5_000)
        assert_clean()

    def test_of_a_card_hold_for_each_card_of_a_group(self, team: CardGroup, give: Any) -> None:
        policy = in_force(spending_limits=DAILY, to={"group": team, "each": CARD})
        give(policy, ScopeKind.CARD, "ic_ada", 1_500)
        give(policy, ScopeKind.CARDHOLDER, "ich_bea", 1_600)
        assert left(ADA, 1_500)
        assert left(ADAS_OTHER, 1_000)
        assert left(BEA, 1_600)

    def test_of_a_card_hold_for_no_cardholder(self, team: CardGroup, give: Any) -> None:
        policy = in_force(spending_limits=DAILY, to={"program": True, "each": CARDHOLDER})
        give(policy, ScopeKind.CARDHOLDER, "ich_ada", 1_500)
        with pytest.raises(StopError, match="measures no card there"):
            give(policy, ScopeKind.GROUP, team.pk, 5_000)
        assert left(ADA, 1_500)
        assert_clean()


def test_a_decision_says_whose_own_the_limit_is(team: CardGroup) -> None:
    in_force(spending_limits=DAILY, to={"group": team, "each": CARDHOLDER})
    ADA.asks(1_001, event_id="evt_member")
    [row] = Decision.objects.filter(pk="evt_member")
    [policy] = row.policies
    assert (policy["scope"], policy["measured"]) == (
        f"group:{team.pk}",
        f"member:{team.pk}:ich_ada",
    )
    [check] = [it for it in row.trace if it.get("figures")]
    assert check["each"] == CARDHOLDER


def test_without_own_limits_a_decision_is_kept_as_before(team: CardGroup) -> None:
    in_force(spending_limits=DAILY, to={"group": team})
    ADA.asks(1_001, event_id="evt_shared")
    [row] = Decision.objects.filter(pk="evt_shared")
    assert all("each" not in check for check in row.trace)
    assert {policy["measured"] for policy in row.policies} == {f"group:{team.pk}"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("each", [CARD, CARDHOLDER])
def test_many_at_once_never_spend_a_cent_more_than_each_may(each: str) -> None:
    for shopper in (ADA, ADAS_OTHER, BEA):
        shopper.asks(0)
    team = CardGroup.objects.create(name="Team")
    Card.objects.update(group=team)
    in_force(spending_limits=DAILY, to={"group": team, "each": each})
    buyers = [ADA, ADAS_OTHER, BEA, ADAS_OTHER] * 4
    reasons = at_once(*[lambda it=it: [it.reason(170) for _ in range(3)] for it in buyers])
    found = {reason for some in reasons for reason in some}
    assert found == {"approved", "amount_limit_exceeded"}
    key = "card_id" if each == CARD else "cardholder_id"
    spent: dict[str, int] = {}
    for row in Authorization.objects.all():
        spent[getattr(row, key)] = spent.get(getattr(row, key), 0) + row.counted_amount
    assert set(spent.values()) == {850}
    assert len(spent) == (3 if each == CARD else 2)
    assert differences() == []


def test_a_busy_member_is_counted_in_the_background(
    team: CardGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window_sums, "AT_ONCE", 10)
    monkeypatch.setattr(window_sums, "QUIET", 4)
    in_force("All", unlimited=True)
    for number in range(15):
        assert [ADA, ADAS_OTHER][number % 2].reason(60) == "approved"
        assert BEA.reason(10) == "approved"
    policy = in_force(
        spending_limits=[{"amount": 1_000, "interval": "monthly"}],
        to={"group": team, "each": CARDHOLDER},
    )
    for busy in (ADA, BEA):
        assert busy.reason(1) == "limit_not_counted_yet"
    assert CYD.reason(1) == "approved"
    assert counting_ahead.progress(policy) is not None
    while UncountedWindow.objects.exists():
        counting.some(0, Pace(1))
    assert left(ADAS_OTHER, 100)
    assert left(BEA, 850)
    assert_clean()


@pytest.mark.parametrize(
    ("to", "busy"),
    [
        ({"each": CARD}, {"card:ic_ada", "card:ic_bea"}),
        ({"each": CARDHOLDER}, {"member:{group}:ich_ada", "member:{group}:ich_bea"}),
        ({}, {"group:{group}"}),
        ({"program": True, "each": CARDHOLDER}, {"cardholder:ich_ada", "cardholder:ich_bea"}),
        ({"program": True}, {"card:ic_ada", "card:ic_bea"}),
    ],
)
def test_counting_starts_ahead_for_all_who_are_busy(
    team: CardGroup, monkeypatch: pytest.MonkeyPatch, to: dict[str, Any], busy: set[str]
) -> None:
    monkeypatch.setattr(window_sums, "AT_ONCE", 3)
    in_force("All", unlimited=True)
    for _ in range(4):
        assert ADA.reason(60) == "approved"
        assert BEA.reason(60) == "approved"
    scope = to if "program" in to else {"group": team} | to
    policy = in_force(spending_limits=[{"amount": 1_000, "interval": "all_time"}], to=scope)
    begun = counting_ahead.begin(policy)
    noted = set(UncountedWindow.objects.values_list("scope", flat=True))
    assert noted == {key.format(group=team.pk) for key in busy}
    assert begun.windows == len(busy)
    assert counting_ahead.progress(policy) is not None


# --- against a reference


class Step(NamedTuple):
    """What happens: who buys, for how much, when; or what is changed."""

    what: str
    who: int
    amount: int
    day: int


@dataclass
class Reference:
    """Adds up what was approved, purchase by purchase: card, cardholder, group, day, amount."""

    groups: dict[str, str | None]
    eaches: dict[str, str]
    spent: list[tuple[str, str, str | None, int, int]] = field(default_factory=list)

    def available(self, shopper: Shopper, day: int) -> int:
        """The least that is left of the limits that apply; nothing where none does."""
        group = self.groups[shopper.card_id]
        own = (shopper.card_id, shopper.cardholder_id, group)
        return min(
            LIMITS[name]
            - sum(
                amount
                for *its, its_day, amount in self.spent
                if its_day == day and self.is_together(name, own, its)
            )
            for name in self.eaches
            if name in ("program", group)
        )

    def is_together(self, name: str, own: Sequence[Any], its: Sequence[Any]) -> bool:
        """Whether a limit counts both, each a card, its cardholder and its group then."""
        each, same = self.eaches[name], zip(own, its, strict=True)
        of_card, of_holder, of_group = (bool(one == other) for one, other in same)
        if name == "program":
            return of_holder if each == CARDHOLDER else of_card
        return {"": of_group, CARD: of_card, CARDHOLDER: of_holder and of_group}[each]

    def buy(self, shopper: Shopper, amount: int, day: int) -> str:
        if amount > self.available(shopper, day):
            return "amount_limit_exceeded"
        group = self.groups[shopper.card_id]
        self.spent.append((shopper.card_id, shopper.cardholder_id, group, day, amount))
        return "approved"


LIMITS = {"program": 1_500, "North": 1_000, "South": 1_200}
_EACHES = st.sampled_from(["", CARD, CARDHOLDER])
_STEPS = st.builds(
    Step,
    st.sampled_from(["buy"] * 7 + ["move", "each", "forget"]),
    st.integers(0, 3),
    st.sampled_from([1, 199, 300, 450, 700, 1_000]),
    st.integers(0, 1),
)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    program=st.sampled_from(["", CARDHOLDER]),
    eaches=st.tuples(_EACHES, _EACHES),
    steps=st.lists(_STEPS, min_size=8, max_size=25),
)
def test_whatever_happens_each_has_exactly_what_a_simple_count_says(
    db: None,
    monkeypatch: pytest.MonkeyPatch,
    program: str,
    eaches: tuple[str, str],
    steps: Sequence[Step],
) -> None:
    with transaction.atomic():
        _live(program, eaches, steps)
        assert_clean()
        assert differences_piecemeal(monkeypatch) == []
        transaction.set_rollback(True)


def _live(program: str, eaches: tuple[str, str], steps: Sequence[Step]) -> None:
    for shopper in EVERYBODY:
        shopper.asks(0)
    groups = {name: CardGroup.objects.create(name=name) for name in ("North", "South")}
    wanted = dict(zip(("program", "North", "South"), (program, *eaches), strict=True))
    policies = {
        name: in_force(
            f"Policy {name}",
            spending_limits=[{"amount": LIMITS[name], "interval": "daily"}],
            to=({"program": True} if name == "program" else {"group": groups[name]})
            | {"each": each},
        )
        for name, each in wanted.items()
    }
    reference = Reference({it.card_id: None for it in EVERYBODY}, wanted)
    for what, who, amount, day in steps:
        shopper = EVERYBODY[who]
        if what == "buy":
            asking = Shopper(
                card_id=shopper.card_id,
                cardholder_id=shopper.cardholder_id,
                name=shopper.name,
                at=NOON + day * DAY,
            )
            expected = reference.buy(shopper, amount, day)
            assert asking.reason(amount) == expected, (what, who, amount, day)
        elif what == "move":
            name = [None, "North", "South"][amount % 3]
            move(shopper, groups[name] if name else None)
            reference.groups[shopper.card_id] = name
        elif what == "each":
            name = list(wanted)[amount % 3]
            choices = ["", CARDHOLDER] if name == "program" else ["", CARD, CARDHOLDER]
            wanted[name] = choices[who % len(choices)]
            policy = policies[name]
            change_each(policy, policy.assignments.get(), wanted[name])
        else:
            for row in list(Usage.objects.order_by("pk"))[who::2]:
                row.delete()
