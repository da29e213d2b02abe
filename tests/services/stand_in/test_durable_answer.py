"""A decline that could not wait for the disk, and the approval that reached it all the same."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from authorizations.models import Decision
from authorizations.services.host import spool_writer
from authorizations.services.stand_in import durable_answer, replay, spool_retry
from authorizations.services.stand_in.durable_answer import DurableAnswer
from authorizations.services.stand_in.spool_record import SpoolRecord
from tests.support.desk import Shopper, in_force
from tests.support.spool import answered, asked
from tests.support.stand_in import on_this_host

pytestmark = pytest.mark.django_db(transaction=True)

LIMIT = {"amount": 10_000, "interval": "daily"}


def test_the_decline_that_was_sent_is_replayed_after_the_approval_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a file ends between the two: the decline was rendered first."""
    in_force(spending_limits=[LIMIT])
    now = datetime.now(UTC)
    event = asked(Shopper(), 4_000, "evt_it")

    def record(amount: int | None, later_ms: int) -> SpoolRecord:
        at = now + timedelta(milliseconds=later_ms)
        return msgspec.structs.replace(answered(event, amount, received_at=now), answered_at=at)

    decline, approval = record(None, 0), record(4_000, 10)
    fallback = DurableAnswer(decline.answer.encode(), decline)
    approved = DurableAnswer(approval.answer.encode(), approval, money=True)
    pending = durable_answer._PendingAnswer("evt_it", lambda: approved, fallback, lambda: 5.0)
    append = spool_writer.append

    def append_too_late(payload: bytes, within_s: float) -> None:
        append(payload, within_s)
        pending.choose(fallback)  # Stripe could not wait any longer
        spool_writer.spool().rotate()

    with on_this_host(tmp_path / "spool"):
        with monkeypatch.context() as patched:
            patched.setattr(spool_writer, "append", append_too_late)
            patched.setattr(spool_retry, "keep", lambda payload: append(payload, 5.0))
            durable_answer._slots.acquire()
            pending.run()
        spool_writer.spool().rotate()
        assert replay.run_for(60) == 2
    assert pending.chosen is fallback
    standing = Decision.objects.get(supersedes="evt_it")
    assert (standing.approved, standing.answer) == (False, decline.answer)
