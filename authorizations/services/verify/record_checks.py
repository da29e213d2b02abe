"""One delivery and one decision, each against what it must follow from: the checks of the record.

`redecide` makes them for the decisions it makes again, `verify_record` for every row there is.
What a row says is compared with what the program would write from the body that it keeps, so a
column that is new is compared as well. What the reader learned only later is no difference: of a
value that was kept, each part is compared, not whether it has all parts.
"""

import hmac
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings

from authorizations.models import Authorization, Decision, WebhookRequest
from authorizations.rules.decision.values import DeclineReason
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.services.purchases.linking import merchant_of
from authorizations.services.runtime import codec
from authorizations.services.store import writing
from authorizations.services.store.decision_row import DAMAGED
from authorizations.services.store.delivery import PEER, Delivery, Stopwatch
from authorizations.services.verify.checking import Difference
from authorizations.wire import answer, events, signature
from authorizations.wire.events import AUTHORIZATION_REQUEST, wants_decision

_LONGEST_SHOWN = 300
_MASKED = re.compile(rb"[0-9](?:[ ./\\-]?[0-9]){5}(?:[ ./\\-]?(?:\*|\\u002a)){3}")
_UNREAD = (DeclineReason.MALFORMED_REQUEST, DeclineReason.INTERNAL_ERROR)
_FACTS = ("category", "category_code", "merchant_country", "merchant_name")


# --- a delivery


def delivery_of(row: WebhookRequest) -> Delivery:
    """What the row is of, its body read again. Raises NotAnEvent."""
    body = row.kept_body
    return Delivery(
        received_at=row.received_at,
        sender=row.sender,
        headers=row.headers,
        body=body,
        signing_key=row.signing_key,
        event=events.read(body),
        stopwatch=Stopwatch(marks=dict(row.timings)),
        received_sha256=row.body_sha256 if row.masked_sha256 else "",
        repeats_id=row.repeats_id,
    )


def request_differences(row: WebhookRequest) -> Iterator[Difference]:
    """The columns of a delivery against its body, its answer against its kind, times and sender
    against its headers.
    """
    where = f"request {row.pk}"
    if row.repeats_id:
        first = row.repeats
        if first is None or (first.body_sha256, first.repeats_id) != (row.body_sha256, None):
            yield Difference(where, "repeats", row.repeats_id, "a delivery that keeps its body")
            return
    try:
        delivery = delivery_of(row)
    except events.NotAnEvent as problem:
        yield Difference(where, "body", problem, "an event")
        return
    for name, value in delivery.row(row.answer_body, row.answer_status).items():
        if getattr(row, name) != value:
            yield Difference(where, name, getattr(row, name), value)
    if row.masked_sha256 and not _MASKED.search(delivery.body):
        yield Difference(where, "masked_sha256", row.masked_sha256, "blank: nothing is masked")
    if not wants_decision(row.event_type):
        yield from _answer_to_later(row, delivery)
    yield from _signature_differences(row)
    yield from _sender_differences(row)


def _answer_to_later(row: WebhookRequest, delivery: Delivery) -> Iterator[Difference]:
    """The answer to an event that asks nothing."""
    if delivery.event.is_read:
        expected = ""
    elif row.answer_status == 200:
        expected = answer.received().decode()
    else:
        return  # refused for the time being, in words that may change
    if row.answer_body != expected:
        yield Difference(f"request {row.pk}", "answer_body", row.answer_body, expected)


def _signature_differences(row: WebhookRequest) -> Iterator[Difference]:
    """The time and what is kept of the signature, as far as a secret is still configured."""
    where, signed = f"request {row.pk}", signed_by(row)
    if signed is None:
        if row.headers.get("Stripe-Signature"):
            yield Difference(where, "signature", row.headers["Stripe-Signature"], "readable")
        return
    at, kept = signed
    late_s = row.received_at.timestamp() - at
    if not -signature.AHEAD_SECONDS - 1 <= late_s <= signature.TOLERANCE_SECONDS + 1:
        what = f"within {signature.TOLERANCE_SECONDS} s of its signature's time {at}"
        yield Difference(where, "received_at", row.received_at, what)
    if row.masked_sha256:
        return
    body = row.kept_body
    by_key = {signature.fingerprint(it): it for it in settings.STRIPE_WEBHOOK_SECRETS}
    signers = [key for key, secret in by_key.items() if _is_by(body, secret, at, kept)]
    if row.signing_key in by_key and row.signing_key not in signers:
        what = "that of its body" if not signers else f"by the secret {signers[0]}"
        yield Difference(where, "signature", row.headers["Stripe-Signature"], what)
    elif signers and row.signing_key not in signers:
        yield Difference(where, "signing_key", row.signing_key, signers[0])


