"""Checks this host: the disk on which answers are kept, and what stand-in needs."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from authorizations.rules.basics.words import about_words, duration_words
from authorizations.services.host import local_copy, spool_reader
from authorizations.services.stand_in import spool_watch, switch
from authorizations.services.webhook.answering import breaker
from authorizations.services.webhook.health.values import HealthCheck, HealthState

_FEW_BYTES = 100 * 2**20
_LITTLE_BYTES = 2**30
_WAITS_S = 60


def spool() -> Iterator[HealthCheck]:
    """Whether the spool can be written, has space, and its answers reach the books."""
    directory = Path(settings.SPOOL_DIR)
    if problem := spool_watch.unwritable(directory):
        yield HealthCheck("Spool", HealthState.BAD, problem)
        return
    yield HealthCheck("Spool", HealthState.OK, f"Answers can be kept in {directory}.")
    found = next(path for path in (directory, *directory.parents) if path.exists())
    disk = os.statvfs(found)
    free = disk.f_bavail * disk.f_frsize
    state = (
        HealthState.BAD
        if free < _FEW_BYTES
        else HealthState.WARN
        if free < _LITTLE_BYTES
        else HealthState.OK
    )
    cure = (
        ""
        if state is HealthState.OK
        else " Make room: a stand-in answer that can't be kept declines."
    )
    yield HealthCheck("Disk", state, f"{free / 2**30:,.1f} GB are free for the spool.{cure}")
    waiting = spool_reader.state(directory)
    waits_s = round(time.time() - waiting.since_s) if waiting.since_s else 0
    if waiting.damaged:
        what = (
            f"{waiting.damaged:,} damaged files are in {directory / spool_reader.ASIDE}: their "
            "answers may be missing from the books. Read the note beside each."
        )
        yield HealthCheck("Answers to bring in", HealthState.BAD, what)
    if waits_s > _WAITS_S:
        what = (
            f"{waiting.files:,} files of answers wait, the oldest for {about_words(waits_s)}: "
            "servers replay them by themselves; `manage.py replay_spool` says what stops them."
        )
        yield HealthCheck("Answers to bring in", HealthState.WARN, what)
    elif not waiting.damaged:
        what = "Every answer of stand-in is in the books."
        yield HealthCheck("Answers to bring in", HealthState.OK, what)


def stand_in() -> Iterator[HealthCheck]:
    """How old stand-in's copy of cards and policies is, and whether stand-in answers now."""
    try:
        age_s = local_copy.age_s()
    except (local_copy.NoCopyError, OSError):
        what = (
            "This host has no copy of cards and policies, so stand-in would decline everything. "
            "A server makes one within seconds: check that one runs here, with this SPOOL_DIR."
        )
        yield HealthCheck("Stand-in's copy", HealthState.WARN, what)
    else:
        limit_s = settings.STAND_IN_MAX_AGE_S
        age = f"Stand-in's copy of cards and policies is about {about_words(round(age_s))} old"
        if age_s > limit_s:
            what = f"{age}; after {duration_words(limit_s)} it approves nothing. See the log."
            yield HealthCheck("Stand-in's copy", HealthState.BAD, what)
        elif age_s > max(60, 12 * settings.STAND_IN_REFRESH_S):
            what = f"{age}: no server of this host renews it. Check that one runs, and its log."
            yield HealthCheck("Stand-in's copy", HealthState.WARN, what)
        else:
            yield HealthCheck("Stand-in's copy", HealthState.OK, f"{age}.")
    if breaker.is_open:
        what = "The database does not answer this server in time: stand-in answers until it does."
        yield HealthCheck("Stand-in", HealthState.BAD, what)
    elif switch.is_on():
        what = "Stand-in is switched on by hand, and answers every purchase. Switch it off again."
        yield HealthCheck("Stand-in", HealthState.WARN, what)
    else:
        yield HealthCheck("Stand-in", HealthState.OK, "The database decides.")
