"""What operators instruct meanwhile: of each kind some, most of them for seconds."""

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from authorizations.models import CardGroup, Decision, Policy
from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.services.policies import (
    exclusions,
    funds,
    own_amounts,
    planned,
    purchase_exceptions,
    stops,
)
from authorizations.services.policies.planned import PlanError, PlannedTimes
from authorizations.services.policies.publish import publish
from authorizations.services.policies.stops import StopError
from tests.load import town

_RECENT = 50


class Instructions:
    """An operator who instructs the desk; `chance` draws what."""

    def __init__(self, chance: Random, operator: User) -> None:
        self._chance = chance
        self._operator = operator
        self._number = 0

    def give(self) -> bool:
        """Do one of these things; whether it could be done."""
        kinds: list[Callable[[], object]] = [
            *[self._lift] * 6,
            *[self._freeze, self._block, self._give_own_amount],
            *[self._allow_once] * 6,
            *[self._enter_funds] * 6,
            *[self._leave_out, self._plan],
        ]
        try:
            self._chance.choice(kinds)()
        except (StopError, PlanError):
            return False
        return True

    @property
    def _reason(self) -> str:
        self._number += 1
        return f"Load {self._number} of {id(self)}"

    @property
    def _card(self) -> str:
        return self._chance.choice(list(town.CARDS))

    def _soon(self) -> timedelta:
        return timedelta(seconds=self._chance.uniform(0.2, 5))

    def _lift(self) -> None:
        """Any that holds, a freeze that attempts led to as well."""
        held = list(stops.holding().order_by("-pk")[:_RECENT])
        if held:
            stops.lift(self._chance.choice(held), by=self._operator, reason="Load")

    def _freeze(self) -> None:
        group = CardGroup.objects.get()
        scopes = [
            Scope(ScopeKind.CARD, self._card),
            Scope(ScopeKind.CARDHOLDER, self._chance.choice(list(town.CARDS.values()))),
            Scope(ScopeKind.GROUP, str(group.pk)),
            Scope(ScopeKind.PROGRAM, ""),
        ]
        until = timezone.now() + self._soon()
        scope = self._chance.choice(scopes)
        stops.freeze(scope, by=self._operator, reason=self._reason, until=until)

    def _block(self) -> None:
        terms = self._chance.choice([{"country": "FR"}, {"category": "6011"}])
        until = timezone.now() + self._soon()
        program = Scope(ScopeKind.PROGRAM, "")
        stops.block(program, terms, by=self._operator, reason=self._reason, until=until)

    def _give_own_amount(self) -> None:
        policy = Policy.objects.get(name="program")
        kinds: list[dict[str, Any]] = [{"amount": 200_000}, {"raise_by": 5_000}]
        figures = self._chance.choice(kinds)
        own_amounts.give(
            Scope(ScopeKind.CARD, self._card),
            policy,
            "daily",
            by=self._operator,
            reason=self._reason,
            until=timezone.now() + self._soon(),
            **figures,
        )

    def _allow_once(self) -> None:
        declined = Decision.objects.filter(approved=False, card__in=town.CARDS)
        recent = list(declined.order_by("-decided_at")[:_RECENT])
        if not recent:
            return
        row = self._chance.choice(recent)
        found = purchase_exceptions.waivable(row)
        purchase_exceptions.allow_once(
            str(row.card_id),
            [waiver for _, waiver in found.checks],
            up_to=max(found.usual_amount, 10_000),
            currency=found.request.currency,
            until=timezone.now() + timedelta(seconds=30),
            by=self._operator,
            reason=self._reason,
            decision=row.pk,
        )

    def _enter_funds(self) -> None:
        funds.enter(
            Policy.objects.get(name="pot"),
            "pot",
            Scope(ScopeKind.CARDHOLDER, "ich_load2"),
            self._chance.choice([50_000, 5_000, -2_000, -500_000]),
            by=self._operator,
            reference=self._reason,
            reason="Load",
        )

    def _leave_out(self) -> None:
        group = CardGroup.objects.get()
        exclusions.leave_out(
            Policy.objects.get(name="group"),
            Scope(ScopeKind.GROUP, str(group.pk)),
            Scope(ScopeKind.CARD, self._card),
            by=self._operator,
            reason=self._reason,
            until=timezone.now() + self._soon(),
        )

    def _plan(self) -> None:
        policy = Policy.objects.get(name=self._chance.choice(["program", "group"]))
        document = policy.document | {"refunds_restore": self._chance.random() < 0.5}
        now = timezone.now()
        times = PlannedTimes(now + self._soon(), now + timedelta(seconds=8))
        publish(document, author=self._operator, reason="Load", policy=policy, times=times)
        if self._chance.random() < 0.3 and (plan := policy.plans.open().first()):
            planned.cancel(plan.version, by=self._operator, reason="Load")
