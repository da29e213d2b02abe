"""One purchase let through: which one, how much of it, once, and provably."""

import time
from collections import Counter
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from authorizations.models import (
    Card,
    CardGroup,
    Decision,
    ExceptionUse,
    Finding,
    Instruction,
    Policy,
)
from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.rules.basics.purchase_exceptions import Waiver
from authorizations.services.authorize.group import Member, decide_together
from authorizations.services.host import local_copy
from authorizations.services.policies import purchase_exceptions, stops
from authorizations.services.policies.purchase_exceptions import allow_once, waivable
from authorizations.services.policies.stops import StopError
from authorizations.services.stand_in.local_copy_refresh import renew_cards, renew_policies
from authorizations.services.stand_in.replay_one import Replayed
from authorizations.services.store.plans import drive
from authorizations.wire import events
from simulator.stripe.sample_lives import force_capture
from simulator.stripe.sample_merchants import MERCHANTS
from tests.services.authorize.test_group import within_a_transaction
from tests.services.authorize.test_races import at_once
from tests.support.damage import damage
from tests.support.desk import Shopper, deliver, in_force, republish
from tests.support.lifecycle import Told, card_of
from tests.support.spool import delivery_of
from tests.support.verification import assert_clean, contradictions, differences, redecided

pytestmark = pytest.mark.django_db

ADA = Shopper(card_id="ic_ada", cardholder_id="ich_ada")
BEA = Shopper(card_id="ic_bea", cardholder_id="ich_ada", name="Ada, second card")
HOTEL = MERCHANTS[0]._replace(name="Hotel Lepic", network_id="1234567890")
LIMITS = [{"amount": 50_000, "interval": "monthly"}]


def of(policy: str, reason: str, limit: str = "") -> Waiver:
    return Waiver(reason, Policy.objects.get(name=policy).pk, limit)


def monthly(policy: str = "Team") -> Waiver:
    return of(policy, "amount_limit_exceeded", "monthly")


@pytest.fixture
def operator() -> User:
    return User.objects.create(username="operator")


@pytest.fixture(autouse=True)
def team() -> Any:
    return in_force("Team", spending_limits=LIMITS)


def soon(**later: float) -> datetime:
    return timezone.now() + timedelta(**(later or {"minutes": 60}))


@pytest.fixture
def allow(operator: User) -> Any:
    def allowed(*waives: Waiver, card_id: str = "ic_ada", **terms: Any) -> Instruction:
        known: dict[str, Any] = {"up_to": 60_000, "currency": "eur", "reason": "Trip"}
        known |= {"until": soon()} | terms
        return allow_once(card_id, waives or [monthly()], by=operator, **known)

    return allowed


def decided(event_id: str) -> Decision:
    return Decision.objects.get(pk=event_id)


def test_it_lets_one_purchase_through_in_full_and_no_other(allow: Any) -> None:
    assert ADA.reason(54_000) == "amount_limit_exceeded"
    given = allow()
    ADA.asks(54_000, event_id="evt_used")
    row = decided("evt_used")
    assert (row.approved, row.approved_amount, row.exception_id) == (True, 54_000, given.pk)
    assert [check["rule"] for check in row.trace if not check["passed"]] == [
        "amount_limit_exceeded"
    ]
    [use] = ExceptionUse.objects.all()
    assert (use.pk, use.decision_id, use.used_at) == (given.pk, "evt_used", row.decided_at)
    assert use.scopes[0] == "card:ic_ada"
    assert ADA.reason(54_000) == "amount_limit_exceeded"
    assert ADA.reason(1) == "amount_limit_exceeded"
    assert not Finding.objects.exists()
    assert_clean()


def test_a_purchase_that_passes_by_itself_leaves_it_unused(allow: Any) -> None:
    allow()
    ADA.asks(50_000, event_id="evt_fits")
    assert decided("evt_fits").exception_id is None
    assert not ExceptionUse.objects.exists()
    assert [one["up_to"] for one in decided("evt_fits").context["exceptions"]] == [60_000]
    assert_clean()


