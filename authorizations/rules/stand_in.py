"""Deciding without the database: nobody knows what is used up.

Rules that need no usage are applied as always. Where a limit with a window concerns the purchase,
its policy says what may be spent all the same: so much a purchase, so much a card and outage; or
nothing. Pure, as decide.py is: the same circumstances give the same decision.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from authorizations.rules.books import Books
from authorizations.rules.controls import AppliedControls, Interval
from authorizations.rules.decide import decide, deciding_check
from authorizations.rules.values import (
    NO_USAGE,
    AuthorizationRequest,
    Check,
    Decision,
    DeclineReason,
    LimitFigures,
    Standing,
)
from authorizations.rules.windows import windows_for


class StandInCause(StrEnum):
    """Why an answer was given without the database."""

    DATABASE_UNREACHABLE = "database_unreachable"
    DEADLINE_MISSED = "deadline_missed"
    ROW_LOCKED = "row_locked"
    OVERLOADED = "overloaded"
    INTERNAL_ERROR = "internal_error"
    SWITCHED_ON = "switched_on"


class Refusal(StrEnum):
    """Why stand-in could not even look at the rules, or must not."""

    CAUSE_SWITCHED_OFF = "cause_switched_off"
    OVERLOAD_OPENS_NO_CAP = "overload_opens_no_cap"
    NOTHING_KNOWN = "nothing_known"
    COPY_TOO_OLD = "copy_too_old"
    UNKNOWN_CARD = "unknown_card"
    CAP_UNKNOWN = "cap_unknown"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What stand-in knew beside request and policies; kept with the decision as its standing.

    `taken` is what it approved on this card in this outage before, on one of `hosts` that share
    each cap, in the smallest unit of the card's currency.
    """

    card_frozen: bool = False
    taken: int = 0
    hosts: int = 1
    refusal: Refusal | None = None


def decide_without_usage(
    request: AuthorizationRequest,
    circumstances: Circumstances,
    applied: tuple[AppliedControls, ...],
) -> Decision:
    """Approve in whole or not at all, and nothing that `decide` would decline were nothing used.

    A rule that fails without any usage is the reason; else the reason is STAND_IN.
    """
    if circumstances.refusal:
        check = Check(DeclineReason.STAND_IN, passed=False, found=circumstances.refusal)
        return _declined((check,))
    standing = _standing(request, circumstances)
    unused = dict.fromkeys(windows_for(request, applied), NO_USAGE)
    decision = decide(request, standing, applied, unused)
    if not decision.approved or decision.is_partial:
        return _declined(_certain(decision.trace))
    allowed = [
        check
        for policy in _uncertain(decision, applied)
        for check in _allowance(policy, request, circumstances, standing.counted, decision.amount)
    ]
    trace = (*_certain(decision.trace), *allowed)
    if deciding_check(trace):
        return _declined(trace)
    return replace(decision, trace=trace)


def needs_cap(
    request: AuthorizationRequest,
    circumstances: Circumstances,
    applied: tuple[AppliedControls, ...],
) -> bool:
    """Whether the decision depends on what stand-in approved on this card before."""
    unasked = decide_without_usage(request, replace(circumstances, taken=0), applied)
    return unasked.approved and any(map(_is_cap, unasked.trace))


def _is_cap(check: Check) -> bool:
    return bool(
        check.rule is DeclineReason.STAND_IN
        and check.figures
        and check.figures.interval is Interval.ALL_TIME
    )


def _declined(trace: tuple[Check, ...]) -> Decision:
    check = deciding_check(trace)
    return Decision(approved=False, amount=0, reason=check and check.rule, trace=trace)


def _standing(request: AuthorizationRequest, circumstances: Circumstances) -> Standing:
    """How the purchase stands by Stripe's own word."""
    told = Books().joined(request.snapshot)
    counted = told.counted(request.merchant)
    return Standing(
        circumstances.card_frozen, counted.amount, told.cashback, is_counted=bool(counted.count)
    )


def _certain(trace: tuple[Check, ...]) -> tuple[Check, ...]:
    """Without the limits that passed only because nobody knows what is used up."""
    return tuple(check for check in trace if not (check.passed and _has_window(check)))


def _has_window(check: Check) -> bool:
    return bool(check.figures and check.figures.end)


def _uncertain(
    decision: Decision, applied: tuple[AppliedControls, ...]
) -> tuple[AppliedControls, ...]:
    """The policies of which a limit concerns the purchase that only usage could answer."""
    versions = {check.version_id for check in decision.trace if _has_window(check)}
    return tuple(policy for policy in applied if policy.version_id in versions)


def _allowance(
    policy: AppliedControls,
    request: AuthorizationRequest,
    circumstances: Circumstances,
    held: int,
    asked: int,
) -> Iterator[Check]:
    """What a policy allows in stand-in: the purchase with what is held for it, and the card's cap.

    Amounts in the smallest unit of the card's currency.
    """
    controls, currency = policy.controls, request.currency
    if not controls.stand_in_amount or not controls.stand_in_cap or controls.currency != currency:
        yield _check(policy, None)
        return
    share = controls.stand_in_cap // circumstances.hosts
    yield _check(
        policy,
        LimitFigures(Interval.PER_AUTHORIZATION, controls.stand_in_amount, held, asked, currency),
    )
    yield _check(
        policy, LimitFigures(Interval.ALL_TIME, share, circumstances.taken, asked, currency)
    )


def _check(policy: AppliedControls, figures: LimitFigures | None) -> Check:
    return Check(
        DeclineReason.STAND_IN,
        passed=figures is not None and figures.over <= 0,
        version_id=policy.version_id,
        policy=policy.controls.name,
        scope=policy.scope,
        figures=figures,
    )
