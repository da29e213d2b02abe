"""Makes decisions again from their rows alone: the outcome must be the same.

What a row says must also agree with the request it names: see `record_checks`.
"""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, TypeAlias

from django.db.models import Q

from authorizations.models import Authorization, DecidedBy, PolicyVersion, WebhookRequest
from authorizations.models import Decision as DecisionRow
from authorizations.rules.decision.decide import decide
from authorizations.rules.decision.stand_in import StandInContext, decide_without_usage
from authorizations.rules.decision.values import (
    TRACE_VERSION,
    DeclineReason,
    PurchaseContext,
    Verdict,
    Window,
    WindowUsage,
)
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.services.runtime import codec
from authorizations.services.runtime.codec import DAMAGED
from authorizations.services.store.answers import event_of
from authorizations.services.store.decision_row import (
    UnreadableRowError,
    applied_of,
    value_of,
)
from authorizations.services.verify.checking import EXISTING, Checked, Difference, by_key
from authorizations.services.verify.parts import checked
from authorizations.services.verify.ranges import WHOLE, Ids, Range, requests_in
from authorizations.services.verify.record_checks import decision_differences, request_differences
from authorizations.services.verify.versions import VERSIONS, version_differences
from authorizations.wire import answer, events

DECISIONS = "decisions"
KINDS = (DECISIONS, VERSIONS)

_SIZE = 200

WITHOUT_RULES = {
    DeclineReason.WRONG_MODE,
    DeclineReason.CONFLICTING_EVENT,
    DeclineReason.INTERNAL_ERROR,
}
"""Declines that are made without asking any policy."""


def redecide(decision_id: str) -> list[Difference]:
    """Make a decision again; returns where its row contradicts itself or the new outcome.

    Raises Decision.DoesNotExist.
    """
    row = DecisionRow.objects.filter(decided_by=DecidedBy.DESK).get(pk=decision_id)
    return _differences(row, *_named_by([row]))


