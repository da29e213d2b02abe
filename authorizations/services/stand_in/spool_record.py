"""An answer that was sent and is not on record yet, as the spool keeps it.

It holds all that the rows need which would have been written: the delivery as it came in, the
answer to the byte, and what was decided on what. JSON, so that whoever must can read it by eye.
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
"""The cause of an answer of which nobody knows whether the database has it; others are those of
stand-in."""

VERSION = 1


class UnreadableRecordError(Exception):
    """A record that is whole but can't be read: another version of this program wrote it."""


class Spooled(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One answer; `decision` is None where an earlier one was answered once more.

    `policies`, `context` and `usage` are what the decision rested on, as its row holds them;
    `problem` is what could not be read. `timings` are microseconds since arrival.
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
        """Why the database was not asked, "" where it was."""
        return "" if self.cause == COMMIT_UNKNOWN else self.cause

    @property
    def duration_us(self) -> int:
        spent = (self.answered_at - self.received_at).total_seconds()
        return max(0, round(spent * 1_000_000))

    @property
    def amount(self) -> int:
        """What it approves."""
        return self.decision.amount if self.decision else 0

    @property
    def reason(self) -> str:
        """Why it declines, "" where it does not."""
        return (self.decision.reason or "") if self.decision else ""

    def question(self) -> Question | None:
        """What it was asked, None where that can't be read."""
        return answers.question_in(self.body)

    def as_sent(self) -> HostAnswer:
        """What a repeat of the event gets."""
        return HostAnswer(
            self.answer, self.reason, self.question(), self.received_at, self.answered_at
        )

    def delivery(self) -> Delivery:
        """The delivery as it came in. Raises NotAnEventError."""
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


def spooled(
    delivery: Delivery,
    cause: str,
    answer: bytes,
    decision: Verdict | None,
    *,
    applied: Iterable[AppliedControls] = (),
    context: object = None,
    usage: Mapping[Window, WindowUsage] | None = None,
    problem: str = "",
) -> Spooled:
    """The record of an answer about to be sent: `cause` is why it goes to the spool."""
    return Spooled(
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
        context=codec.plain(context),
        usage=codec.plain(list((usage or {}).items())),
        problem=problem,
        timings=dict(delivery.stopwatch.marks),
        received_sha256=delivery.received_sha256,
    )


_decode = msgspec.json.Decoder(Spooled).decode


def encode(answered: Spooled) -> bytes:
    return msgspec.json.encode(answered)


def decode(payload: bytes) -> Spooled:
    """The inverse of `encode`. Raises UnreadableError."""
    try:
        read = _decode(payload)
    except (msgspec.DecodeError, ValueError) as error:
        raise UnreadableRecordError(f"it can't be read: {error}.") from error
    if read.version > VERSION:
        raise UnreadableRecordError(
            f"a newer version of this program wrote it (form {read.version})."
        )
    return read
