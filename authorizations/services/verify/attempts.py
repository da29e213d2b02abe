"""Checks limits on attempts: what decisions say they counted, what attempts became, and freezes."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from django.db.models import QuerySet

from authorizations.models import Authorization, Card, Decision, Instruction, PolicyVersion
from authorizations.rules.basics.controls import scope_of
from authorizations.rules.basics.filters import Merchant
from authorizations.rules.decision.attempts import Attempt, attempt_of, reached
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.values import DeclineReason, Verdict
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.services.host.versions import controls_of
from authorizations.services.purchases.entries import WITHOUT_BOOKS
from authorizations.services.runtime import codec
from authorizations.services.runtime.codec import DAMAGED
from authorizations.services.store.decision_row import UnreadableRowError, applied_of, value_of
from authorizations.services.store.limited_attempts import (
    LimitedAttempts,
    MadeAttempt,
    limit_name,
    of_purchase,
    refusing,
)
from authorizations.services.store.statements import MERCHANT
from authorizations.services.verify.changed_chains import ChangedChains
from authorizations.services.verify.checking import EXISTING, Difference, fetch

_APART = timedelta(minutes=1)
"""Around a lifting, a decision may know of it or not: commits under way, and clocks."""

_MAX_CHAINS = 256
"""Maximum chains of cards whose attempts are kept."""

_MADE = f"""
WITH chain AS MATERIALIZED (
    SELECT id FROM authorizations_card WHERE root_id = %(root)s
)
SELECT
    purchase.id, first.request_id, extract(epoch FROM created)::bigint, attempt, refused_by,
    {MERCHANT}