def test_it_lets_the_whole_through_where_a_part_would_have_been_approved(
    team: Any, allow: Any
) -> None:
    republish(team, partial_approval=True)
    allow()
    ADA.asks(54_000, event_id="evt_whole", is_amount_controllable=True)
    ADA.asks(1, event_id="evt_none", is_amount_controllable=True)
    row = decided("evt_whole")
    assert (row.approved_amount, row.is_partial) == (54_000, False)
    assert not decided("evt_none").approved


@pytest.mark.parametrize(
    "terms",
    [
        {"up_to": 53_999},
        {"card_id": "ic_bea"},
        {"currency": "usd"},
        {"place": {"merchant": {"network_id": "999"}}},
        {"place": {"merchant": {"is": "Hotel"}}},
        {"place": {"category": "airlines_air_carriers"}},
    ],
)
def test_another_card_merchant_currency_or_a_cent_more_is_declined(
    allow: Any, terms: dict[str, Any]
) -> None:
    BEA.asks(0)
    allow(**terms)
    ADA.asks(54_000, event_id="evt_other", merchant=HOTEL)
    row = decided("evt_other")
    assert row.reason == "amount_limit_exceeded"
    assert "exceptions" not in row.context
    assert not ExceptionUse.objects.exists()


@pytest.mark.parametrize(
    "place",
    [
        {"merchant": {"network_id": "1234567890"}},
        {"merchant": {"is": "hotel lepic"}},
        {"category": HOTEL.category},
        {},
    ],
)
def test_it_is_for_a_merchant_a_category_or_any(allow: Any, place: dict[str, Any]) -> None:
    allow(place=place)
    assert ADA.reason(54_000, merchant=HOTEL) == "approved"
    assert_clean()


def test_alone_it_must_waive_all_that_fails(team: Any, allow: Any) -> None:
    republish(team, blocked_categories=[HOTEL.category])
    country = of("Team", "category_not_allowed")
    allow(monthly())
    allow(country)
    assert ADA.reason(54_000, merchant=HOTEL) == "category_not_allowed"
    given = allow(monthly(), country)
    ADA.asks(54_000, event_id="evt_both", merchant=HOTEL)
    assert decided("evt_both").exception_id == given.pk
    assert_clean()


def test_a_waiver_is_of_its_policy_and_limit_alone(team: Any, allow: Any) -> None:
    in_force("Other", spending_limits=[{"amount": 40_000, "interval": "monthly"}])
    allow(monthly())
    assert ADA.reason(54_000) == "amount_limit_exceeded"
    allow(Waiver("amount_limit_exceeded"))
    assert ADA.reason(54_000) == "approved"
    assert_clean()


def test_it_waives_a_policy_whatever_that_is_called_by_then(team: Any, allow: Any) -> None:
    ADA.asks(54_000, event_id="evt_declined")
    allow(*(waiver for _, waiver in waivable(decided("evt_declined")).checks))
    republish(team, name="Crew")
    ADA.asks(54_000, event_id="evt_used")
    row = decided("evt_used")
    assert row.approved
    [kept] = row.context["exceptions"]
    [version] = row.policies
    assert kept["waives"] == [
        {
            "reason": "amount_limit_exceeded",
            "policy": team.pk,
            "limit": "monthly",
            "block": None,
            "version": version["version"],
        }
    ]
    [failed] = [check for check in row.trace if not check["passed"]]
    assert failed["policy"] == "Crew"
    assert_clean()


@pytest.mark.parametrize("is_assigned", [True, False])
def test_a_policy_that_takes_the_name_meanwhile_is_not_waived(
    team: Any, allow: Any, *, is_assigned: bool
) -> None:
    """The waiver is of the first one, and has no version where that is assigned nowhere."""
    given = allow(monthly())
    republish(team, name="Crew", spending_limits=[], unlimited=True)
    in_force("Team", spending_limits=LIMITS)
    if not is_assigned:
        team.assignments.all().delete()
    ADA.asks(54_000, event_id="evt_other")
    row = decided("evt_other")
    assert row.reason == "amount_limit_exceeded"
    assert row.context["exceptions"][0]["id"] == given.pk
    [waiver] = row.context["exceptions"][0]["waives"]
    assert (waiver["version"] is not None) == is_assigned
    assert_clean()