def is_signature_checked(row: WebhookRequest) -> bool:
    """Whether its signature can be made again: by a secret that is still configured, of a body
    in which nothing was masked. What was not sent has none.
    """
    configured = {signature.fingerprint(it) for it in settings.STRIPE_WEBHOOK_SECRETS}
    has_none = not row.headers.get("Stripe-Signature")
    return has_none or (row.signing_key in configured and not row.masked_sha256)


_TIME = re.compile(r"(?:^|,)t=([0-9]{1,12})(?:,|$)")
_V1 = re.compile(r"(?:^|,)v1=([0-9a-f]{8})(?=,|$)")


def signed_by(row: WebhookRequest) -> tuple[int, list[str]] | None:
    """When it was signed, in Unix seconds, and the beginnings of its signatures."""
    header = row.headers.get("Stripe-Signature") or ""
    time, found = _TIME.search(header), _V1.findall(header)
    return (int(time[1]), found) if time and found else None


def _is_by(body: bytes, secret: str, at: int, kept: Sequence[str]) -> bool:
    made = signature.sign(body, secret, at).partition("v1=")[2]
    return any(hmac.compare_digest(made[: len(one)], one) for one in kept)


def _sender_differences(row: WebhookRequest) -> Iterator[Difference]:
    """Of what came through a proxy of ours: one of the addresses that it passed on."""
    if row.headers.get(PEER):
        passed_on = row.headers.get("X-Forwarded-For", "")
        if row.sender not in {one.strip() for one in passed_on.split(",")}:
            yield Difference(f"request {row.pk}", "sender", row.sender, f"one of {passed_on}")


# --- a decision of ours


def decision_differences(
    row: Decision, asked: WebhookRequest | None, purchase: Authorization | None
) -> Iterator[Difference]:
    """A decision of this desk against the request that asked for it.

    `purchase` is the authorization it is about, where that is known.
    """
    where = row.pk
    if asked is None:
        yield Difference(where, "webhook request", row.webhook_request_id, "there")
        return
    try:
        delivery = delivery_of(asked)
    except events.NotAnEvent as problem:
        yield Difference(where, "body of its request", problem, "an event")
        return
    if not wants_decision(asked.event_type):
        yield Difference(where, "type of its request", asked.event_type, AUTHORIZATION_REQUEST)
    yield from _id_differences(row, delivery)
    yield from _question_differences(row, delivery, purchase)
    yield from _answer_differences(row, asked, delivery)
    yield from _time_differences(row, asked)


def _id_differences(row: Decision, delivery: Delivery) -> Iterator[Difference]:
    """Its event's id, with something behind it where it is a second answer."""
    key = delivery.decision_id
    if row.pk == key:
        if row.supersedes:
            yield Difference(row.pk, "supersedes", row.supersedes, "blank")
    elif not row.pk.startswith(f"{key}/"):
        yield Difference(row.pk, "event of its request", key, row.pk.partition("/")[0])
    elif row.supersedes and row.supersedes != key and not row.supersedes.startswith(f"{key}/"):
        yield Difference(row.pk, "supersedes", row.supersedes, f"another decision of {key}")


def _question_differences(
    row: Decision, delivery: Delivery, purchase: Authorization | None
) -> Iterator[Difference]:
    """The question and each column that repeats a part of it, against the body read again."""
    try:
        asked = events.authorization_request(delivery.event)
    except events.MalformedEvent as malformed:
        if row.request is not None:
            yield Difference(row.pk, "request", "a question", f"none: {malformed.problem}")
        elif row.reason not in _UNREAD:
            yield Difference(row.pk, "reason", row.reason, DeclineReason.MALFORMED_REQUEST)
        return
    if row.request is None:
        if row.reason != DeclineReason.INTERNAL_ERROR:
            yield Difference(row.pk, "request", None, "what its body asks")
        return
    readings = _readings(asked, purchase)
    by_reading = [list(_kept_otherwise(row.request, _as_written(it), "request")) for it in readings]
    for what, kept, found in min(by_reading, key=len):
        yield Difference(row.pk, what, _short(kept), _short(found))
    columns = [writing.request_columns(it) for it in readings]
    for name, value in columns[0].items():
        allowed = {it[name] for it in columns} if name in _FACTS else {value}
        if name != "request" and getattr(row, name) not in allowed:
            yield Difference(row.pk, name, getattr(row, name), value)


