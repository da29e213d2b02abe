"""Stand-in decisions: without the database, only the last known usage is available.

Rules that need no usage apply as always. If a limit with a window applies to the purchase, its
policy says what may still be spent: an amount per purchase, and a cap per window of the limit, but
never more than the limit had remaining when the database was last read. Pure, as decide.py is: the
same context gives the same decision.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from authorizations.rules.basics.controls import Exclusion, Interval, LimitControl
from authorizations.rules.basics.filters import EVERYTHING, LimitFilter, Merchant, UnknownMerchant
from authorizations.rules.basics.money import MAX_AMOUNT
from authorizations.rules.basics.stops import Stop
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.decide import decide, deciding_check
from authorizations.rules.decision.limits import asked_of
from authorizations.rules.decision.values import (
    NO_USAGE,
    Check,
    DeclineReason,
    LimitFigures,
    PurchaseContext,
    Verdict,
    Window,
    WindowUsage,
)
from authorizations.rules.decision.windows import limit_window, windows_for
from authorizations.rules.purchases.books import AuthorizationState, OurResponse
from authorizations.rules.purchases.counted import CountedUsage
from authorizations.rules.purchases.events import AuthorizationRequest


class StandInCause(StrEnum):
    """Why an answer was given without the database."""

    DATABASE_UNREACHABLE = "database_unreachable"
    DEADLINE_MISSED = "deadline_missed"
    ROW_LOCKED = "row_locked"
    OVERLOADED = "overloaded"
    INTERNAL_ERROR = "internal_error"
    NOT_REPLAYED = "not_replayed"
    SWITCHED_ON = "switched_on"


class Refusal(StrEnum):
    """Why stand-in declines without evaluating any rule."""

    CAUSE_SWITCHED_OFF = "cause_switched_off"
    OVERLOAD_OPENS_NO_CAP = "overload_opens_no_cap"
    NOTHING_KNOWN = "nothing_known"
    COPY_TOO_OLD = "copy_too_old"
    UNKNOWN_CARD = "unknown_card"
    CAP_UNKNOWN = "cap_unknown"


class Measure(StrEnum):
    """What a stand-in check measures, stored as its `found`."""

    PURCHASE = "purchase"
    CAP = "cap"
    REMAINING = "remaining"
    FUNDS = "funds"
    FIRST_PURCHASE = "first_purchase"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class HostWindow:
    """What this host knows of a window; amounts in the smallest unit of the window's currency.

    `used` is the usage when the local copy was read, None if the copy lacks the window. `database`
    and `pending` are what this host has approved since then: with the database, and in stand-in as
    far as `used` lacks it. `taken` is everything stand-in has ever approved in the window.
    """

    used: WindowUsage | None = None
    database: WindowUsage = NO_USAGE
    pending: WindowUsage = NO_USAGE
    taken: int = 0


@dataclass(frozen=True, slots=True)
class StandInContext:
    """What stand-in knows besides request and policies; stored as the decision's context.

    `hosts` is the number of hosts that share each cap and what each window has remaining.
    `began_at` is the merchant where the purchase of an increment began, None if this host does not
    know it. `stops` are the freezes and blocks that stop this request, `exclusions` those that left
    out a policy, as far as the copy knows.
    """

    card_frozen: bool = False
    hosts: int = 1
    refusal: Refusal | None = None
    windows: tuple[tuple[Window, HostWindow], ...] = ()
    began_at: Merchant | None = None
    stops: tuple[Stop, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()


def begun(request: AuthorizationRequest, context: StandInContext) -> AuthorizationRequest:
    """The request at the merchant its purchase began with, which limits use.

    An increment may name a different merchant. If this host does not know where the purchase
    began, every limit applies to the increment, and only a limit without a filter grants it.
    """
    if not request.request_index:
        return request
    return request.begun_at(context.began_at or UnknownMerchant())


def decide_without_usage(
    request: AuthorizationRequest,
    context: StandInContext,
    applied: tuple[AppliedControls, ...],
) -> Verdict:
    """Approve in full or decline; never approve what `decide` would decline without any usage.

    A rule that fails without usage is the reason; otherwise the reason is STAND_IN. A window that
    the context lacks counts as used up.
    """
    if context.refusal:
        check = Check(DeclineReason.STAND_IN, passed=False, found=context.refusal)
        return _declined((check,))
    unused = _Unused.of(request, context, applied)
    if not unused.is_approved:
        return _declined(unused.certain)
    trace = (*unused.certain, *unused.allowances(context, applied))
    if deciding_check(trace):
        return _declined(trace)
    return replace(unused.decision, trace=trace)


def windows_needed(
    request: AuthorizationRequest,
    context: StandInContext,
    applied: tuple[AppliedControls, ...],
) -> dict[Window, LimitFilter]:
    """The windows whose usage the decision depends on, each with its filter.

    Empty if the purchase is declined regardless of usage, or if no limit with a window applies.
    """
    unused = _Unused.of(request, context, applied)
    if not unused.is_approved or any(map(unused.needs_history, applied)):
        return {}
    found: dict[Window, LimitFilter] = {}
    for policy, limits in unused.uncertain(applied):
        needs_funds = any(limit.interval is Interval.FUNDS for limit, _ in limits)
        if needs_funds or not all(check.passed for check in unused.per_purchase(policy)):
            return {}
        for limit, _ in limits:
            found[limit_window(limit, policy, request.created)] = limit.filter
            found[cap_window(limit, policy, request.created)] = EVERYTHING
    return found


def cap_window(limit: LimitControl, policy: AppliedControls, at: int) -> Window:
    """The window of a policy's cap: the limit's window, without its filter."""
    window = limit_window(limit, policy, at)
    return window._replace(filter_key=EVERYTHING.key, currency=policy.controls.currency)


def change_by(request: AuthorizationRequest, decision: Verdict) -> CountedUsage:
    """What an approval of a request, as `begun` returns it, adds to what limits count.

    The state before the request is the one that Stripe reports in it.
    """
    before = AuthorizationState().joined(request.snapshot)
    answer = OurResponse(
        request_index=request.request_index,
        event_id=request.event_id,
        at=request.event_created,
        approved=decision.approved,
        amount=decision.amount,
        asked=request.amount,
        cashback=request.cashback_amount if decision.amount else 0,
    )
    return before.with_response(answer).counted(request.merchant) - before.counted(request.merchant)


class _Unused(NamedTuple):
    """A purchase decided as if no limit had any usage."""

    request: AuthorizationRequest
    purchase_context: PurchaseContext
    decision: Verdict

    @classmethod
    def of(
        cls,
        request: AuthorizationRequest,
        context: StandInContext,
        applied: tuple[AppliedControls, ...],
    ) -> "_Unused":
        request = begun(request, context)
        purchase_context = _purchase_context(request, context)
        funded = tuple(map(_funded, applied))
        unused = dict.fromkeys(windows_for(request, funded), NO_USAGE)
        return cls(request, purchase_context, decide(request, purchase_context, funded, unused))

    @property
    def is_approved(self) -> bool:
        return self.decision.approved and not self.decision.is_partial

    @property
    def certain(self) -> tuple[Check, ...]:
        """The checks without those that passed only for lack of usage, or of earlier purchases."""
        return tuple(
            check
            for check in self.decision.trace
            if not (
                check.passed
                and (
                    check.rule is DeclineReason.FIRST_PURCHASE_NOT_ALLOWED
                    or (check.figures and _needs_usage(check.figures))
                )
            )
        )

    def needs_history(self, policy: AppliedControls) -> bool:
        """Whether a rule of the policy asks what the card has bought before."""
        reserving = replace(self.request, amount=self.decision.amount)
        exemption = policy.controls.exemption
        return any(
            rule.needs_history(reserving, self.purchase_context)
            and not (rule.spares_exempt and exemption and exemption.entry_for(reserving))
            for rule in policy.controls.rules
        )

    def uncertain(
        self, applied: tuple[AppliedControls, ...]
    ) -> Iterator[tuple[AppliedControls, list[tuple[LimitControl, int]]]]:
        """The policies with limits that need usage, and what the request adds to each of these."""
        reserving = replace(self.request, amount=self.decision.amount)
        for policy in applied if reserving.amount else ():
            limits = [
                (limit, asked)
                for limit in policy.controls.spending_limits
                if limit.interval is not Interval.PER_AUTHORIZATION
                and (asked := asked_of(limit, reserving, self.purchase_context)) is not None
            ]
            if limits:
                yield policy, limits

    def per_purchase(self, policy: AppliedControls) -> tuple[Check, ...]:
        """The check of the policy's amount per purchase, with what the purchase already holds."""
        controls, currency = policy.controls, self.request.currency
        limit = controls.stand_in_amount
        if not limit or not controls.stand_in_cap or controls.currency != currency:
            return (_check(policy, None),)
        held, asked = self.purchase_context.counted, self.decision.amount
        figures = LimitFigures(Interval.PER_AUTHORIZATION, limit, held, asked, currency)
        return (_check(policy, figures, Measure.PURCHASE),)

    def allowances(
        self, context: StandInContext, applied: tuple[AppliedControls, ...]
    ) -> Iterator[Check]:
        """Checks per policy: the purchase, each window's cap and what it had remaining."""
        at, hosts = self.request.created, context.hosts
        windows = dict(context.windows)
        for policy in applied:
            if self.needs_history(policy):
                yield _check(policy, None, Measure.FIRST_PURCHASE)
        for policy, limits in self.uncertain(applied):
            if any(limit.interval is Interval.FUNDS for limit, _ in limits):
                yield _check(policy, None, Measure.FUNDS)
                continue
            of_purchase = self.per_purchase(policy)
            yield from of_purchase
            if not all(check.passed for check in of_purchase):
                continue
            seen: set[Window] = set()
            for limit, asked in limits:
                window = cap_window(limit, policy, at)
                if window not in seen:
                    seen.add(window)
                    found = windows.get(window, HostWindow())
                    cap = _nothing(limit, policy, window)._replace(
                        limit=(policy.controls.stand_in_cap or 0) // hosts,
                        used=found.taken + found.database.amount,
                        asked=self.decision.amount,
                        filter="",
                        cash_only=False,
                    )
                    yield _check(policy, cap, Measure.CAP)
                window = limit_window(limit, policy, at)
                found = windows.get(window, HostWindow())
                if found.used is None:
                    unknown = _nothing(limit, policy, window)._replace(asked=asked)
                    yield _check(policy, unknown, Measure.UNKNOWN)
                    continue
                remaining = _nothing(limit, policy, window)._replace(
                    limit=(limit.limit_value - _measured(limit, policy, found.used)) // hosts,
                    used=_measured(limit, policy, found.database, found.pending),
                    asked=asked,
                )
                yield _check(policy, remaining, Measure.REMAINING)