def redecide_all(processes: int = 1, part: Range = WHOLE) -> Iterator[Checked]:
    """Make every decision of a part of the record again; check every policy version's hash."""
    ids = requests_in(part)
    cuts = [ids.above + ids.number * place // processes for place in range(processes + 1)]
    spans = [partial(_redecide, Ids(*span)) for span in pairwise(cuts)]
    yield from checked([*spans, versions], processes)


def _redecide(ids: Ids) -> Iterator[Checked]:
    """Redecide in the order of writing, some rows at a time, in short transactions."""
    ours = DecisionRow.objects.filter(decided_by=DecidedBy.DESK)
    rows = ours.filter(webhook_request_id__lte=ids.up_to).order_by("webhook_request_id", "pk")
    rest = Q(webhook_request_id__gt=ids.above)
    while piece := list(rows.filter(rest)[:_SIZE]):
        named = _named_by(piece)
        differences: list[Difference] = []
        for row in piece:
            try:
                differences += _differences(row, *named)
            except DAMAGED as problem:  # one unreadable row must not hide the others
                differences.append(Difference(row.pk, "content", repr(problem), "readable"))
        yield Checked(DECISIONS, len(piece), differences)
        last = piece[-1].webhook_request_id
        rest = Q(webhook_request_id__gt=last) | Q(webhook_request_id=last, pk__gt=piece[-1].pk)


_Requests: TypeAlias = dict[int, WebhookRequest]
_Purchases: TypeAlias = dict[str, Authorization]


def _named_by(rows: Sequence[DecisionRow]) -> tuple[_Requests, _Purchases]:
    """The requests and authorizations that decisions name. No foreign key ensures they exist."""
    return (
        WebhookRequest.objects.select_related("repeats").in_bulk(
            {row.webhook_request_id for row in rows}
        ),
        Authorization.objects.in_bulk({row.authorization_id for row in rows} - {None}),
    )


def _differences(row: DecisionRow, requests: _Requests, purchases: _Purchases) -> list[Difference]:
    request = requests.get(row.webhook_request_id)
    purchase = purchases.get(row.authorization_id or "")
    found = [*decision_differences(row, request, purchase)]
    if request:
        found += request_differences(request)
    if row.approved and not purchase:
        found.append(Difference(row.pk, "authorization", row.authorization_id, EXISTING))
    try:
        found += _changed_outcome(row, request)
    except UnreadableRowError as damage:
        found.append(Difference(row.pk, damage.what, damage.kept, damage.found))
    # Several checks may find the same difference: the first one counts.
    return list({(it.where, it.what): it for it in reversed(found)}.values())[::-1]


def _changed_outcome(row: DecisionRow, asked: WebhookRequest | None) -> Iterator[Difference]:
    """What comes out differently now. Raises UnreadableRowError."""
    again, columns = _decide_again(row, asked)
    columns |= {
        "approved": again.approved,
        "approved_amount": again.amount,
        "is_partial": again.is_partial,
        "reason": again.reason or "",
        "exception_id": again.exception,
        "trace_version": TRACE_VERSION,
        "answer": answer.render(
            approved=again.approved,
            amount=again.named_amount,
            decision=event_of(row.pk),
            reason=again.reason,
            stand_in=row.stand_in,
        ).decode(),
    }
    for name, value in columns.items():
        if getattr(row, name) != value:
            yield Difference(row.pk, name, getattr(row, name), value)
    recorded, trace = row.trace, json.loads(codec.to_json(codec.plain_trace(again.trace)))
    for index, (before, after) in enumerate(zip(recorded, trace, strict=False)):
        if before != after:
            yield Difference(row.pk, f"trace[{index}]", before, after)
    if len(recorded) != len(trace):
        yield Difference(row.pk, "length of the trace", len(recorded), len(trace))


def _decide_again(row: DecisionRow, asked: WebhookRequest | None) -> tuple[Verdict, dict[str, Any]]:
    """The decision made again, and the columns that repeat a part of the request."""
    if row.request is None:
        return _without_rules(row) or _unreadable_again(row, asked), {}
    request = value_of(AuthorizationRequest, row.request, "request")
    columns = {
        "authorization_id": request.authorization_id,
        "card_id": request.card.id,
        "amount": request.amount,
        "currency": request.currency,
    }
    if decline := _without_rules(row):
        return decline, columns
    applied = applied_of(row.policies)
    if row.stand_in:
        stand_in_context = value_of(StandInContext, row.context, "context")
        return decide_without_usage(request, stand_in_context, applied), columns
    context = value_of(PurchaseContext, row.context, "context")
    usage = dict(value_of(list[tuple[Window, WindowUsage]], row.usage, "usage"))
    try:
        return decide(request, context, applied, usage), columns
    except KeyError as missing:
        raise UnreadableRowError("usage", "none", missing) from None


def _without_rules(row: DecisionRow) -> Verdict | None:
    """The decline of a row that was made without asking any policy; None for other rows."""
    if row.reason not in WITHOUT_RULES:
        return None
    return Verdict(approved=False, amount=0, reason=DeclineReason(row.reason))


def _unreadable_again(row: DecisionRow, asked: WebhookRequest | None) -> Verdict:
    """The decline of a request that was unreadable, and must be so for the same reason now."""
    try:
        if asked:
            events.authorization_request(events.read(asked.kept_body))
            raise UnreadableRowError("problem", row.problem, "none: the request can be read")
    except events.MalformedEventError as malformed:
        if row.problem != malformed.problem[:500]:
            raise UnreadableRowError("problem", row.problem, malformed.problem) from None
        return Verdict(approved=False, amount=0, reason=DeclineReason.MALFORMED_REQUEST)
    except events.NotAnEventError as problem:
        raise UnreadableRowError("webhook request", row.webhook_request_id, problem) from None
    raise UnreadableRowError("webhook request", row.webhook_request_id, EXISTING)


def versions() -> Iterator[Checked]:
    """Check each policy version's content against its SHA-256."""
    for version in by_key(PolicyVersion.objects.all()):
        yield Checked(VERSIONS, 1, [*version_differences(version)])