def test_what_exceptions_let_through_is_no_finding_after_a_rename_either(
    team: Any, allow: Any
) -> None:
    allow()
    bought = Told(54_000, ADA)
    bought.buys()
    republish(team, name="Crew")
    in_force("Team", spending_limits=LIMITS)
    bought.captures(55_000)
    found = Finding.objects.get(kind="limit_exceeded").description
    assert "Policy Crew (program): Monthly limit of €500.00 is exceeded by €10.00 beside" in found
    assert "Policy Team (program): Monthly limit of €500.00 is exceeded by €50.00." in found
    assert_clean()


def test_a_waiver_that_names_another_version_is_found(allow: Any) -> None:
    given = allow()
    ADA.asks(54_000, event_id="evt_used")
    row = decided("evt_used")
    [kept] = row.context["exceptions"]
    [waiver] = kept["waives"]
    for changed in ({"version": None}, {"policy": 99}):
        exceptions = [kept | {"waives": [waiver | changed]}]
        damage(row, context=row.context | {"exceptions": exceptions})
        [found] = contradictions()
        assert f"waives of instruction {given.pk}" in found


def test_of_several_that_fit_the_one_that_ends_first_is_used_then_the_older(allow: Any) -> None:
    until = soon(minutes=30)
    last, older = allow(), allow(until=until)
    newer = allow(until=until, reason="The way back")
    used = []
    for number in range(3):
        ADA.asks(54_000, event_id=f"evt_{number}")
        used.append(decided(f"evt_{number}").exception_id)
    assert used == [older.pk, newer.pk, last.pk]


@pytest.mark.parametrize("reason", ["card_frozen", "card_not_active", "stand_in", "wrong_mode"])
def test_what_is_never_waived_is_refused(allow: Any, reason: str) -> None:
    with pytest.raises(StopError, match="No exception waives this"):
        allow(Waiver(reason))
    assert not Instruction.objects.exists()


@pytest.mark.parametrize(
    ("terms", "sentence"),
    [
        ({"until": None}, "Say until when"),
        ({"up_to": -1}, "not negative"),
        ({"currency": "xxx"}, "Choose the currency"),
        ({"reason": " "}, "Give a reason"),
        ({"until": soon(seconds=-1)}, "in the past"),
    ],
)
def test_what_makes_no_sense_is_refused(allow: Any, terms: dict[str, Any], sentence: str) -> None:
    with pytest.raises(StopError, match=sentence):
        allow(**terms)
    assert not Instruction.objects.exists()


def test_a_freeze_holds_whatever_is_allowed(allow: Any, operator: User) -> None:
    allow(monthly(), Waiver("no_policy"))
    stops.freeze(Scope(ScopeKind.CARDHOLDER, "ich_ada"), by=operator, reason="Lost")
    assert ADA.reason(54_000) == "card_frozen"


def test_a_block_is_waived_by_what_it_is_about(allow: Any, operator: User) -> None:
    program = Scope(ScopeKind.PROGRAM, "")
    stops.block(program, {"category": HOTEL.category}, by=operator, reason="Audit")
    ADA.asks(100, event_id="evt_blocked", merchant=HOTEL)
    [(_, waiver)] = waivable(decided("evt_blocked")).checks
    assert waiver == Waiver("blocked", block={"category": HOTEL.category})
    allow(waiver)
    assert ADA.reason(100, merchant=HOTEL) == "approved"
    stops.block(program, {"merchant": {"network_id": "1234567890"}}, by=operator, reason="Fraud")
    allow(waiver)
    assert ADA.reason(100, merchant=HOTEL) == "blocked"
    assert_clean()


def test_no_policy_can_be_waived(team: Any, allow: Any) -> None:
    team.assignments.all().delete()
    ADA.asks(54_000, event_id="evt_declined")
    [(_, waiver)] = waivable(decided("evt_declined")).checks
    assert waiver == Waiver("no_policy")
    allow(waiver)
    assert ADA.reason(54_000) == "approved"
    assert_clean()


