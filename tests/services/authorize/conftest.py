"""What several tests of decisions share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from authorizations.services.authorize import transaction as deciding
from authorizations.services.authorize.transaction import CommitUnknownError
from authorizations.services.stand_in import answers, replay
from authorizations.services.stand_in.replay_one import Replayed
from authorizations.wire import events
from tests.support.spool import delivery_of


@pytest.fixture
def lose(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sends the answer to an event whose COMMIT never arrives; returns what replays it."""
    settings.SPOOL_DIR = tmp_path

    def lost(event: Any) -> Callable[[], list[Replayed | None]]:
        delivery, computed = delivery_of(event, timezone.now()), list[Any]()
        with monkeypatch.context() as patched, transaction.atomic():
            patched.setattr(deciding, "remember", lambda *given: computed.append(given[-1]))
            deciding.authorize(events.authorization_request(delivery.event), delivery)
            transaction.set_rollback(True)
        answers.commit_unknown(CommitUnknownError(computed[0]), delivery)
        return lambda: [step.replayed for step in replay.steps(tmp_path, with_growing=True)]

    return lost
