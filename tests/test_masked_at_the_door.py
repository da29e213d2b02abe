"""A card number in a request is nowhere in the database, and decisions stay what they were."""

import hashlib
import json
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from authorizations.models import Decision, RejectedRequest, UnappliedEvent, WebhookRequest
from authorizations.services.lifecycle import intake
from authorizations.services.runtime.delivery import Delivery, Stopwatch
from authorizations.services.stand_in import spool_record
from authorizations.services.store import rows
from authorizations.services.webhook import rejections
from authorizations.wire import events, masking
from authorizations.wire.api import as_event
from simulator.stripe import samples
from simulator.stripe.samples import Json
from tests.support.desk import NOON, Shopper, deliver, deliver_forged, in_force
from tests.support.lifecycle import Told
from tests.support.verification import redecided

pytestmark = pytest.mark.django_db

CARD = "4242424242424242"
MASKED = "424242******4242"


def changed(event: Json, **values: object) -> Json:
    """The event with other values; "card__last4" is the last4 of its object's card."""
    for path, value in values.items():
        *parents, last = path.split("__")
        place: Any = event["data"]["object"]
        for parent in parents:
            place = place[parent]
        place[last] = value
    return event


def asked(**values: object) -> Json:
    shopper = Shopper()
    return changed(shopper.event(shopper.purchase(100)), **values)


def everything() -> str:
    """All that the database holds, bytes as text."""
    found = []
    with connection.cursor() as cursor:
        for model in apps.get_app_config("authorizations").get_models():
            if model._meta.managed:
                cursor.execute(f'TABLE "{model._meta.db_table}"')
                found += [repr(_readable(row)) for row in cursor.fetchall()]
    return "\n".join(found)


def _readable(row: tuple[Any, ...]) -> list[Any]:
    return [bytes(v) if isinstance(v, memoryview) else v for v in row]


def test_a_card_number_anywhere_in_a_request_is_nowhere_in_the_database() -> None:
    in_force()
    event = asked(
        merchant_data__name=f"Shop {CARD}",
        merchant_data__city=CARD,
        card__cardholder__name=f"Ada {CARD}",
        metadata={"order": CARD, CARD: "x", "note": "4242 4242 4242 4242"},
    )
    body = samples.to_bytes(event)
    deliver(body, **{"User-Agent": CARD, "X-Forwarded-For": f"{CARD}, 1.2.3.4"})
    held = everything()
    assert CARD not in held
    assert "4242 4242 4242 4242" not in held
    assert held.count(MASKED) >= 8
    row = WebhookRequest.objects.get()
    assert row.body_sha256 == hashlib.sha256(body).hexdigest()
    assert row.masked_sha256 == hashlib.sha256(bytes(row.body)).hexdigest()
    assert json.loads(bytes(row.body))["data"]["object"]["metadata"]["order"] == MASKED
    decision = Decision.objects.get()
    assert (decision.approved, decision.merchant_name) == (True, f"Shop {MASKED}")
    assert redecided() == []


def test_a_request_without_one_is_kept_to_the_byte() -> None:
    body = samples.to_bytes(asked())
    deliver(body)
    row = WebhookRequest.objects.get()
    assert (bytes(row.body), row.masked_sha256) == (body, "")
    assert row.body_sha256 == hashlib.sha256(body).hexdigest()


def test_merchants_whose_network_id_looks_like_a_card_number_are_still_told_apart() -> None:
    in_force(blocked_merchants=[CARD])
    for network_id, reason in ((CARD, "merchant_not_allowed"), ("4242427777774242", "approved")):
        answer = deliver(asked(merchant_data__network_id=network_id)).json()
        assert answer["metadata"]["reason"] == reason


def test_a_malformed_request_is_malformed_in_the_same_way_when_it_is_read_again() -> None:
    event = asked(pending_request__amount=CARD)
    assert deliver(event).json()["metadata"]["reason"] == "malformed_request"
    assert CARD not in everything()
    assert redecided() == []


def test_the_same_request_sent_twice_is_still_the_same() -> None:
    in_force()
    event = asked(merchant_data__name=CARD)
    assert deliver(event).json() == deliver(event).json()
    assert Decision.objects.count() == 1


def test_later_events_and_those_that_wait_are_masked_too() -> None:
    in_force()
    bought = Told(5_000)
    bought.buys()
    captured, _ = bought.life.capture(5_000, at=bought.tick())
    broken = changed(captured, amount=1.5, merchant_data__name=CARD)
    body = samples.to_bytes(broken)
    assert deliver(body).status_code == 200
    [waiting] = intake.all_waiting()
    assert intake.apply_again(waiting)
    assert CARD not in everything()
    rows = WebhookRequest.objects.filter(event_id=captured["id"])
    assert {row.body_sha256 for row in rows} == {hashlib.sha256(body).hexdigest()}
    assert UnappliedEvent.objects.get().attempts == 2


def test_what_goes_through_the_spool_keeps_its_digest() -> None:
    body = samples.to_bytes(asked(merchant_data__name=CARD))
    kept = masking.body(body)
    delivery = Delivery(
        received_at=timezone.now(),
        sender="",
        headers={},
        body=kept,
        signing_key="",
        event=events.read(kept),
        stopwatch=Stopwatch(),
        received_sha256=hashlib.sha256(body).hexdigest(),
    )
    written = spool_record.encode(
        spool_record.spool_record(delivery, "deadline_missed", b"{}", None)
    )
    assert CARD.encode() not in written
    again = rows.request(spool_record.decode(written).delivery(), "")
    assert again.body_sha256 == hashlib.sha256(body).hexdigest()
    assert again.masked_sha256 == hashlib.sha256(kept).hexdigest()


@pytest.mark.parametrize("before", [0, 1010, 1016, 1020])
def test_of_a_rejected_request_no_card_number_is_kept_even_where_it_is_cut_off(before: int) -> None:
    body = b"x" * before + CARD.encode() + b"y" * 100
    deliver_forged(body)
    rejections.write()
    row = RejectedRequest.objects.get()
    assert bytes(row.body_start) == (b"x" * before + MASKED.encode() + b"y" * 100)[:1024]
    assert row.body_sha256 == hashlib.sha256(body).hexdigest()


def test_of_the_signature_that_was_sent_only_the_beginning_is_kept() -> None:
    deliver(asked())
    kept = WebhookRequest.objects.get().headers["Stripe-Signature"]
    seconds, v1 = kept.split(",")
    assert seconds.removeprefix("t=").isdecimal()
    assert len(v1) == len("v1=") + 8


def test_an_event_read_in_stripe_s_api_is_masked() -> None:
    raw = json.dumps({"id": "iauth_1", "created": NOON, "livemode": False, "note": CARD}).encode()
    found = as_event("api.issuing_authorization", raw, NOON, "2026-10-28.endive")
    assert CARD.encode() not in found.body
    assert MASKED.encode() in found.body