def _readings(
    asked: AuthorizationRequest, purchase: Authorization | None
) -> list[AuthorizationRequest]:
    """As the body has it, at the merchant that the purchase began with: see `store.lookup`."""
    if purchase is None or purchase.pk != asked.authorization_id:
        return [asked]
    return [asked, asked.begun_at(merchant_of(purchase))]


def _as_written(value: object) -> Any:
    return json.loads(codec.to_json(value))


def _kept_otherwise(kept: Any, found: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """The parts of a value that was kept which are others now; it may have fewer."""
    if isinstance(kept, Mapping) and isinstance(found, Mapping):
        for name, value in kept.items():
            if name not in found:
                yield f"{path}.{name}", value, "nothing"
            else:
                yield from _kept_otherwise(value, found[name], f"{path}.{name}")
    elif isinstance(kept, list) and isinstance(found, list) and len(kept) == len(found):
        for place, (one, other) in enumerate(zip(kept, found, strict=True)):
            yield from _kept_otherwise(one, other, f"{path}[{place}]")
    elif type(kept) is not type(found) or kept != found:
        yield path, kept, found


def _answer_differences(
    row: Decision, asked: WebhookRequest, delivery: Delivery
) -> Iterator[Difference]:
    """What was sent, what the decision says was sent, and what it says in other columns."""
    if asked.answer_body != row.answer:
        yield Difference(row.pk, "answer", _short(row.answer), _short(asked.answer_body))
    in_whole = _rendered(row, delivery.decision_id, None)
    named = _rendered(row, delivery.decision_id, row.approved_amount) if row.approved else in_whole
    # At a fuel pump more may be held than was asked for, without Stripe hearing of it.
    is_in_whole = not row.is_partial and row.approved_amount >= (row.amount or 0)
    may_be_in_whole = is_in_whole or not row.approved
    if row.answer != named and not (row.answer == in_whole and may_be_in_whole):
        yield Difference(row.pk, "answer", _short(row.answer), _short(named))


def _rendered(row: Decision, key: str, amount: int | None) -> str:
    return answer.render(
        approved=row.approved,
        amount=amount,
        decision=key,
        reason=row.reason,
        stand_in=row.stand_in,
    ).decode()


def _time_differences(row: Decision, asked: WebhookRequest) -> Iterator[Difference]:
    """Decided after the last step before it, and no later than it took: to the microsecond, since
    all of it is reckoned from the moment of arrival.
    """
    took_us = (row.decided_at - asked.received_at) // timedelta(microseconds=1)
    steps = [at for step, at in asked.timings.items() if step != "decided"]
    if not max(steps, default=0) <= took_us <= row.duration_us:
        what = f"{asked.received_at} and up to {row.duration_us} µs"
        yield Difference(row.pk, "decided_at", row.decided_at, what)
    if row.position and row.duration_us != asked.timings.get("decided"):
        what = asked.timings.get("decided")
        yield Difference(row.pk, "duration_us", row.duration_us, what)


def _short(value: object) -> str:
    words = value if isinstance(value, str) else json.dumps(value, default=str)
    return words if len(words) <= _LONGEST_SHOWN else f"{words[:_LONGEST_SHOWN]} ..."


# --- a repeat


def repeat_differences(row: WebhookRequest, earlier: Iterable[Decision]) -> Iterator[Difference]:
    """A request that no decision was made of: it got the answer recorded for its event.

    `earlier` are the decisions of its event.
    """
    decisions = list(earlier)
    where = f"request {row.pk}"
    if not decisions:
        yield Difference(where, "decision of its event", "none", "there")
        return
    if any(row.answer_body == decision.answer for decision in decisions):
        return
    if _is_conflicting(row, decisions):
        return
    yield Difference(where, "answer_body", _short(row.answer_body), "a recorded answer")


def _is_conflicting(row: WebhookRequest, decisions: Sequence[Decision]) -> bool:
    """Whether it was declined because its event had asked something else before."""
    if f'"reason":"{DeclineReason.CONFLICTING_EVENT}"' not in row.answer_body:
        return False
    try:
        asked = events.authorization_request(delivery_of(row).event).question
        before = [codec.value(AuthorizationRequest, it.request) for it in decisions if it.request]
    except DAMAGED:
        return False
    return not any(asked.is_same(it.question) for it in before)
