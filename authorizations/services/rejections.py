"""What came to the door without a valid signature: kept, but never without bound."""

import hashlib
from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone

from authorizations.models import RejectedRequest
from authorizations.wire import masking

KEPT_A_MINUTE = 60
KEPT_BYTES = 1024
_LOOKED_AT_BYTES = KEPT_BYTES + 128  # a card number may begin in what is kept and end behind it

_COUNT = """
INSERT INTO authorizations_rejectedminute (minute, count) VALUES (date_trunc('minute', %s), 1)
ON CONFLICT (minute) DO UPDATE SET count = authorizations_rejectedminute.count + 1
RETURNING count
"""


def keep(body: bytes, cause: str, *, sender: str) -> None:
    """Count a rejected request, and keep the first sixty of each minute.

    Raises django.db.Error when the database fails.
    """
    now = timezone.now()
    with transaction.atomic():
        if _counted(now) <= KEPT_A_MINUTE:
            RejectedRequest.objects.create(
                received_at=now,
                cause=cause,
                sender=sender,
                body_sha256=hashlib.sha256(body).hexdigest(),
                body_start=masking.raw(body[:_LOOKED_AT_BYTES])[:KEPT_BYTES],
            )


def _counted(now: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [now])
        [count] = cursor.fetchone()
    return int(count)
