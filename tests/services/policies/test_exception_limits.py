"""What users of a role may give to one scope, with all that it has or got lately."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone

from authorizations.models import ExceptionLimit, FundEntry, Instruction, Policy
from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.rules.basics.purchase_exceptions import Waiver
from authorizations.rules.decision.values import DeclineReason
from authorizations.services.policies import funds, own_amounts, purchase_exceptions, stops
from authorizations.services.policies.stops import StopError
from tests.services.authorize.test_races import at_once
from tests.support.damage import damage, rewrite
from tests.support.desk import Shopper, in_force

pytestmark = pytest.mark.django_db

CARD, OTHER = Scope(ScopeKind.CARD, "ic_ada"), Scope(ScopeKind.CARD, "ic_bea")
DAY = timedelta(hours=24, seconds=1)


@pytest.fixture
def policy() -> Policy:
    limits = [{"amount": 50_000, "interval": "monthly"}, {"key": "pot", "funds": True}]
    found = in_force("Team", spending_limits=[*limits, {"count": 2, "interval": "daily"}])
    for card in ("ic_ada", "ic_bea"):
        Shopper(card_id=card).reason(0)
    return found


@pytest.fixture
def operator() -> User:
    found = User.objects.create(username="operator")
    role = Group.objects.get(name="Operations")
    found.groups.add(role)
    ExceptionLimit.objects.create(role=role, currency="eur", amount=30_000)
    return found


@pytest.fixture
def give(policy: Policy, operator: User) -> Any:
    def given(scope: Scope = CARD, *, by: User = operator, **figures: Any) -> Instruction:
        reason = f"Trip {Instruction.objects.count()}"
        return own_amounts.give(scope, policy, "monthly", by=by, reason=reason, **figures)

    return given


@pytest.fixture
def add(policy: Policy, operator: User) -> Any:
    def added(amount: int, scope: Scope = CARD) -> FundEntry:
        reference = f"PO-{FundEntry.objects.count()}"
        return funds.enter(
            policy, "pot", scope, amount, by=operator, reference=reference, reason="Budget"
        )

    return added


def test_raises_sets_above_the_policys_amount_and_funds_count_together(give: Any, add: Any) -> None:
    give(raise_by=10_000)
    give(amount=65_000)
    add(4_000)
    with pytest.raises(StopError, match=r"may give €300.00 .* €10.00 is left"):
        give(raise_by=1_001)
    with pytest.raises(StopError, match=r"€10\.00 is left"):
        add(1_001)
    with pytest.raises(StopError, match=r"€10\.00 is left"):
        give(amount=51_001)
    add(1_000)
    with pytest.raises(StopError, match=r"€0\.00 is left"):
        add(1)


def test_each_scope_has_its_own_and_less_than_the_policy_is_nothing_given(give: Any) -> None:
    give(raise_by=30_000)
    give(OTHER, raise_by=30_000)
    give(amount=40_000)
    with pytest.raises(StopError, match="is left"):
        give(raise_by=1)


def test_the_cards_of_a_chain_are_one_card(give: Any, add: Any, operator: User) -> None:
    Shopper(card_id="ic_new", card={"replacement_for": "ic_ada"}).reason(0)
    give(raise_by=10_000)
    add(5_000)
    until, waives = timezone.now() + timedelta(minutes=60), [Waiver(DeclineReason.NO_POLICY)]
    known: Any = {"currency": "eur", "until": until, "by": operator, "reason": "Till"}
    with pytest.raises(StopError, match=r"€150\.00 is left"):
        purchase_exceptions.allow_once("ic_new", waives, up_to=15_001, **known)
    purchase_exceptions.allow_once("ic_new", waives, up_to=15_000, **known)
    with pytest.raises(StopError, match=r"€0\.00 is left"):
        give(raise_by=1)


def test_an_exception_counts_with_its_amount_used_or_not(give: Any, operator: User) -> None:
    waiver = Waiver(DeclineReason.NO_POLICY)
    until = timezone.now() + timedelta(minutes=60)

    def allow(up_to: int) -> Instruction:
        return purchase_exceptions.allow_once(
            "ic_ada",
            [waiver],
            up_to=up_to,
            currency="eur",
            until=until,
            by=operator,
            reason="Shoes",
        )

    allow(20_000)
    give(raise_by=9_000)
    with pytest.raises(StopError, match=r"€10\.00 is left"):
        allow(1_001)
    allow(1_000)


def test_taking_out_is_free_and_gives_nothing_back_for_a_day(add: Any) -> None:
    add(30_000)
    add(-30_000)
    with pytest.raises(StopError, match="is left"):
        add(1)


def test_what_is_lifted_counts_for_a_day_and_what_holds_for_as_long_as_it_does(
    give: Any, add: Any, operator: User
) -> None:
    holds, lifted = give(raise_by=20_000), give(raise_by=10_000)
    stops.lift(lifted, by=operator, reason="Back")
    entry = None
    with pytest.raises(StopError, match="is left"):
        give(raise_by=1)
    for row in (holds, lifted):
        rewrite(row, starts_at=row.starts_at - DAY)
    entry = add(10_000)
    with pytest.raises(StopError, match="is left"):
        add(1)
    damage(entry, entered_at=entry.entered_at - DAY)
    give(raise_by=10_000)


def test_a_number_of_purchases_has_no_currency_and_no_limit(policy: Policy, operator: User) -> None:
    own_amounts.give(CARD, policy, "daily_count", by=operator, reason="Fair", raise_by=500)


def test_of_several_roles_the_one_that_allows_most_counts(give: Any, operator: User) -> None:
    readers = Group.objects.get(name="Auditors")
    operator.groups.add(readers)  # may give nothing, so that its having no limit says nothing
    with pytest.raises(StopError, match=r"may give €300\.00"):
        give(raise_by=30_001)
    leads = Group.objects.create(name="Leads")
    leads.permissions.set(Group.objects.get(name="Operations").permissions.all())
    operator.groups.add(leads)
    give(raise_by=10_000_000)
    ExceptionLimit.objects.create(role=leads, currency="eur", amount=50_000)
    with pytest.raises(StopError, match=r"may give €500\.00"):
        give(OTHER, raise_by=50_001)
    give(OTHER, raise_by=50_000)


def test_superusers_commands_and_other_currencies_have_no_limit(give: Any) -> None:
    root = User.objects.create(username="root", is_superuser=True)
    give(by=root, raise_by=10_000_000)
    give(by=None, raise_by=10_000_000)
    ExceptionLimit.objects.update(currency="usd")
    give(OTHER, raise_by=10_000_000)


@pytest.mark.django_db(transaction=True)
def test_two_at_once_give_no_more_than_one_may(give: Any, add: Any) -> None:
    def attempt(work: Any) -> str:
        try:
            work()
        except StopError:
            return "refused"
        return "given"

    works = [lambda: add(20_000), lambda: give(raise_by=20_000)] * 2
    found = at_once(*[lambda work=work: attempt(work) for work in works])
    assert sorted(found) == ["given", "refused", "refused", "refused"]
