"""Whether this server should be sent purchases, and what it would answer them by.

While the database is away it should, as long as stand-in has a copy that it may use: a balancer
that took such a server away would leave purchases to Stripe's default.
"""

from time import monotonic
from typing import NamedTuple, TypeAlias

from django.conf import settings
from django.db import DatabaseError

from authorizations.services.host import local_copy
from authorizations.services.lifecycle import unheard
from authorizations.services.runtime.deadline import deadline, has_passed
from authorizations.services.stand_in import spool_watch, switch
from authorizations.services.store import tables
from authorizations.services.webhook import answering
from authz_project import pooler

STARTING_S = 5.0
"""So long a server that can't be made ready says so; then it stands in like any other."""

_ASKED_S = 1.0


Facts: TypeAlias = dict[str, str | int]
"""Plain words and figures, for whoever looks at the answer."""


class Readiness(NamedTuple):
    is_ready: bool
    facts: Facts


class Warmth:
    """How far a server process has come: `began` in seconds of time.monotonic, None where this is
    none. It is warm once its pool is full, the versions in force are loaded and the way of a
    request is rehearsed.
    """

    def __init__(self) -> None:
        self.began: float | None = None
        self.is_warm = False

    @property
    def is_starting(self) -> bool:
        return self.began is not None and not self.is_warm and monotonic() - self.began < STARTING_S


warmth = Warmth()


def readiness() -> Readiness:
    """Asks the database for a second at most, and not at all while the breaker is open."""
    facts: Facts = {
        "breaker": "open" if answering.breaker.is_open else "closed",
        "stand_in": "on" if switch.is_on() else "off",
        "pooler": "noticed" if pooler.is_noticed() else "none noticed",
        "spool": "can't be written" if spool_watch.problem() else "can be written",
    }
    if found := unheard.latest():
        facts["second_endpoint"] = "unheard of" if found.is_alarming else "heard of"
    if warmth.is_starting:
        return _no("starting", facts)
    cause = "the breaker is open"
    if not answering.breaker.is_open:
        try:
            behind = _tables_behind()
        except DatabaseError as error:
            cause = "no answer in time" if has_passed(error) else "no connection"
        else:
            facts["database"] = "answers"
            if behind:
                return _no("unavailable", facts | {"migrations": behind})
            return _yes(facts)
    return _without_database(facts | {"database": "does not answer", "cause": cause})


def _tables_behind() -> str:
    """Why they are not those that this program expects; empty where they are. Raises
    django.db.Error.
    """
    with deadline(monotonic() + _ASKED_S):
        if tables.are_of_an_earlier_form():
            return "of a version before the first release"
        return "not applied" if tables.not_applied() else ""


def _without_database(facts: Facts) -> Readiness:
    try:
        age_s = local_copy.age_s()
    except (local_copy.NothingKnownError, OSError):
        return _no("unavailable", facts | {"copy": "none"})
    facts["copy_age_seconds"] = int(age_s)
    if age_s > settings.STAND_IN_MAX_AGE_S:
        return _no("unavailable", facts | {"copy": "older than STAND_IN_MAX_AGE_S"})
    if not settings.STAND_IN_ON_DATABASE_UNREACHABLE:
        switched_off = "not used: STAND_IN_ON_DATABASE_UNREACHABLE is false"
        return _no("unavailable", facts | {"copy": switched_off})
    if spool_watch.problem():
        return _no("unavailable", facts)  # what can't be kept is declined
    return _yes(facts | {"copy": "used"})


def _yes(facts: Facts) -> Readiness:
    told: Facts = {"status": "ready"}
    return Readiness(is_ready=True, facts=told | facts)


def _no(status: str, facts: Facts) -> Readiness:
    told: Facts = {"status": status}
    return Readiness(is_ready=False, facts=told | facts)