def _funded(policy: AppliedControls) -> AppliedControls:
    """The policy with endless funds: what is left of them is not known here."""
    limits = tuple(
        replace(limit, amount=MAX_AMOUNT) if limit.interval is Interval.FUNDS else limit
        for limit in policy.controls.spending_limits
    )
    if limits == policy.controls.spending_limits:
        return policy
    return replace(policy, controls=replace(policy.controls, spending_limits=limits))


def _needs_usage(figures: LimitFigures) -> bool:
    return bool(figures.end) or figures.interval is Interval.FUNDS


def _nothing(limit: LimitControl, policy: AppliedControls, window: Window) -> LimitFigures:
    """The figures of a window without any usage."""
    return LimitFigures(
        interval=limit.interval,
        limit=0,
        used=0,
        asked=0,
        currency=window.currency,
        start=window.start,
        end=window.end,
        time_zone=policy.controls.time_zone,
        rolling_seconds=limit.rolling_seconds,
        filter=limit.filter.text,
        cash_only=limit.filter.cash_only,
        begins=limit.begins,
    )


def _measured(limit: LimitControl, policy: AppliedControls, *usage: WindowUsage) -> int:
    """How much of the limit this usage takes; refunds restore it if the policy says so."""
    if limit.amount is None:
        return sum(one.count for one in usage)
    restore = policy.controls.refunds_restore
    return sum(one.amount - (one.refunded if restore else 0) for one in usage)


def _declined(trace: tuple[Check, ...]) -> Verdict:
    check = deciding_check(trace)
    return Verdict(approved=False, amount=0, reason=check and check.rule, trace=trace)


def _purchase_context(request: AuthorizationRequest, context: StandInContext) -> PurchaseContext:
    """The state of the purchase according to Stripe's snapshot in the request."""
    state = AuthorizationState().joined(request.snapshot)
    counted = state.counted(request.merchant)
    return PurchaseContext(
        context.card_frozen,
        counted.amount,
        state.cashback,
        is_counted=bool(counted.count),
        stops=context.stops,
        exclusions=context.exclusions,
    )


def _check(
    policy: AppliedControls, figures: LimitFigures | None, measure: Measure | None = None
) -> Check:
    return Check(
        DeclineReason.STAND_IN,
        passed=figures is not None and figures.exceeded_by <= 0 and measure is not Measure.UNKNOWN,
        version_id=policy.version_id,
        policy=policy.controls.name,
        scope=policy.scope,
        found=measure,
        figures=figures,
        each=policy.each,
    )
