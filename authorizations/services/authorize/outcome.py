"""A decision of the database: all that it rested on, and the rows that it leaves behind."""

from dataclasses import dataclass

from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.values import PurchaseContext, Verdict, Window, WindowUsage
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.services.purchases.steps import Steps
from authorizations.services.runtime.delivery import Delivery
from authorizations.services.store import rows, writing
from authorizations.services.store.lookup import LockedScopes
from authorizations.services.store.rows import DecisionRow
from authorizations.services.store.usage import Remembered


@dataclass(frozen=True, slots=True)
class Outcome:
    """A decision with all it rested on and all it changes.

    `steps` are those of the authorization, None where it must not be touched; `remembered` are the
    usage rows that changed or are new.
    """

    request: AuthorizationRequest
    locked: LockedScopes
    applied: tuple[AppliedControls, ...]
    context: PurchaseContext
    usage: dict[Window, WindowUsage]
    decision: Verdict
    steps: Steps | None
    remembered: list[Remembered]
    problem: str = ""


def rows_of(outcome: Outcome, delivery: Delivery) -> tuple[str, writing.Rows]:
    """The body of the answer, and what a decision leaves behind."""
    request, locked, steps, now = outcome.request, outcome.locked, outcome.steps, delivery.now
    answer_body = writing.render(outcome.decision, request.event_id)
    decision = DecisionRow(
        id=request.event_id,
        decided_at=now,
        problem=outcome.problem,
        policies=[rows.policy(policy) for policy in outcome.applied],
        context=rows.context(outcome.context),
        usage=list(outcome.usage.items()),
        position=int(outcome.steps is not None),
        answer=answer_body,
        duration_us=delivery.stopwatch.mark("decided"),
        **rows.verdict_columns(outcome.decision),
        **rows.question_columns(request),
    )
    if steps is None:
        return answer_body, writing.Rows(decisions=[decision])
    purchase = rows.authorization(request, locked, steps.last)
    return answer_body, writing.Rows(
        decisions=[decision],
        purchases=[purchase],
        entries=steps.entries(request, now),
        usage=outcome.remembered,
        uses=rows.exception_uses(decision, locked),
    )
