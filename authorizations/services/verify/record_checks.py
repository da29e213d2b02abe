"""Checks one delivery or one decision against the request body it was written from.

Used by `redecide` for the decisions it makes again, and by `verify_record` for every row. A row is
compared with what the program would write from that body now, so new columns are compared as well.
A JSON value may lack parts that a newer version of the program reads: only recorded parts are
compared.
"""

import hmac
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.conf import settings
from msgspec.structs import asdict

from authorizations.models import Authorization, Decision, WebhookRequest
from authorizations.rules.decision.values import DeclineReason
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.services.purchases.linking import merchant_of
from authorizations.services.runtime import codec
from authorizations.services.runtime.codec import DAMAGED
from authorizations.services.runtime.delivery import PEER, Delivery, Stopwatch
from authorizations.services.store import rows
from authorizations.services.verify.checking import EXISTING, Difference
from authorizations.wire import answer, events, signature
from authorizations.wire.events import AUTHORIZATION_REQUEST, wants_decision

_LONGEST = 300
_MASKED = re.compile(rb"[0-9](?:[ ./\\-]?[0-9]){5}(?:[ ./\\-]?(?:\*|\\u002a)){3}")
_UNREAD = (DeclineReason.MALFORMED_REQUEST, DeclineReason.INTERNAL_ERROR)
_FACTS = ("category", "category_code", "merchant_country", "merchant_name")


# --- a delivery


def delivery_of(row: WebhookRequest) -> Delivery:
    """The delivery that a row records, its body read again. Raises NotAnEventError."""
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
    """Check the columns of a delivery against its body, and times and sender against its headers.

    Answers to authorization requests are checked with their decisions.
    """
    where = f"request {row.pk}"
    if row.repeats_id:
        first = row.repeats
        if first is None or (first.body_sha256, first.repeats_id) != (row.body_sha256, None):
            yield Difference(where, "repeats", row.repeats_id, "a delivery that keeps its body")
            return
    try:
        delivery = delivery_of(row)
    except events.NotAnEventError as problem:
        yield Difference(where, "body", problem, "an event")
        return
    for name, value in asdict(rows.request(delivery, row.answer_body, row.answer_status)).items():
        if getattr(row, name) != value:
            yield Difference(where, name, getattr(row, name), value)
    if row.masked_sha256 and not _MASKED.search(delivery.body):
        yield Difference(where, "masked_sha256", row.masked_sha256, "blank: nothing is masked")
    # The text of a refusal (another status than 200) may change, so it is not compared.
    if not wants_decision(row.event_type) and (delivery.event.is_read or row.answer_status == 200):
        expected = "" if delivery.event.is_read else answer.received().decode()
        if row.answer_body != expected:
            yield Difference(where, "answer_body", row.answer_body, expected)
    yield from _signature_differences(row)
    if row.headers.get(PEER):  # it came through a proxy of ours
        passed_on = row.headers.get("X-Forwarded-For", "")
        if row.sender not in {one.strip() for one in passed_on.split(",")}:
            yield Difference(where, "sender", row.sender, f"one of {passed_on}")


def _signature_differences(row: WebhookRequest) -> Iterator[Difference]:
    """Check the signature's time, and its beginning if the secret is still configured."""
    where, signed = f"request {row.pk}", signed_by(row)
    if signed is None:
        if row.headers.get("Stripe-Signature"):
            yield Difference(where, "signature", row.headers["Stripe-Signature"], "readable")
        return
    at, beginnings = signed
    late_s = row.received_at.timestamp() - at
    if not -signature.AHEAD_SECONDS - 1 <= late_s <= signature.TOLERANCE_SECONDS + 1:
        what = f"within {signature.TOLERANCE_SECONDS} s of the signature's time {at}"
        yield Difference(where, "received_at", row.received_at, what)
    if row.masked_sha256:
        return
    by_key = {signature.fingerprint(it): it for it in settings.STRIPE_WEBHOOK_SECRETS}
    signers = []
    for key, secret in by_key.items():
        made = signature.sign(row.kept_body, secret, at).partition("v1=")[2]
        if any(hmac.compare_digest(made[: len(one)], one) for one in beginnings):
            signers.append(key)
    if row.signing_key in by_key and row.signing_key not in signers:
        what = "that of its body" if not signers else f"made with the secret {signers[0]}"
        yield Difference(where, "signature", row.headers["Stripe-Signature"], what)
    elif signers and row.signing_key not in signers:
        yield Difference(where, "signing_key", row.signing_key, signers[0])


