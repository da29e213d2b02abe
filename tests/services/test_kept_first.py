"""A decline that could not wait for the disk, and the approval that reached it all the same."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from authorizations.models import Decision
from authorizations.services.host import spool
from authorizations.services.stand_in import kept_first, kept_later, replay
from authorizations.services.stand_in.kept_first import Answer
from authorizations.services.stand_in.spooled import Spooled
from tests.desk import Shopper, in_force
from tests.spooling import answered, asked
from tests.standing import on_this_host

pytestmark = pytest.mark.django_db(transaction=True)

LIMIT = {"amount": 10_000, "interval": "daily"}


def test_the_decline_that_was_sent_is_replayed_after_the_approval_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a file ends between the two: the decline was rendered first."""
    in_force(spending_limits=[LIMIT])
    now = datetime.now(UTC)
    event = asked(Shopper(), 4_000, "evt_it")

    def record(amount: int | None, later_ms: int) -> Spooled:
        at = now + timedelta(milliseconds=later_ms)
        return msgspec.structs.replace(answered(event, amount, received_at=now), answered_at=at)

    decline, approval = record(None, 0), record(4_000, 10)
    instead = Answer(decline.answer.encode(), decline)
    approved = Answer(approval.answer.encode(), approval, money=True)
    way = kept_first._Way("evt_it", lambda: approved, instead, lambda: 5.0)
    append = spool.append

    def append_too_late(payload: bytes, within_s: float) -> None:
        append(payload, within_s)
        way.settle(instead)  # Stripe could not wait any longer
        spool.spool().rotate()

    with on_this_host(tmp_path / "spool"):
        with monkeypatch.context() as patched:
            patched.setattr(spool, "append", append_too_late)
            patched.setattr(kept_later, "keep", lambda payload: append(payload, 5.0))
            kept_first._slots.acquire()
            way.go()
        spool.spool().rotate()
        assert replay.some(60) == 2
    assert way.sent is instead
    standing = Decision.objects.get(supersedes="evt_it")
    assert (standing.approved, standing.answer) == (False, decline.answer)
