"""Limits on attempts: how often a card may ask, whether it is approved or not.

Each authorization is one attempt, by its first request. One that a freeze declined counts nowhere,
and one that a limit was full for does not count for that limit: else no limit would ever end.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum

from authorizations.rules.basics.controls import LimitControl
from authorizations.rules.decision.controls import AppliedControls, AttemptsUsed
from authorizations.rules.decision.limits import own_amount
from authorizations.rules.decision.values import Check, DeclineReason, LimitFigures, Verdict

THEN_FREEZE = "then_freeze"
"""The key of a check's `limit` that says for how many minutes the limit freezes a card."""


class Attempt(StrEnum):
    """What became of an attempt; a frozen card's counts for no limit."""

    APPROVED = "approved"
    DECLINED = "declined"
    FROZEN = "frozen"


def attempt_of(decision: Verdict) -> Attempt:
    """What became of an attempt that was decided so."""
    if decision.approved:  # no exception lets a frozen card through
        return Attempt.APPROVED
    is_frozen = any(it.rule is DeclineReason.CARD_FROZEN and not it.passed for it in decision.trace)
    return Attempt.FROZEN if is_frozen else Attempt.DECLINED


def attempt_checks(policy: AppliedControls) -> Iterator[Check]:
    """A check for each limit on attempts that concerns the purchase, which is an attempt itself."""
    for limit, used in measured(policy):
        rule = DeclineReason.ATTEMPT_LIMIT_EXCEEDED
        yield Check(
            rule=rule if used.is_complete else DeclineReason.LIMIT_NOT_COUNTED_YET,
            passed=has_room(limit, used),
            version_id=policy.version_id,
            policy=policy.controls.name,
            scope=policy.scope,
            limit=None if limit.then_freeze is None else {THEN_FREEZE: limit.then_freeze},
            figures=figures(limit, policy, used, asked=1),
        )


def measured(policy: AppliedControls) -> Iterator[tuple[LimitControl, AttemptsUsed]]:
    """The limits on attempts that concern the purchase, each with what it had counted."""
    by_key = {used.limit: used for used in policy.attempts}
    for limit in policy.controls.attempt_limits:
        if used := by_key.get(limit.key):
            yield limit, used


def has_room(limit: LimitControl, used: AttemptsUsed) -> bool:
    """Whether one more attempt is within the limit."""
    return used.is_complete and used.used < limit.limit_value


def reached(
    attempt: Attempt, applied: Sequence[AppliedControls]
) -> list[tuple[AppliedControls, LimitControl]]:
    """The limits that freeze the card now: this attempt reaches them, or is declined by them.

    That is, where no attempt has reached them before: such as a limit that allowed more then.
    """
    return [
        (policy, limit)
        for policy in applied
        for limit, used in measured(policy)
        if limit.then_freeze is not None
        and counts(limit, attempt)
        and used.is_complete
        and (used.used + 1 == limit.limit_value or _is_found_full(limit, used, attempt))
    ]


def _is_found_full(limit: LimitControl, used: AttemptsUsed, attempt: Attempt) -> bool:
    """Whether an attempt is declined by a limit that has not frozen the card for what it counts."""
    is_full = used.used >= limit.limit_value
    return is_full and attempt is Attempt.DECLINED and used.has_frozen is False


def counts(limit: LimitControl, attempt: Attempt) -> bool:
    """Whether a limit counts such attempts."""
    if limit.declined_only:
        return attempt is Attempt.DECLINED
    return attempt is not Attempt.FROZEN


def figures(
    limit: LimitControl, policy: AppliedControls, used: AttemptsUsed, *, asked: int
) -> LimitFigures:
    """The figures of a limit on attempts that counted these; `asked` is 1 for an attempt."""
    return LimitFigures(
        interval=limit.interval,
        limit=limit.limit_value,
        used=used.used,
        asked=asked,
        currency="",
        start=used.start,
        end=used.end,
        time_zone=policy.controls.time_zone,
        rolling_seconds=limit.rolling_seconds,
        filter=limit.filter.text,
        available_at=used.available_at,
        begins=limit.begins,
        policy_limit=limit.policy_figure,
        own=tuple(map(own_amount, limit.overrides)),
        of_attempts=True,
        declined_only=limit.declined_only,
    )


def attempt_limit_key(found: LimitFigures, policy: AppliedControls) -> str:
    """The key of the policy's limit that these figures are of; "" if it has no such limit."""
    unused = found._replace(used=0, asked=0, start=0, end=0, available_at=None)
    limits = policy.controls.attempt_limits
    nothing = AttemptsUsed("", 0, 0, 0)
    fitting = (it.key for it in limits if figures(it, policy, nothing, asked=0) == unused)
    return next(fitting, "")
