"""The spool's record of an answer that was sent and is not in the database yet.

It holds everything its rows need: the delivery as it arrived, the answer's exact bytes, and the
decision with what it rested on. JSON, so that people can read it.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.values import Verdict, Window, WindowUsage
from authorizations.rules.purchases.events import Question
from authorizations.services.host.host_answers import HostAnswer
from authorizations.services.runtime import codec
from authorizations.services.runtime.delivery import Delivery, Stopwatch
from authorizations.services.store import answers, rows
from authorizations.services.store.rows import PolicyRow
from authorizations.wire import events

COMMIT_UNKNOWN = "commit_unknown"
"""The cause of an answer whose COMMIT may or may not have succeeded.

Other causes are those of stand-in.
"""

VERSION = 1


class UnreadableRecordError(Exception):
    """A whole record that can't be decoded: a different version of this program wrote it."""


class SpoolRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One answer; `decision` is None if it repeats an earlier answer.

    `policies`, `context` and `usage` are what the decision rested on, as in its row; `problem`
    is what could not be read. `timings` are in microseconds since arrival.
    """

    version: int
    cause: str
    received_at: datetime
    answered_at: datetime
    sender: str
    headers: dict[str, str]
    body: bytes
    signing_key: str
    answer: str
    decision: Verdict | None
    policies: list[PolicyRow] = []
    context: Any = None
    usage: list[Any] = []
    problem: str = ""
    timings: dict[str, int] = {}
    received_sha256: str = ""

    @property
    def stand_in(self) -> str:
        """Why stand-in answered; "" if the database was asked."""
        return "" if self.cause == COMMIT_UNKNOWN else self.cause

    @property
    def duration_us(self) -> int:
        spent = (self.answered_at - self.received_at).total_seconds()
        return max(0, round(spent * 1_000_000))

    @property
    def amount(self) -> int:
        """The approved amount; 0 for a decline."""
        return self.decision.amount if self.decision else 0

    @property
    def reason(self) -> str:
        """Why it declines; "" for an approval."""
        return (self.decision.reason or "") if self.decision else ""

    def question(self) -> Question | None:
        """What the request asks; None if it can't be read."""
        return answers.question_in(self.body)

    def as_sent(self) -> HostAnswer:
        """The answer that a repeat of the event gets."""
        return HostAnswer(
            self.answer, self.reason, self.question(), self.received_at, self.answered_at
        )

    def delivery(self) -> Delivery:
        """The delivery as it arrived. Raises NotAnEventError."""
        return Delivery(
            received_at=self.received_at,
            sender=self.sender,
            headers=self.headers,
            body=self.body,
            signing_key=self.signing_key,
            event=events.read(self.body),
            stopwatch=Stopwatch(marks=dict(self.timings)),
            received_sha256=self.received_sha256,
        )


def spool_record(
    delivery: Delivery,
    cause: str,
    answer: bytes,
    decision: Verdict | None,
    *,
    applied: Iterable[AppliedControls] = (),
    context: object = None,
    usage: Mapping[Window, WindowUsage] | None = None,
    problem: str = "",
) -> SpoolRecord:
    """The record of an answer about to be sent; `cause` is why it goes to the spool."""
    return SpoolRecord(
        version=VERSION,
        cause=cause,
        received_at=delivery.received_at,
        answered_at=delivery.now,
        sender=delivery.sender,
        headers=delivery.headers,
        body=delivery.body,
        signing_key=delivery.signing_key,
        answer=answer.decode(),
        decision=decision,
        policies=[rows.policy(policy) for policy in applied],
        context=codec.plain_context(context),
        usage=codec.plain(list((usage or {}).items())),
        problem=problem,
        timings=dict(delivery.stopwatch.marks),
        received_sha256=delivery.received_sha256,
    )


_decode = msgspec.json.Decoder(SpoolRecord).decode


def encode(record: SpoolRecord) -> bytes:
    """A record as JSON."""
    return msgspec.json.encode(record)


def decode(payload: bytes) -> SpoolRecord:
    """The inverse of `encode`. Raises UnreadableRecordError."""
    try:
        record = _decode(payload)
    except (msgspec.DecodeError, ValueError) as error:
        raise UnreadableRecordError(f"it can't be read: {error}.") from error
    if record.version > VERSION:
        raise UnreadableRecordError(
            f"a newer version of this program wrote it (form {record.version})."
        )
    return record