def test_a_pot_can_be_overdrawn_by_it_and_is_counted(team: Any, allow: Any) -> None:
    republish(team, spending_limits=[{"key": "pot", "funds": True}])
    ADA.asks(54_000, event_id="evt_declined", created=int(time.time()) + 60)
    [(_, waiver)] = waivable(decided("evt_declined")).checks
    assert waiver == of("Team", "funds_exceeded", "pot")
    allow(waiver)
    purchase = ADA.purchase(54_000, created=int(time.time()) + 60)
    assert ADA.reason(purchase) == "approved"
    assert not Finding.objects.exists()
    assert_clean()


def test_a_cards_own_share_of_a_groups_limit_can_be_exceeded_by_it(team: Any, allow: Any) -> None:
    """Measured is the card; what goes beyond the exception is found all the same."""
    ADA.asks(0)
    group = CardGroup.objects.create(name="Drivers")
    Card.objects.filter(pk="ic_ada").update(group=group)
    team.assignments.all().delete()
    in_force("Group", spending_limits=LIMITS, to={"group": group, "each": "cardholder"})
    allow(monthly("Group"))
    bought = Told(54_000, ADA)
    bought.buys()
    assert not Finding.objects.filter(kind="limit_exceeded").exists()
    bought.captures(55_000)
    assert Finding.objects.get(kind="limit_exceeded").amount == 1_000
    assert_clean()


def test_an_increment_needs_another(allow: Any) -> None:
    purchase = ADA.purchase(54_000)
    allow()
    assert ADA.reason(purchase) == "approved"
    more = purchase.increment(1_000, approved=54_000, at=purchase.created + 60)
    assert ADA.reason(more) == "amount_limit_exceeded"
    allow()
    again = purchase.increment(1_000, approved=54_000, at=purchase.created + 60)
    assert ADA.reason(again) == "approved"
    assert_clean()


def test_a_repeated_event_gets_its_answer_and_uses_nothing_more(allow: Any) -> None:
    allow()
    allow()
    purchase = ADA.purchase(54_000)
    event = ADA.event(purchase, "evt_used")
    assert {deliver(event).json()["metadata"]["reason"] for _ in range(3)} == {"approved"}
    assert ExceptionUse.objects.count() == 1


def test_it_ends_to_the_second_by_the_clock_of_the_database(allow: Any) -> None:
    given = allow(until=soon(seconds=1.5))
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT clock_timestamp() >= %s", [given.ends_at])
            if cursor.fetchone()[0]:
                break
            time.sleep(0.05)
    assert ADA.reason(54_000) == "amount_limit_exceeded"


def test_withdrawn_it_lets_nothing_through_and_used_it_can_not_be_withdrawn(
    allow: Any, operator: User
) -> None:
    assert stops.lift(allow(), by=operator, reason="Not needed")
    assert ADA.reason(54_000) == "amount_limit_exceeded"
    given = allow()
    assert ADA.reason(54_000) == "approved"
    assert not stops.lift(given, by=operator, reason="Too late")


def test_what_is_used_is_made_again_the_same_once_it_is_over_and_policies_have_changed(
    team: Any, allow: Any
) -> None:
    allow(until=soon(seconds=1))
    ADA.asks(54_000, event_id="evt_used")
    republish(team, name="Team of old", spending_limits=[{"amount": 1, "interval": "daily"}])
    while purchase_exceptions.in_force().exists():
        time.sleep(0.05)
    assert_clean()


def test_without_exceptions_a_row_has_no_word_of_them() -> None:
    ADA.asks(54_000, event_id="evt_declined")
    assert set(decided("evt_declined").context) == {
        *("card_frozen", "counted", "cashback", "is_counted", "approved_before", "stops")
    }


def test_what_goes_over_by_it_is_no_finding_and_what_goes_beyond_is(allow: Any) -> None:
    """540.00 of 500.00 by an exception; then a tip of 10.00 that nobody asked about."""
    allow()
    bought = Told(54_000, ADA)
    bought.buys()
    assert not Finding.objects.filter(kind="limit_exceeded").exists()
    bought.captures(55_000)
    found = Finding.objects.get(kind="limit_exceeded")
    assert found.amount == 1_000
    assert "is exceeded by €10.00 beside what exceptions let through" in found.description
    assert_clean()


