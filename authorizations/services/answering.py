"""Always an answer in time: decided with the database, or, where that fails, by stand-in.

Nothing here raises: whatever breaks, a signed authorization request gets a well-formed answer.
"""

import logging
from collections.abc import Callable
from time import monotonic

from django.conf import settings
from django.db import InterfaceError, OperationalError

from authorizations.rules.stand_in import StandInCause
from authorizations.rules.values import AuthorizationRequest, DeclineReason
from authorizations.services import stand_in, switch
from authorizations.services.authorize import CommitUnknownError, authorize
from authorizations.services.breaker import Breaker
from authorizations.services.deadline import deadline, has_passed
from authorizations.services.delivery import Delivery
from authorizations.services.pool import Probe
from authorizations.wire import events

logger = logging.getLogger(__name__)

MAX_WAIT_MS = 200
"""A request that waited longer for a worker is answered by stand-in: its time is used up."""

_ENOUGH_FOR_ANOTHER_S = 0.3

breaker = Breaker(probe=Probe(), recovered=lambda: None)


def answer(delivery: Delivery) -> bytes:
    """The body of the answer to an authorization request; it is recorded, or spooled."""
    try:
        request = events.authorization_request(delivery.event)
    except events.MalformedEvent as malformed:
        return _refused(delivery, DeclineReason.MALFORMED_REQUEST, malformed.problem)
    if settings.STRIPE_LIVEMODE not in (None, request.livemode):
        problem = f"A {_mode(live=request.livemode)} event came to a desk that takes only others."
        return _refused(delivery, DeclineReason.WRONG_MODE, problem, request)
    return _answer(request, delivery)


def _mode(*, live: bool) -> str:
    return "live" if live else "test"


def _answer(request: AuthorizationRequest, delivery: Delivery) -> bytes:
    cause = _cause_at_once(delivery)
    if cause is None:
        try:
            return _in_time(delivery, lambda: authorize(request, delivery))
        except CommitUnknownError as unknown:
            breaker.miss()
            return stand_in.commit_unknown(unknown, delivery)
        except Exception as error:  # noqa: BLE001 - whatever it is, Stripe waits
            cause = _cause_of(error)
    return stand_in.answer(request, delivery, cause)


def _cause_at_once(delivery: Delivery) -> StandInCause | None:
    """Why the database is not even asked."""
    if switch.is_on():
        return StandInCause.SWITCHED_ON
    if delivery.waited_ms > MAX_WAIT_MS:
        return StandInCause.OVERLOADED
    return StandInCause.DATABASE_UNREACHABLE if breaker.is_open else None


def _in_time(delivery: Delivery, decide: Callable[[], bytes]) -> bytes:
    """What `decide` returns, tried again where a connection turned out to be dead.

    After a restart of the database each one in the pool is, which takes no time to find out.
    """
    ends = monotonic() + delivery.seconds_left(settings.DECISION_BUDGET_MS)
    while True:
        try:
            with deadline(ends):
                return decide()
        except (OperationalError, InterfaceError) as error:
            if has_passed(error) or ends - monotonic() < _ENOUGH_FOR_ANOTHER_S:
                raise
