"""A decision of the database: all that it rested on, and the rows that it leaves behind."""

from collections.abc import Iterable
from dataclasses import dataclass

from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.values import PurchaseContext, Verdict, Window, WindowUsage
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.services.purchases.steps import Steps
from authorizations.services.runtime.delivery import Delivery
from authorizations.services.runtime.pipeline import Statement
from authorizations.services.store import rows, write_statements, writing
from authorizations.services.store.limited_attempts import MadeAttempt
from authorizations.services.store.lookup import LockedScopes
from authorizations.services.store.rows import DecisionRow
from authorizations.services.store.usage import Remembered


@dataclass(frozen=True, slots=True)
class Freeze:
    """A freeze of the card by a limit on attempts, which is named as by limited_attempts.

    For so many `minutes`, or until somebody lifts it if None.
    """

    limit: str
    minutes: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """A decision with all it rested on and all it changes.

    `steps` are those of the authorization, None where it must not be touched; `remembered` are the
    usage rows that changed or are new. `attempt` is None if the authorization was asked for before.
    `shares_cap` is as of Existing.
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
    attempt: MadeAttempt | None = None
    freezes: tuple[Freeze, ...] = ()
    shares_cap: bool = False


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
    made = outcome.attempt
    purchase = rows.authorization(
        request,
        locked,
        steps.last,
        *((made.attempt.value, made.refused_by) if made else ()),
    )
    return answer_body, writing.Rows(
        decisions=[decision],
        purchases=[purchase],
        entries=steps.entries(request, now),
        usage=outcome.remembered,
        uses=rows.exception_uses(decision, locked),
    )


def freezing(
    freezes: Iterable[Freeze], request: AuthorizationRequest, decision_id: str
) -> list[Statement]:
    """The statements that freeze the card of a request as its decision causes; usually none."""
    return [
        Statement(
            write_statements.FREEZE_CARD,
            {
                "card": request.card.id,
                "limit": freeze.limit,
                "decision": decision_id,
                "created": request.created,
                "minutes": freeze.minutes,
                "reason": freeze.reason[:500],
            },
        )
        for freeze in freezes
    ]
