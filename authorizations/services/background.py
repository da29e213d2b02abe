"""What a server process does beside answering: connections, the copy for stand-in, replay,
writing down what was rejected, counting what busy scopes bought, applying events that take long.
"""

import logging
import os
import threading
import time
from functools import cache

from django.db import connection

from authorizations.services import (
    counting,
    later,
    pool,
    rejections,
    replay,
    standing_refresh,
    usage_refresh,
)
from authorizations.services.answering import breaker

logger = logging.getLogger(__name__)

_REPLAY_EVERY_S = 2.0
_REPLAY_FOR_S = 5.0
_APPLY_EVERY_S = 1.0
_APPLY_FOR_S = 5.0
_COUNT_EVERY_S = 1.0
_COUNT_FOR_S = 5.0


def start() -> None:
    """Fill the pool and start the threads; once for each process, after a fork as well."""
    _started(os.getpid())


@cache
def _started(_pid: int) -> threading.Thread:
    pool.fill()
    connection.close()
    standing_refresh.keep_warm(usage_refresh.renew_usage)
    rejections.keep_writing()
    threading.Thread(target=_keep_counting, name="counting", daemon=True).start()
    threading.Thread(target=_keep_applying, name="applying", daemon=True).start()
    thread = threading.Thread(target=_keep_replaying, name="replay", daemon=True)
    thread.start()
    return thread


def _keep_replaying() -> None:
    """What the breaker never noticed is replayed as well: one answer too late, one lost COMMIT."""
    while True:
        time.sleep(_REPLAY_EVERY_S)
        try:
            replay.remember_waiting()
            if not breaker.is_open and _may_write_the_record():
                replay.some(_REPLAY_FOR_S)
        except Exception:
            logger.exception("The replay failed; it is tried again.")
        finally:
            connection.close()


@cache
def _may_write_the_record() -> bool:
    """Whether this server's role may: that of the instance for people may not."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT has_table_privilege(current_user, 'authorizations_webhookrequest', 'INSERT')"
        )
        return bool(cursor.fetchone()[0])


def _keep_counting() -> None:
    """One process of all that share the database counts a scope at a time; any of them may."""
    while True:
        time.sleep(_COUNT_EVERY_S)
        if breaker.is_open:
            continue
        try:
            counting.some(_COUNT_FOR_S)
        except Exception:
            logger.exception("Counting failed; it is tried again.")
        finally:
            connection.close()


def _keep_applying() -> None:
    """Of events that took too long while Stripe waited; each by one process at a time."""
    while True:
        time.sleep(_APPLY_EVERY_S)
        if breaker.is_open:
            continue
        try:
            if _may_write_the_record():
                later.apply_due(_APPLY_FOR_S)
        except Exception:
            logger.exception("Events could not be applied; they are tried again.")
        finally:
            connection.close()
