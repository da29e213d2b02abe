"""Approvals of the database that a cap of stand-in may have a say on, noted in the host's memory.

Between look-up and commit: nothing is approved that is not noted, and nothing that has no room
beside what stand-in has approved and the books do not have yet.
"""

import logging
from dataclasses import replace

from authorizations.rules.basics.controls import scope_key
from authorizations.rules.decision.decide import decide
from authorizations.rules.purchases.counted import CountedUsage
from authorizations.services.authorize.outcome import Outcome
from authorizations.services.host import caps
from authorizations.services.host.host_memory import Approval, HostMemoryError, Memory

logger = logging.getLogger(__name__)


def note(outcome: Outcome | None) -> str | None:
    """Note an approval that is about to be committed; what names it, None where no cap does.

    Raises as caps.note does.
    """
    if outcome is None or not is_capped(outcome):
        return None
    capped = (policy for policy in outcome.applied if policy.controls.stand_in_cap)
    scopes = tuple({scope_key(policy.measured): None for policy in capped})
    if outcome.shares_cap:
        # It counts in a budget that others share, whose cap has no say on it.
        scopes = tuple(dict.fromkeys([*scopes, *outcome.locked.usage_scopes]))
    request, change = outcome.request, _increase(outcome)
    question = caps.question_of(request)
    caps.note(
        Approval(
            question=question,
            scopes=scopes,
            created=request.created,
            currency=request.currency,
            merchant=request.merchant,
            change=change,
        ),
        lambda held: _fits_beside(outcome, held),
    )
    return question


def is_capped(outcome: Outcome) -> bool:
    """Whether a cap may have a say on it, or on others that it shares a budget with.

    An approval that takes something, under a policy with a cap or left out of one.
    """
    return (
        outcome.decision.approved
        and (any(policy.controls.stand_in_cap for policy in outcome.applied) or outcome.shares_cap)
        and bool(_increase(outcome))
    )


def _fits_beside(outcome: Outcome, held: Memory) -> bool:
    """Whether it would be approved the same way with what stand-in approved in the books."""
    limits = (limit for policy in outcome.applied for limit in policy.controls.spending_limits)
    concerns = {limit.filter.key: limit.filter for limit in limits}
    usage = {}
    for window, used in outcome.usage.items():
        pending = held.awaiting_replay(window, concerns[window.filter_key])
        usage[window] = replace(
            used, amount=used.amount + pending.amount, count=used.count + pending.count
        )
    decision = decide(outcome.request, outcome.context, outcome.applied, usage)
    made = outcome.decision
    return decision.approved and (decision.amount, decision.exception) == (
        made.amount,
        made.exception,
    )


def _increase(outcome: Outcome) -> CountedUsage:
    """What the steps that add something add: room given back is heard of with the next copy."""
    steps = [change for _, change in outcome.steps.changes] if outcome.steps else []
    return CountedUsage(
        amount=sum(max(0, step.amount) for step in steps),
        cash=sum(max(0, step.cash) for step in steps),
        count=sum(max(0, step.count) for step in steps),
        cash_count=sum(max(0, step.cash_count) for step in steps),
    )


def settle(noted: str | None) -> None:
    """It is committed. Where that can't be noted, it counts twice for a minute."""
    if noted is not None:
        try:
            caps.settle(noted)
        except HostMemoryError as error:
            logger.warning("An approval can't be noted as committed: %s", error)


def await_replay(noted: str | None) -> None:
    """Nobody knows whether it is committed."""
    if noted is not None:
        try:
            caps.await_replay(noted)
        except HostMemoryError as error:
            logger.warning("An approval can't be noted as sent: %s", error)
