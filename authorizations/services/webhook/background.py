"""What a server process does beside answering: connections, the copy for stand-in, replay, and
writing and counting what no purchase waits for.
"""

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable
from functools import cache, partial

from django.db import OperationalError, connection

from authorizations.services.authorize import rehearsal
from authorizations.services.host import caps, recent_ring
from authorizations.services.lifecycle import intake, unheard
from authorizations.services.runtime import pool
from authorizations.services.runtime.seldom import Seldom
from authorizations.services.stand_in import local_copy_refresh, replay, spool_watch, usage_refresh
from authorizations.services.store import counting, repeats, tables
from authorizations.services.webhook import readiness, rejections
from authorizations.services.webhook.answering import breaker
from authz_project import database_errors

logger = logging.getLogger(__name__)

_seldom = Seldom(logger)

_REPLAY_EVERY_S = 2.0
_REPLAY_FOR_S = 5.0
_WARM_EVERY_S = 1.0
_REHEARSED_WITHIN_S = 2.0
_COPIED_WITHIN_S = 1.0
_APPLY_EVERY_S = 1.0
_APPLY_FOR_S = 5.0
_COUNT_EVERY_S = 1.0
_COUNT_FOR_S = 5.0
_TELL_EVERY_S = 60.0
"""What keeps the database from being used is said so often by each kind of work."""


def start() -> None:
    """Fill the pool and start the threads; once for each process, after a fork as well."""
    _started(os.getpid())


@cache
def _started(_pid: int) -> None:
    readiness.warmth.began = time.monotonic()
    is_filled = pool.fill()
    if is_filled:
        tables.refuse_an_earlier_form()
    connection.close()
    spool_watch.look()
    _keep("spool", spool_watch.look, spool_watch.LOOK_EVERY_S, without_database=True)
    caps.prepare()
    recent_ring.prepare()
    local_copy_refresh.keep_warm(usage_refresh.renew_usage)
    if is_filled:
        local_copy_refresh.await_first(_COPIED_WITHIN_S)
        _warm()
        connection.close()
    _keep("warming", _warm, _WARM_EVERY_S)
    _keep("rejections", rejections.write, rejections.WRITE_EVERY_S)
    atexit.register(rejections.write_the_rest)
    _keep("replay", _replay, _REPLAY_EVERY_S, without_database=True)
    # One process of all that share the database counts a scope at a time; any of them may.
    _keep("counting", partial(counting.some, _COUNT_FOR_S), _COUNT_EVERY_S)
    _keep("repeats", repeats.write, _COUNT_EVERY_S)
    _keep("applying", _apply_due, _APPLY_EVERY_S)
    _keep("unheard approvals", unheard.renew, unheard.EVERY_S)


def _warm() -> None:
    """Make all that a first purchase would have to wait for; what fails is tried again."""
    if readiness.warmth.is_warm:
        return
    began = time.monotonic()
    if not pool.fill():
        return
    try:
        rehearsal.load_versions()
        if _may_write_the_record():
            rehearsal.rehearse(_REHEARSED_WITHIN_S)
    except Exception as error:  # noqa: BLE001 - the first purchases are only slower
        _seldom.warn("warming", "The way of a purchase can't be rehearsed yet: %s", error)
        return
    readiness.warmth.is_warm = True
    logger.info("Ready for purchases after %.0f ms.", (time.monotonic() - began) * 1000)


def _keep(
    name: str, work: Callable[[], object], every_s: float, *, without_database: bool = False
) -> None:
    """Do some work again and again, in a thread of its own; as a rule while the breaker is closed.

    `without_database`: while it is open as well.
    """

    def go_on() -> None:
        told_at = -_TELL_EVERY_S
        while True:
            time.sleep(every_s)
            try:
                if without_database or not breaker.is_open:
                    work()
            except OperationalError as problem:
                if time.monotonic() - told_at > _TELL_EVERY_S:
                    told_at = time.monotonic()
                    told = database_errors.sentence(problem, connection.settings_dict)
                    logger.error("Background work waits (%s). %s", name, told)
            except Exception:
                logger.exception("Background work failed and is tried again: %s.", name)
            finally:
                connection.close()

    threading.Thread(target=go_on, name=name, daemon=True).start()


def _replay() -> None:
    """What the breaker never noticed is replayed as well: one answer too late, one lost COMMIT."""
    replay.remember_waiting()
    if not breaker.is_open and _may_write_the_record():
        replay.some(_REPLAY_FOR_S)


@cache
def _may_write_the_record() -> bool:
    """Whether this server's role may: that of the instance for people may not."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT has_table_privilege(current_user, 'authorizations_webhookrequest', 'INSERT')"
        )
        return bool(cursor.fetchone()[0])


def _apply_due() -> None:
    """Events that took too long while Stripe waited, or that somebody wants applied again."""
    if _may_write_the_record():
        intake.apply_due(_APPLY_FOR_S)
