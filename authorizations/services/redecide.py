"""Deciding again, from what a decision's row holds and nothing else: it must come out the same."""

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Exists, OuterRef, Q, QuerySet

from authorizations.models import Authorization, DecidedBy, PolicyVersion, WebhookRequest
from authorizations.models import Decision as DecisionRow
from authorizations.rules.decide import decide
from authorizations.rules.stand_in import Circumstances, decide_without_usage
from authorizations.rules.values import (
    AuthorizationRequest,
    Check,
    Decision,
    DeclineReason,
    Standing,
    Usage,
    Window,
)
from authorizations.services import codec
from authorizations.services.answers import event_of
from authorizations.services.checking import Checked, Difference, by_key
from authorizations.services.decided import UnreadableError, applied_of, value_of
from authorizations.services.parts import checked
from authorizations.services.ranges import WHOLE, Ids, Range, requests_in
from authorizations.wire import answer, events

DECISIONS, VERSIONS = "decisions", "policy versions"
KINDS = (DECISIONS, VERSIONS)

_SIZE = 200

WITHOUT_RULES = {
    DeclineReason.WRONG_MODE,
    DeclineReason.CONFLICTING_EVENT,
    DeclineReason.INTERNAL_ERROR,
}
"""Declines that no policy was asked for."""


def redecide(decision_id: str) -> list[Difference]:
    """What comes out differently when the decision is made again: nothing, as it should be.

    Raises Decision.DoesNotExist.
    """
    return _differences(_rows().get(pk=decision_id))


def redecide_all(processes: int = 1, part: Range = WHOLE) -> Iterator[Checked]:
    """The same for every decision there is, or of a range, and every version against its hash."""
    ids = requests_in(part)
    cuts = [ids.above + ids.number * place // processes for place in range(processes + 1)]
    spans = [partial(_redecide, Ids(*span)) for span in pairwise(cuts)]
    yield from checked([*spans, versions], processes)


def _redecide(ids: Ids) -> Iterator[Checked]:
    """In the order they were written, in pieces that are short transactions of their own."""
    rows = _rows().filter(webhook_request_id__lte=ids.up_to).order_by("webhook_request_id", "pk")
    rest = Q(webhook_request_id__gt=ids.above)
    while piece := list(rows.filter(rest)[:_SIZE]):
        differences = [found for row in piece for found in _differences(row)]
        yield Checked(DECISIONS, len(piece), differences)
        last = piece[-1].webhook_request_id
        rest = Q(webhook_request_id__gt=last) | Q(webhook_request_id=last, pk__gt=piece[-1].pk)


def _rows() -> QuerySet[Any, Any]:
    """Our decisions, and whether what they refer to is there: the database doesn't see to that."""
    return DecisionRow.objects.filter(decided_by=DecidedBy.DESK).annotate(
        has_webhook_request=Exists(
            WebhookRequest.objects.filter(pk=OuterRef("webhook_request_id"))
        ),
        has_authorization=Exists(Authorization.objects.filter(pk=OuterRef("authorization_id"))),
    )


def _differences(row: Any) -> list[Difference]:
    found = []
    if not row.has_webhook_request:
        found.append(Difference(row.pk, "webhook request", row.webhook_request_id, "there"))
    if row.approved and not row.has_authorization:
        found.append(Difference(row.pk, "authorization", row.authorization_id, "there"))
    return [*found, *_decided_otherwise(row)]


def _decided_otherwise(row: DecisionRow) -> list[Difference]:
    try:
        again, columns = _again(row)
    except UnreadableError as damage:
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


def _again(row: DecisionRow) -> tuple[Decision, dict[str, Any]]:
    """The decision made again, and the columns that repeat a part of the request."""
    if row.request is None:
        return _without_rules(row) or _unread(row), {}
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
        known = value_of(Circumstances, row.standing, "standing")
        return decide_without_usage(request, known, applied_of(row.policies)), columns
    standing = value_of(Standing, row.standing, "standing")
    usage = dict(value_of(list[tuple[Window, Usage]], row.usage, "usage"))
    applied = applied_of(row.policies)
    try:
        return decide(request, standing, applied, usage), columns
    except KeyError as missing:
        raise UnreadableError("usage", "none", missing) from None


def _without_rules(row: DecisionRow) -> Decision | None:
    """A decline that no policy was asked for."""
    if row.reason not in WITHOUT_RULES:
        return None
    return Decision(approved=False, amount=0, reason=DeclineReason(row.reason))


def _unread(row: DecisionRow) -> Decision:
    """A request that could not be read then can't be read now either."""
    try:
        events.authorization_request(events.read(bytes(row.webhook_request.body)))
    except events.MalformedEvent as malformed:
        if row.problem != malformed.problem[:500]:
            raise UnreadableError("problem", row.problem, malformed.problem) from None
        return Decision(approved=False, amount=0, reason=DeclineReason.MALFORMED_REQUEST)
    except (events.NotAnEvent, ObjectDoesNotExist) as problem:
        raise UnreadableError("webhook request", row.webhook_request_id, problem) from None
    raise UnreadableError("problem", row.problem, "none: the request can be read")


def _answer(again: Decision, row: DecisionRow) -> str:
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
        yield Checked(VERSIONS, 1, _version_differences(version))


def _version_differences(version: PolicyVersion) -> list[Difference]:
    digest = hashlib.sha256(version.content.encode()).hexdigest()
    if digest == version.sha256:
        return []
    return [Difference(f"policy version {version.pk}", "SHA-256", version.sha256, digest)]