def test_over_a_limit_on_attempts_it_lets_no_purchase_through_a_limit_that_counts_these(
    team: Any, allow: Any
) -> None:
    once = {"interval": "daily"}
    limits = [{"key": "visits", "count": 1, **once}, {"key": "tries", "attempts": 1, **once}]
    republish(team, spending_limits=[*LIMITS, *limits])
    waives = {"count_limit_exceeded": "visits", "attempt_limit_exceeded": "tries"}
    allow(*(Waiver(reason, team.pk, limit) for reason, limit in waives.items()))
    assert [ADA.reason(100) for _ in range(2)] == ["approved"] * 2
    event = force_capture(card_of(ADA), amount=100, at=ADA.at, chance=Random(1))
    assert deliver(event).status_code == 200
    found = Finding.objects.get(kind="limit_exceeded")
    assert "is exceeded by 1 beside what exceptions let through" in found.description
    assert_clean()


# --- waivable


def test_from_a_declined_decision_each_rule_is_named_with_its_policy_and_key(team: Any) -> None:
    republish(team, blocked_categories=[HOTEL.category])
    limits = [{"count": 0, "interval": "daily", "key": "visits"}]
    in_force("Other", spending_limits=limits, unlimited=True)
    ADA.asks(54_000, event_id="evt_declined", merchant=HOTEL)
    found = waivable(decided("evt_declined"))
    assert {waiver for _, waiver in found.checks} == {
        of("Team", "category_not_allowed"),
        monthly(),
        of("Other", "count_limit_exceeded", "visits"),
    }
    assert (found.amount, found.usual_amount) == (54_000, 59_400)


def test_what_can_not_be_let_through_says_why(operator: User) -> None:
    ADA.asks(100, event_id="evt_approved")
    stops.freeze(Scope(ScopeKind.CARD, "ic_ada"), by=operator, reason="Lost")
    ADA.asks(54_000, event_id="evt_frozen")
    for key, why in (("evt_approved", "was approved"), ("evt_frozen", "Card frozen")):
        with pytest.raises(StopError, match=why):
            waivable(decided(key))
    row = decided("evt_frozen")
    row.stand_in = "overloaded"
    with pytest.raises(StopError, match="without the database"):
        waivable(row)
    row.stand_in, row.trace = "", [{"rule": "nonsense"}]
    with pytest.raises(StopError, match="can't be read"):
        waivable(row)


# --- stand-in and replay


def test_stand_ins_copy_has_no_exceptions(allow: Any, settings: Any, tmp_path: Any) -> None:
    settings.SPOOL_DIR = tmp_path
    ADA.asks(100)
    allow()
    renew_policies()
    renew_cards()
    assert local_copy.card("ic_ada", "ich_ada") is not None
    with local_copy._opened(local_copy.POLICIES) as copy:
        assert copy.execute("SELECT count(*) FROM instruction").fetchone() == (0,)


def test_after_a_lost_commit_its_replay_uses_it(allow: Any, lose: Any) -> None:
    given = allow()
    replay_all = lose(ADA.event(ADA.purchase(54_000), "evt_lost"))
    assert not ExceptionUse.objects.exists()
    assert replay_all() == [Replayed.WRITTEN]
    assert (decided("evt_lost").exception_id, decided("evt_lost").problem) == (given.pk, "")
    assert ExceptionUse.objects.get().decision_id == "evt_lost"
    assert ADA.reason(54_000) == "amount_limit_exceeded"
    assert not Finding.objects.exists()
    assert_clean()


def test_a_replayed_answer_is_marked_where_another_used_it_meanwhile(allow: Any, lose: Any) -> None:
    allow()
    replay_all = lose(ADA.event(ADA.purchase(54_000), "evt_lost"))
    assert ADA.asks(54_000, event_id="evt_used")["approved"]
    assert replay_all() == [Replayed.WRITTEN]
    row = decided("evt_lost")
    assert row.problem == "The exception that let it through was used by evt_used as well."
    assert ExceptionUse.objects.get().decision_id == "evt_used"
    # Nobody let this second 540.00 through: it is over, and found.
    assert Finding.objects.get(kind="limit_exceeded").authorization_id == row.authorization_id
    assert_clean()


