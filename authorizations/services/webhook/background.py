"""What a server process does besides answering.

It fills the pool, renews the copy that stand-in uses, replays its answers, and writes and counts
what no purchase waits for.
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
from authorizations.services.runtime import pool, tables
from authorizations.services.runtime.seldom import Seldom
from authorizations.services.stand_in import (
    local_copy_refresh,
    replay,
    spool_watch,
    switch,
    usage_refresh,
)
from authorizations.services.store import counting, repeats
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
_LOG_EVERY_S = 60.0
"""Minimum seconds between two log messages of one kind of work about the database."""


def start() -> None:
    """Fill the pool and start the threads; once for each process, after a fork as well."""
    _start(os.getpid())


@cache
def _start(_pid: int) -> None:
    readiness.warmth.began = time.monotonic()
    is_filled = pool.fill()
    if is_filled:
        tables.refuse_an_earlier_form()
    connection.close()
    switch.keep_fresh()
    _keep("switch", switch.keep_fresh, switch.LOOK_EVERY_S, without_database=True)
    spool_watch.look()
    _keep("spool", spool_watch.look, spool_watch.LOOK_EVERY_S, without_database=True)
    caps.prepare()
    recent_ring.prepare()
    local_copy_refresh.keep_fresh(usage_refresh.renew_usage)
    if is_filled:
        local_copy_refresh.await_first(_COPIED_WITHIN_S)
        _warm()
        connection.close()
    _keep("warming", _warm, _WARM_EVERY_S)
    _keep("rejections", rejections.write, rejections.WRITE_EVERY_S)
    atexit.register(rejections.write_the_rest)
    _keep("replay", _replay, _REPLAY_EVERY_S, without_database=True)
    # Of all processes that share the database, one at a time counts a scope.
    _keep("counting", partial(counting.some, _COUNT_FOR_S), _COUNT_EVERY_S)
    _keep("repeats", repeats.write, _COUNT_EVERY_S)
    _keep("applying", _apply_due, _APPLY_EVERY_S)
    _keep("unheard approvals", unheard.renew, unheard.EVERY_S)


def _warm() -> None:
    """Prepare what a first purchase would have to wait for; called again if it fails."""
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
        _seldom.warn("warming", "A purchase can't be rehearsed yet: %s", error)
        return
    readiness.warmth.is_warm = True
    logger.info("Ready for purchases after %.0f ms.", (time.monotonic() - began) * 1000)


def _keep(
    name: str, work: Callable[[], object], every_s: float, *, without_database: bool = False
) -> None:
    """Repeat `work` in a thread of its own, with a pause of `every_s` seconds.

    It pauses while the breaker is open, unless `without_database`.
    """

    def repeat() -> None:
        logged_at = -_LOG_EVERY_S
        while True:
            time.sleep(every_s)
            try:
                if without_database or not breaker.is_open:
                    work()
            except OperationalError as problem:
                if time.monotonic() - logged_at > _LOG_EVERY_S:
                    logged_at = time.monotonic()
                    sentence = database_errors.sentence(problem, connection.settings_dict)
                    logger.error("Background work waits (%s). %s", name, sentence)
            except Exception:
                logger.exception("Background work failed and is tried again: %s.", name)
            finally:
                connection.close()

    threading.Thread(target=repeat, name=name, daemon=True).start()


def _replay() -> None:
    """Replay answers of stand-in, also after single failures that did not open the breaker."""
    replay.restore_host_answers()
    if not breaker.is_open and _may_write_the_record():
        replay.run_for(_REPLAY_FOR_S)


@cache
def _may_write_the_record() -> bool:
    """Whether this server's database role may; that of the admin instance may not."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT has_table_privilege(current_user, 'authorizations_webhookrequest', 'INSERT')"
        )
        return bool(cursor.fetchone()[0])


def _apply_due() -> None:
    """Apply events that were kept for the background, or that an operator wants applied again."""
    if _may_write_the_record():
        intake.apply_due(_APPLY_FOR_S)