def is_signature_checked(row: WebhookRequest) -> bool:
    """Whether its signature can be verified, or it has none.

    The secret must still be configured, and nothing in the body masked.
    """
    configured = {signature.fingerprint(it) for it in settings.STRIPE_WEBHOOK_SECRETS}
    has_none = not row.headers.get("Stripe-Signature")
    return has_none or (row.signing_key in configured and not row.masked_sha256)


_TIME = re.compile(r"(?:^|,)t=([0-9]{1,12})(?:,|$)")
_V1 = re.compile(r"(?:^|,)v1=([0-9a-f]{8})(?=,|$)")


def signed_by(row: WebhookRequest) -> tuple[int, list[str]] | None:
    """The time of the signature in Unix seconds, and the first 8 digits of each signature.

    None if the header is missing or unreadable.
    """
    header = row.headers.get("Stripe-Signature") or ""
    time, found = _TIME.search(header), _V1.findall(header)
    return (int(time[1]), found) if time and found else None


# --- a decision of ours


def decision_differences(
    row: Decision, asked: WebhookRequest | None, purchase: Authorization | None
) -> Iterator[Difference]:
    """Check a decision of this desk against the request it answers.

    `purchase` is the decision's authorization, or None if it does not exist.
    """
    where = row.pk
    if asked is None:
        yield Difference(where, "webhook request", row.webhook_request_id, EXISTING)
        return
    try:
        delivery = delivery_of(asked)
    except events.NotAnEventError as problem:
        yield Difference(where, "body of its request", problem, "an event")
        return
    if not wants_decision(asked.event_type):
        yield Difference(where, "type of its request", asked.event_type, AUTHORIZATION_REQUEST)
    # The id is that of the event, with a suffix for a second answer to it.
    key = delivery.decision_id
    if row.pk == key:
        if row.supersedes:
            yield Difference(row.pk, "supersedes", row.supersedes, "blank")
    elif not row.pk.startswith(f"{key}/"):
        yield Difference(row.pk, "event of its request", key, row.pk.partition("/")[0])
    elif row.supersedes and row.supersedes != key and not row.supersedes.startswith(f"{key}/"):
        yield Difference(row.pk, "supersedes", row.supersedes, f"a different decision of {key}")
    yield from _request_differences(row, delivery, purchase)
    yield from _answer_differences(row, asked, delivery)
    # Times are measured from the arrival, so they agree to the microsecond: the decision comes
    # after the last step before it, and within the duration.
    took_us = (row.decided_at - asked.received_at) // timedelta(microseconds=1)
    steps = [at for step, at in asked.timings.items() if step != "decided"]
    if not max(steps, default=0) <= took_us <= row.duration_us:
        what = f"{asked.received_at} and up to {row.duration_us} µs"
        yield Difference(row.pk, "decided_at", row.decided_at, what)
    if row.position and row.duration_us != asked.timings.get("decided"):
        what = asked.timings.get("decided")
        yield Difference(row.pk, "duration_us", row.duration_us, what)


def _request_differences(
    row: Decision, delivery: Delivery, purchase: Authorization | None
) -> Iterator[Difference]:
    """Check `request`, and each column that repeats a part of it, against the body."""
    try:
        asked = events.authorization_request(delivery.event)
    except events.MalformedEventError as malformed:
        if row.request is not None:
            yield Difference(row.pk, "request", "readable", f"none: {malformed.problem}")
        elif row.reason not in _UNREAD:
            yield Difference(row.pk, "reason", row.reason, DeclineReason.MALFORMED_REQUEST)
        return
    if row.request is None:
        if row.reason != DeclineReason.INTERNAL_ERROR:
            yield Difference(row.pk, "request", None, "the request in its body")
        return
    # The merchant may be that of this body, or the one the purchase began with: see `store.lookup`.
    readings = [_as_read_then(asked, row.request)]
    if purchase is not None and purchase.pk == asked.authorization_id:
        readings.append(readings[0].begun_at(merchant_of(purchase)))
    by_reading = [
        list(_changed_parts(row.request, json.loads(codec.to_json(it)), "request"))
        for it in readings
    ]
    for what, kept, found in min(by_reading, key=len):
        yield Difference(row.pk, what, _short(kept), _short(found))
    columns: list[Mapping[str, Any]] = [rows.question_columns(it) for it in readings]
    for name, value in columns[0].items():
        allowed = {it[name] for it in columns} if name in _FACTS else {value}
        if name != "request" and getattr(row, name) not in allowed:
            yield Difference(row.pk, name, getattr(row, name), value)