def test_a_replayed_answer_is_recorded_where_it_was_withdrawn_meanwhile(
    allow: Any, lose: Any, operator: User
) -> None:
    given = allow()
    replay_all = lose(ADA.event(ADA.purchase(54_000), "evt_lost"))
    assert stops.lift(given, by=operator, reason="Too late")
    assert replay_all() == [Replayed.WRITTEN]
    assert decided("evt_lost").approved
    assert_clean()


# --- many at once, and one after the other in a group


@pytest.mark.django_db(transaction=True)
def test_of_sixteen_identical_retries_at_once_exactly_one_is_approved(allow: Any) -> None:
    ADA.asks(0)
    allow()
    purchase = ADA.purchase(54_000)
    reasons = at_once(*[lambda: ADA.reason(purchase)] * 16)
    assert Counter(reasons) == {"approved": 1, "amount_limit_exceeded": 15}
    assert ExceptionUse.objects.count() == 1
    assert_clean()


def decide_in_one_group(*asked: Any) -> None:
    deliveries = [delivery_of(event, timezone.now()) for event in asked]
    members = [Member(events.authorization_request(it.event), it) for it in deliveries]
    with transaction.atomic():
        drive(within_a_transaction(decide_together(members)))


@pytest.mark.django_db(transaction=True)
def test_within_one_group_of_requests_it_is_used_once(allow: Any) -> None:
    ADA.asks(0)
    allow()
    asked = [ADA.event(ADA.purchase(54_000), f"evt_{number}") for number in range(4)]
    decide_in_one_group(*asked)
    rows = Decision.objects.filter(pk__in=[f"evt_{number}" for number in range(4)]).order_by("pk")
    assert [row.approved for row in rows] == [True, False, False, False]
    assert [bool((row.context or {}).get("exceptions")) for row in rows] == [True] + [False] * 3
    assert ExceptionUse.objects.get().decision_id == "evt_0"
    assert_clean()


@pytest.mark.django_db(transaction=True)
def test_within_one_group_each_of_two_is_used_by_one(allow: Any) -> None:
    BEA.asks(0)
    ADA.asks(0)
    used = [allow().pk, allow().pk]
    asked = [ADA.event(ADA.purchase(54_000), f"evt_{number}") for number in range(3)]
    decide_in_one_group(*asked)
    rows = Decision.objects.filter(pk__startswith="evt_", amount__gt=0).order_by("pk")
    assert [row.exception_id for row in rows] == [*used, None]
    assert_clean()


# --- the record


@pytest.fixture
def used(allow: Any) -> Instruction:
    given: Instruction = allow()
    ADA.asks(54_000, event_id="evt_used")
    return given


def test_what_was_changed_afterwards_is_found(used: Instruction) -> None:
    damage(used, terms=used.terms | {"up_to": 10})
    assert contradictions() == [f"evt_used: up_to of instruction {used.pk} is 60000; expected 10"]


def test_a_use_by_another_decision_is_found(used: Instruction) -> None:
    damage(ExceptionUse.objects.get(), decision_id="evt_other")
    assert contradictions() == [
        f"evt_used: use of exception {used.pk} is evt_other; expected evt_used",
        f"use of exception {used.pk}: decision is evt_other; expected one that names it",
    ]


def test_a_decision_that_names_an_exception_it_did_not_have_is_found(used: Instruction) -> None:
    row = decided("evt_used")
    damage(row, context=row.context | {"exceptions": []})
    assert contradictions() == [
        f"evt_used: instruction {used.pk} is used; expected one of its context"
    ]
    assert "approved" in {found.what for found in redecided()}


def test_what_goes_over_without_an_exception_is_found(used: Instruction) -> None:
    damage(decided("evt_used"), exception_id=None)
    assert [found for found in differences() if "usage with what it approved" in found]


def test_an_exception_that_had_ended_long_before_is_found(used: Instruction) -> None:
    hour = timedelta(hours=1)
    assert used.ends_at
    damage(used, starts_at=used.starts_at - 3 * hour, ends_at=used.ends_at - 3 * hour)
    assert f"evt_used: instruction {used.pk} is in force; expected none then" in contradictions()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE authorizations_exceptionuse SET used_at = now()",
        "DELETE FROM authorizations_exceptionuse",
    ],
)
def test_a_use_stays_on_record(used: Instruction, statement: str) -> None:
    with (
        pytest.raises(IntegrityError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
