"""Whether this server should be sent purchases, and why.

A server without the database is ready as long as stand-in can answer: if a load balancer took it
away, purchases would be left to Stripe's default.
"""

from time import monotonic
from typing import NamedTuple, TypeAlias

from django.conf import settings
from django.db import DatabaseError

from authorizations.services.host import local_copy
from authorizations.services.lifecycle import unheard
from authorizations.services.runtime import tables
from authorizations.services.runtime.deadline import deadline, has_passed
from authorizations.services.stand_in import spool_watch, switch
from authorizations.services.webhook import answering
from authz_project import pooler

STARTING_S = 5.0
"""Maximum seconds for which a server reports "starting"; then stand-in answers, as on any other."""

_TIMEOUT_S = 1.0

Facts: TypeAlias = dict[str, str | int]
"""Plain words and figures for people who read the response."""


class Readiness(NamedTuple):
    is_ready: bool
    facts: Facts


class Warmth:
    """How far the start of a server process has come.

    `began` is in seconds of time.monotonic, None in a process that is not a server. A server is
    warm once its pool is full, the policy versions in force are loaded, and a request is rehearsed.
    """

    def __init__(self) -> None:
        self.began: float | None = None
        self.is_warm = False

    @property
    def is_starting(self) -> bool:
        return self.began is not None and not self.is_warm and monotonic() - self.began < STARTING_S


warmth = Warmth()


def readiness() -> Readiness:
    """Whether this server is ready, with the facts; queries the database for a second at most.

    Does not query it while the breaker is open.
    """
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
            problem = _migrations_problem()
        except DatabaseError as error:
            cause = "no answer in time" if has_passed(error) else "no connection"
        else:
            facts["database"] = "answers"
            if problem:
                return _no("unavailable", facts | {"migrations": problem})
            return _yes(facts)
    facts |= {"database": "does not answer", "cause": cause}
    try:
        age_s = local_copy.age_s()
    except (local_copy.NoCopyError, OSError):
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


def _migrations_problem() -> str:
    """What is wrong with the tables; "" if nothing is. Raises django.db.Error."""
    with deadline(monotonic() + _TIMEOUT_S):
        if tables.are_of_an_earlier_form():
            return "of a version before the first release"
        return "not applied" if tables.not_applied() else ""


def _yes(facts: Facts) -> Readiness:
    status: Facts = {"status": "ready"}
    return Readiness(is_ready=True, facts=status | facts)


def _no(status: str, facts: Facts) -> Readiness:
    first: Facts = {"status": status}
    return Readiness(is_ready=False, facts=first | facts)