_JUDGED_SINCE = {
    "city",
    "merchant_postal_code",
    "merchant_currency",
    "verified_by_fraud_challenge",
    "card_created",
    "token",
}
"""The fields whose form is judged since `verified_by_fraud_challenge` is part of a request."""


def _as_read_then(asked: AuthorizationRequest, recorded: Mapping[str, Any]) -> AuthorizationRequest:
    """The request as it was read when the row was written: rules asked for fewer fields once."""
    if "verified_by_fraud_challenge" in recorded:
        return asked
    judged = tuple(name for name in asked.unreadable if name not in _JUDGED_SINCE)
    return replace(asked, unreadable=judged)


def _changed_parts(kept: Any, found: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """The parts of a recorded value that are different now, as (path, recorded, now)."""
    if isinstance(kept, Mapping) and isinstance(found, Mapping):
        for name, value in kept.items():
            if name not in found:
                yield f"{path}.{name}", value, "nothing"
            else:
                yield from _changed_parts(value, found[name], f"{path}.{name}")
    elif isinstance(kept, list) and isinstance(found, list) and len(kept) == len(found):
        for index, (one, other) in enumerate(zip(kept, found, strict=True)):
            yield from _changed_parts(one, other, f"{path}[{index}]")
    elif type(kept) is not type(found) or kept != found:
        yield path, kept, found


def _answer_differences(
    row: Decision, asked: WebhookRequest, delivery: Delivery
) -> Iterator[Difference]:
    """Check the recorded answer against what was sent and against the other columns."""
    if asked.answer_body != row.answer:
        yield Difference(row.pk, "answer", _short(row.answer), _short(asked.answer_body))
    # An answer names the amount if it is partial, and may omit it otherwise. At a fuel pump more
    # than the requested amount may be held, which Stripe isn't sent.
    is_in_whole = not row.is_partial and row.approved_amount >= (row.amount or 0)
    amounts: list[int | None] = [row.approved_amount] if row.approved else [None]
    if row.approved and is_in_whole:
        amounts.append(None)
    expected = [
        answer.render(
            approved=row.approved,
            amount=amount,
            decision=delivery.decision_id,
            reason=row.reason,
            stand_in=row.stand_in,
        ).decode()
        for amount in amounts
    ]
    if row.answer not in expected:
        yield Difference(row.pk, "answer", _short(row.answer), _short(expected[0]))


def _short(value: object) -> str:
    words = value if isinstance(value, str) else json.dumps(value, default=str)
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]} ..."


# --- a repeat


def repeat_differences(row: WebhookRequest, earlier: Iterable[Decision]) -> Iterator[Difference]:
    """Check a request without a decision of its own: it got an answer recorded for its event.

    `earlier` are the decisions of that event.
    """
    decisions = list(earlier)
    where = f"request {row.pk}"
    if not decisions:
        yield Difference(where, "decision of its event", "none", EXISTING)
        return
    is_repeated = any(row.answer_body == decision.answer for decision in decisions)
    if not is_repeated and not _is_conflicting(row, decisions):
        yield Difference(where, "answer_body", _short(row.answer_body), "a recorded answer")


def _is_conflicting(row: WebhookRequest, decisions: Sequence[Decision]) -> bool:
    """Whether it was declined because an earlier request with its event id differs from it."""
    if f'"reason":"{DeclineReason.CONFLICTING_EVENT}"' not in row.answer_body:
        return False
    try:
        asked = events.authorization_request(delivery_of(row).event).question
        before = [codec.value(AuthorizationRequest, it.request) for it in decisions if it.request]
    except DAMAGED:
        return False
    return not any(asked.is_same(it.question) for it in before)
