"""One purchase that nobody made, decided on each connection before the first real one comes.

A process that has just begun imports, compiles and loads as it goes, and PostgreSQL plans a
statement anew on each connection until it has seen it a few times: the first purchases would pay
for all of it, while Stripe waits. So the policies in force are read, and the way of a request is
gone through, up to the rows that would be written. Nothing is locked, kept, counted or told.
"""

import json
import logging
import threading
from datetime import UTC, datetime
from time import monotonic, time

from django.conf import settings
from django.db import connection

from authorizations.models import Policy
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.services.authorize import transaction
from authorizations.services.host import versions
from authorizations.services.runtime.deadline import deadline
from authorizations.services.runtime.delivery import Delivery, Stopwatch
from authorizations.services.store import answers
from authorizations.services.store.plans import drive
from authorizations.wire import answer, events, masking, signature

logger = logging.getLogger(__name__)

_TIMES = 6
"""From the sixth time on PostgreSQL keeps the plan of a prepared statement."""

_NOBODY = "rehearsal"


def load_versions() -> None:
    """Read the versions in force, the newest first where there are more than are kept.

    Raises django.db.Error.
    """
    in_force = sorted(Policy.objects.versions_in_force().values())
    versions.controls_of(in_force[-versions.CACHED :])


def rehearse(within_s: float) -> None:
    """Go through a decision on every connection of the pool at once, each in its own thread.

    Raises the first error there was, as a decision would.
    """
    pool = connection.pool  # type: ignore[attr-defined]
    places = pool.min_size if pool else 1
    # Nobody gives a connection back before each has one: else one would serve them all.
    together = threading.Barrier(places)
    failed: list[Exception] = []
    until = monotonic() + within_s

    def go() -> None:
        try:
            with deadline(until):
                together.wait(within_s)
                for _ in range(_TIMES):
                    _once()
                together.wait(within_s)
        except Exception as error:  # noqa: BLE001 - raised in the thread that waits
            together.abort()
            failed.append(error)
        finally:
            connection.close()

    if places == 1:
        go()
    else:
        threads = [threading.Thread(target=go, daemon=True) for _ in range(places)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failed:
        raise min(failed, key=lambda error: isinstance(error, threading.BrokenBarrierError))


def _once() -> None:
    drive(answers.of_event(_NOBODY, is_on_record=False))  # what this host has answered without it
    given = transaction.rehearse(*of_nobody())
    answer.headers(settings.STRIPE_VERSION, given)


def of_nobody() -> tuple[AuthorizationRequest, Delivery]:
    """The request of a card that does not exist, with its delivery, as if it had just come."""
    at = int(time())
    body = json.dumps(_event(at)).encode()
    secret = next(iter(settings.STRIPE_WEBHOOK_SECRETS), _NOBODY)
    verified = signature.verify(body, signature.sign(body, secret, at), [secret], at)
    event = events.read(masking.body(body))
    delivery = Delivery(
        received_at=datetime.now(UTC),
        sender=_NOBODY,
        headers={},
        body=body,
        signing_key=verified.signing_key,
        event=event,
        stopwatch=Stopwatch(),
    )
    return events.authorization_request(event), delivery


def _event(at: int) -> dict[str, object]:
    """A request of a card that does not exist, with all that decisions look at."""
    return {
        "id": _NOBODY,
        "object": "event",
        "type": events.AUTHORIZATION_REQUEST,
        "api_version": settings.STRIPE_VERSION,
        "created": at,
        "livemode": bool(settings.STRIPE_LIVEMODE),
        "data": {
            "object": {
                "id": _NOBODY,
                "created": at,
                "amount": 0,
                "status": "pending",
                "authorization_method": "online",
                "card_presence": "not_present",
                "card": {
                    "id": _NOBODY,
                    "status": "active",
                    "last4": "0000",
                    "currency": "eur",
                    "created": at,
                    "cardholder": {"id": _NOBODY, "name": _NOBODY},
                },
                "merchant_data": {
                    "category": "eating_places_restaurants",
                    "category_code": "5812",
                    "country": "FR",
                    "name": _NOBODY,
                    "network_id": _NOBODY,
                },
                "pending_request": {"amount": 1, "currency": "eur", "merchant_currency": "eur"},
                "request_history": [],
                "transactions": [],
                "verification_data": {"cvc_check": "match", "expiry_check": "match"},
            }
        },
    }
