"""Purchases the demo has none of: without an end, captured above, and let through."""

import json
from collections.abc import Iterator
from datetime import timedelta
from random import Random

from django.contrib.auth.models import User
from django.utils import timezone

from authorizations.models import Decision
from authorizations.services.policies.purchase_exceptions import USUAL_TIME, allow_once, waivable
from simulator.cast import FIRST, named
from simulator.stripe.sample_disputes import dispute, dispute_event
from simulator.stripe.sample_lives import Life
from simulator.stripe.samples import MERCHANTS, Json, Purchase
from tests.support.desk import deliver

_DAY = 86_400


def play_lives() -> None:
    now = timezone.now()
    begun = int((now - timedelta(days=9)).timestamp())
    waiting = _asked("iauth_pictures_waiting", 2_460, "Spree Kantine", begun)
    tipped = _asked("iauth_pictures_tipped", 4_000, "Chez Ninon", begun + 6 * _DAY)
    tipped.ask(800, at=begun + 6 * _DAY + 600)
    tipped.answered(approved=True, at=begun + 6 * _DAY + 602)
    tipped.capture(6_100, at=begun + 7 * _DAY)
    tipped.refund(1_500, at=begun + 8 * _DAY)
    for event in (*waiting.events, *tipped.events, *_won(tipped, begun + 8 * _DAY)):
        deliver(event)
    _allow_once()


def _allow_once() -> None:
    """A declined purchase is let through and tried again; a second exception waits for its own."""
    declined = Decision.objects.filter(reason="amount_limit_exceeded", stand_in="").latest("pk")
    found = waivable(declined)
    waives = [waiver for _, waiver in found.checks]
    event = json.loads(declined.webhook_request.kept_body)
    event["id"], event["data"]["object"]["id"] = "evt_pictures_allowed", "iauth_pictures_allowed"
    for number, reason in enumerate(("Hotel in Lyon", "Train back")):
        allow_once(
            found.request.card.id,
            waives,
            up_to=found.usual_amount,
            currency=found.request.currency,
            until=timezone.now() + USUAL_TIME * (1 + number),
            by=User.objects.filter(is_superuser=True).first(),
            reason=reason,
            decision=declined.pk,
        )
        deliver(event)  # the second time it is a repeat, which uses nothing


def _won(life: Life, at: int) -> Iterator[Json]:
    """The events of a dispute over the life's first transaction, won after two hours."""
    chance = Random(at)
    [captured, *_] = [event for event in life.events if event["type"].startswith("issuing_tr")]
    disputed = dispute(captured["data"]["object"], at=at, chance=chance, reason="not_received")
    yield dispute_event(disputed, "created", at=at, chance=chance)
    yield dispute_event(disputed, "submitted", at=at + 60, chance=chance, status="submitted")
    yield dispute_event(disputed, "funds_reinstated", at=at + 7_200, chance=chance, status="won")
    yield dispute_event(disputed, "closed", at=at + 7_200, chance=chance, status="won")


def _asked(key: str, amount: int, shop: str, at: int) -> Life:
    """Asked and approved by a card that little is spent with."""
    member = named("0077") if key.endswith("waiting") else FIRST
    merchant = next(found for found in MERCHANTS if found.name == shop)
    purchase = Purchase(authorization_id=key, created=at, amount=amount, merchant=merchant)
    life = Life(purchase, member.as_stripe_has_it(at), chance=Random(key))
    life.ask(at=at + 1)
    life.answered(approved=True, at=at + 2)
    return life
