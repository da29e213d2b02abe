"""Deciding again, from what a decision's row holds and nothing else: it must come out the same.

And what the row holds must be what its request says: see record_checks.
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
    Check,
    DeclineReason,
    PurchaseContext,
    Verdict,
    Window,
    WindowUsage,
)
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.services.runtime import codec
from authorizations.services.store.answers import event_of
from authorizations.services.store.decision_row import (
    DAMAGED,
    UnreadableRowError,
    applied_of,
    value_of,
)
from authorizations.services.verify.checking import Checked, Difference, by_key
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
"""Declines that no policy was asked for."""


def redecide(decision_id: str) -> list[Difference]:
    """What is kept of a decision that contradicts itself, and what comes out differently when it
    is made again: nothing, as it should be.

    Raises Decision.DoesNotExist.
    """
    row = DecisionRow.objects.filter(decided_by=DecidedBy.DESK).get(pk=decision_id)
    return _differences(row, *_named_by([row]))


def redecide_all(processes: int = 1, part: Range = WHOLE) -> Iterator[Checked]:
    """The same for every decision there is, or of a range, and every version against its hash."""
    ids = requests_in(part)
    cuts = [ids.above + ids.number * place // processes for place in range(processes + 1)]
    spans = [partial(_redecide, Ids(*span)) for span in pairwise(cuts)]
    yield from checked([*spans, versions], processes)


def _redecide(ids: Ids) -> Iterator[Checked]:
    """In the order they were written, in pieces that are short transactions of their own."""
    ours = DecisionRow.objects.filter(decided_by=DecidedBy.DESK)
    rows = ours.filter(webhook_request_id__lte=ids.up_to).order_by("webhook_request_id", "pk")
    rest = Q(webhook_request_id__gt=ids.above)
    while piece := list(rows.filter(rest)[:_SIZE]):
        named = _named_by(piece)
        differences = [found for row in piece for found in _safely(row, *named)]
        yield Checked(DECISIONS, len(piece), differences)
        last = piece[-1].webhook_request_id
        rest = Q(webhook_request_id__gt=last) | Q(webhook_request_id=last, pk__gt=piece[-1].pk)


_Requests: TypeAlias = dict[int, WebhookRequest]
_Purchases: TypeAlias = dict[str, Authorization]


def _named_by(rows: Sequence[DecisionRow]) -> tuple[_Requests, _Purchases]:
    """What decisions refer to, as far as it is there: the database doesn't see to that."""
    return (
        WebhookRequest.objects.select_related("repeats").in_bulk(
            {row.webhook_request_id for row in rows}
        ),
        Authorization.objects.in_bulk({row.authorization_id for row in rows} - {None}),
    )


def _safely(row: DecisionRow, requests: _Requests, purchases: _Purchases) -> list[Difference]:
    """One row that can't be read at all must not hide the others."""
    try:
        return _differences(row, requests, purchases)
    except DAMAGED as problem:
        return [Difference(row.pk, "a part of it", repr(problem), "readable")]


def _differences(row: DecisionRow, requests: _Requests, purchases: _Purchases) -> list[Difference]:
    request = requests.get(row.webhook_request_id)
    purchase = purchases.get(row.authorization_id or "")
    found = [*decision_differences(row, request, purchase)]
    if request:
        found += request_differences(request)
    if row.approved and not purchase:
        found.append(Difference(row.pk, "authorization", row.authorization_id, "there"))
    found += _decided_otherwise(row, request)
    # Told once what both find.
    return list({(it.where, it.what): it for it in reversed(found)}.values())[::-1]


def _decided_otherwise(row: DecisionRow, asked: WebhookRequest | None) -> list[Difference]:
    try:
        again, columns = _again(row, asked)
    except UnreadableRowError as damage:
        return [Difference(row.pk, damage.what, damage.kept, damage.found)]
    found = {
        "approved": again.approved,
        "approved_amount": again.amount,
        "is_partial": again.is_partial,
        "reason": again.reason or "",
        "answer": _answer(again, row),
        **columns,
    }
    changed = [
        Difference(row.pk, name, getattr(row, name), value)
        for name, value in found.items()
        if getattr(row, name) != value
    ]
    return [*changed, *_trace_differences(row, again.trace)]


def _again(row: DecisionRow, asked: WebhookRequest | None) -> tuple[Verdict, dict[str, Any]]:
    """The decision made again, and the columns that repeat a part of the request."""
    if row.request is None:
        return _without_rules(row) or _unread(row, asked), {}
    request = value_of(AuthorizationRequest, row.request, "request")
    columns = {
        "authorization_id": request.authorization_id,
        "card_id": request.card.id,
        "amount": request.amount,
        "currency": request.currency,
    }
    if unasked := _without_rules(row):
        return unasked, columns
    if row.stand_in:
        known = value_of(StandInContext, row.standing, "standing")
        return decide_without_usage(request, known, applied_of(row.policies)), columns
    standing = value_of(PurchaseContext, row.standing, "standing")
    usage = dict(value_of(list[tuple[Window, WindowUsage]], row.usage, "usage"))
    applied = applied_of(row.policies)
    try:
        return decide(request, standing, applied, usage), columns
    except KeyError as missing:
        raise UnreadableRowError("usage", "none", missing) from None


def _without_rules(row: DecisionRow) -> Verdict | None:
    """A decline that no policy was asked for."""
    if row.reason not in WITHOUT_RULES:
        return None
    return Verdict(approved=False, amount=0, reason=DeclineReason(row.reason))


def _unread(row: DecisionRow, asked: WebhookRequest | None) -> Verdict:
    """A request that could not be read then can't be read now either."""
    try:
        if asked:
            events.authorization_request(events.read(asked.kept_body))
            raise UnreadableRowError("problem", row.problem, "none: the request can be read")
    except events.MalformedEvent as malformed:
        if row.problem != malformed.problem[:500]:
            raise UnreadableRowError("problem", row.problem, malformed.problem) from None
        return Verdict(approved=False, amount=0, reason=DeclineReason.MALFORMED_REQUEST)
    except events.NotAnEvent as problem:
        raise UnreadableRowError("webhook request", row.webhook_request_id, problem) from None
    raise UnreadableRowError("webhook request", row.webhook_request_id, "there")


def _answer(again: Verdict, row: DecisionRow) -> str:
    return answer.render(
        approved=again.approved,
        amount=again.named_amount,
        decision=event_of(row.pk),
        reason=again.reason,
        stand_in=row.stand_in,
    ).decode()


def _trace_differences(row: DecisionRow, again: tuple[Check, ...]) -> Iterator[Difference]:
    recorded, found = row.trace, json.loads(codec.to_json(codec.plain_trace(again)))
    for place, (before, after) in enumerate(zip(recorded, found, strict=False)):
        if before != after:
            yield Difference(row.pk, f"trace[{place}]", before, after)
    if len(recorded) != len(found):
        yield Difference(row.pk, "length of the trace", len(recorded), len(found))


def versions() -> Iterator[Checked]:
    """For each policy version, whether its content is what its SHA-256 was taken of."""
    for version in by_key(PolicyVersion.objects.all()):
        yield Checked(VERSIONS, 1, [*version_differences(version)])