FROM authorizations_authorization AS purchase
JOIN (
    SELECT authorization_id, min(webhook_request_id) AS request_id
    FROM authorizations_decision
    WHERE card_id = ANY(ARRAY(SELECT id FROM chain)) AND decided_by = 'desk'
        AND reason <> ALL(%(without)s)
    GROUP BY 1
) AS first ON first.authorization_id = purchase.id
WHERE card_id = ANY(ARRAY(SELECT id FROM chain)) AND attempt <> ''
"""  # noqa: S608 - all of it is written here


class _RecordedAttempt(NamedTuple):
    """An attempt, its authorization, and the delivery that it was first decided on."""

    purchase_id: str
    request_id: int
    made: MadeAttempt


class _Chain:
    """The attempts of a chain of cards."""

    def __init__(self, attempts: Iterable[_RecordedAttempt]) -> None:
        self._in_order = sorted(attempts, key=lambda one: one.request_id)
        self._by_purchase = {one.purchase_id: one for one in self._in_order}
        # When the latest began, of each and those written before it.
        self._latest = list(accumulate((one.made.created for one in self._in_order), max))

    def of(self, purchase_id: str) -> _RecordedAttempt | None:
        """That of an authorization."""
        return self._by_purchase.get(purchase_id)

    def before(self, row: Decision, start: int) -> Iterator[MadeAttempt]:
        """Those of other authorizations that were there then, the last first.

        All that began at `start` or later, and some others.
        """
        place = bisect_left(self._in_order, row.webhook_request_id, key=lambda it: it.request_id)
        while place and self._latest[place - 1] >= start:
            place -= 1
            one = self._in_order[place]
            if one.purchase_id != row.authorization_id:
                yield one.made


class Attempts:
    """The attempts of cards that decisions are about, each chain's read when first asked for."""

    def __init__(self) -> None:
        self._chains: dict[str, _Chain] = {}

    def differences(self, row: Decision, purchase: Authorization | None) -> Iterator[Difference]:
        """Where a decision of this desk contradicts its authorization, or attempts before it."""
        if row.request is None or row.reason in WITHOUT_BOOKS or purchase is None:
            return
        try:
            trace = codec.trace([it for it in row.trace if it["rule"] == DeclineReason.CARD_FROZEN])
            attempt = attempt_of(Verdict(row.approved, row.approved_amount, trace=trace))
            versions = controls_of(policy["version"] for policy in row.policies)
            is_limited = any(controls.attempt_limits for _, controls in versions.values())
            if purchase.attempt == attempt and not purchase.refused_by and not is_limited:
                return
            request = value_of(AuthorizationRequest, row.request, "request")
            applied = applied_of(row.policies)
        except (*DAMAGED, UnreadableRowError):
            return  # others say so
        if request.request_index:
            return
        in_force = {self._policy_of[policy.version_id]: policy.version_id for policy in applied}
        made = self._chain(purchase.root_id)
        first = made.of(purchase.pk)
        if first is None or first.request_id == row.webhook_request_id:
            yield from self._first_differences(row, purchase, applied, attempt, in_force)
        # A replayed answer has no position: others may have been made since it was sent.
        if is_limited and row.position:
            limits = of_purchase(request, applied, in_force)
            found = [*self._counted_differences(row, purchase, applied, limits, made)]
            chain = ("card", purchase.root_id)
            at = row.decided_at.timestamp()
            # What a card's attempts were then is not known any more if its chain has changed.
            if found and not ChangedChains({chain}).changed_since(chain, at):
                yield from found

    def _first_differences(
        self,
        row: Decision,
        purchase: Authorization,
        applied: Sequence[AppliedControls],
        attempt: Attempt,
        in_force: dict[int, int],
    ) -> Iterator[Difference]:
        """What the first decision leaves: what became of the attempt, and freezes of the card."""
        if purchase.attempt != attempt:
            yield Difference(row.pk, "attempt of its authorization", purchase.attempt, attempt)
        refused = set[str]() if row.approved else {*refusing(applied, in_force)}
        if {*purchase.refused_by.split()} != refused:
            expected = " ".join(sorted(refused))
            yield Difference(row.pk, "limits that refused it", purchase.refused_by, expected)
        causes = {
            limit_name(self._policy_of[policy.version_id], limit.key)
            for policy, limit in reached(attempt, applied)
        }
        freezes = self._freezes.get(row.pk, set())
        for name in sorted(freezes ^ causes):
            found, right = ("none", EXISTING) if name in causes else (EXISTING, "none")
            yield Difference(row.pk, f"freeze by limit {name}", found, right)

    def _counted_differences(
        self,
        row: Decision,
        purchase: Authorization,
        applied: Sequence[AppliedControls],
        limits: Sequence[LimitedAttempts],
        made: _Chain,
    ) -> Iterator[Difference]:
        """The limits that had counted something else, or whose count is missing."""
        first = made.of(purchase.pk)
        is_asked_again = first is not None and first.request_id < row.webhook_request_id
        told = {
            (policy.version_id, used.limit): used for policy in applied for used in policy.attempts
        }
        for limited in limits:
            recorded = told.get((limited.version_id, limited.limit.key))
            what = f"attempts by limit {limited.name}"
            if recorded is None:
                if not is_asked_again:
                    yield Difference(row.pk, what, "not counted", "counted")
                continue
            possible = []
            for start in self._starts(limited, purchase.root_id, row.decided_at):
                counted = limited.since(start)
                for one in made.before(row, start):
                    counted = counted.and_also(one)
                possible.append(counted.used)
            if recorded.has_frozen is None:  # an older row does not say whether it had
                possible = [replace(used, has_frozen=None) for used in possible]
            if recorded.is_complete and recorded not in possible:
                yield Difference(row.pk, what, recorded, possible[0])

    def _starts(self, limited: LimitedAttempts, root_id: str, at: datetime) -> list[int]:
        """When the limit may have begun to count: with its window, or after a lifted freeze."""
        lifted = [
            (when, created + 1)
            for root, name, when, created in self._lifted
            if (root, name) == (root_id, limited.name) and created >= limited.start
        ]
        surely = max((start for when, start in lifted if when < at - _APART), default=limited.start)
        return [
            surely,
            *(start for when, start in lifted if abs(when - at) <= _APART and start > surely),
        ]

    def _chain(self, root_id: str) -> _Chain:
        if root_id not in self._chains:
            if len(self._chains) >= _MAX_CHAINS:
                self._chains.clear()
            rows = fetch(_MADE, {"root": root_id, "without": [*WITHOUT_BOOKS]})
            self._chains[root_id] = _Chain(
                _RecordedAttempt(
                    key,
                    request_id,
                    MadeAttempt(
                        root_id,
                        created,
                        Attempt(attempt),
                        tuple(refused_by.split()),
                        Merchant(*merchant),
                        tuple(self._frozen_by.get(key, ())),
                    ),
                )
                for key, request_id, created, attempt, refused_by, *merchant in rows
            )
        return self._chains[root_id]

    @cached_property
    def _policy_of(self) -> dict[int, int]:
        return dict(PolicyVersion.objects.values_list("pk", "policy_id"))

    @cached_property
    def _freezes(self) -> dict[str, set[str]]:
        """The limits that froze a card, by the decision that reached them."""
        found: dict[str, set[str]] = {}
        for terms in _by_limits().values_list("terms", flat=True):
            found.setdefault(terms["decision"], set()).add(terms["attempts"])
        return found

    @cached_property
    def _frozen_by(self) -> dict[str, set[str]]:
        """The same by the authorization."""
        rows = Decision.objects.filter(pk__in=self._freezes)
        purchases = rows.values_list("pk", "authorization_id")
        return {key: self._freezes[decision] for decision, key in purchases if key}

    @cached_property
    def _lifted(self) -> list[tuple[str, str, datetime, int]]:
        """The lifted freezes: the card's root, the limit, when that was, when its attempt began."""
        columns = ("scope", "terms", "lifting__lifted_at")
        rows = [*_by_limits().filter(lifting__isnull=False).values_list(*columns)]
        cards = {scope: scope_of(scope).id for scope, _, _ in rows}
        roots = dict(Card.objects.filter(pk__in=cards.values()).values_list("pk", "root_id"))
        return [
            (roots.get(cards[scope], ""), terms["attempts"], at, terms["created"])
            for scope, terms, at in rows
        ]


def _by_limits() -> QuerySet[Instruction]:
    """The freezes that limits on attempts made."""
    freezes = Instruction.objects.filter(kind=Instruction.Kind.FREEZE)
    return freezes.filter(terms__has_key="attempts")
