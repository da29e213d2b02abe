"""Prepares traffic: new, signed authorization requests for a set of cards."""

import json
import time
from pathlib import Path
from random import Random

from authorizations.wire.signature import sign
from simulator.stripe import samples

CARDS = 100


def write(path: Path, secret: str, count: int, seed: int) -> None:
    """Write `count` requests, two lines each: the signature header and the body.

    They are signed now, so they are valid for five minutes.
    """
    chance = Random(seed)
    now = int(time.time())
    cards = [_card(number, now) for number in range(CARDS)]
    with path.open("w") as lines:
        for _ in range(count):
            purchase = samples.Purchase(
                authorization_id=samples.identifier("iauth", chance),
                created=now,
                amount=chance.randrange(100, 2_000),
                merchant=chance.choice(samples.MERCHANTS),
            )
            event_id = samples.identifier("evt", chance)
            card = chance.choice(cards)
            event = samples.request_event(purchase, event_id=event_id, created=now, card=card)
            body = json.dumps(event)
            lines.write(f"{sign(body.encode(), secret, now)}\n{body}\n")


def _card(number: int, now: int) -> samples.Json:
    holder = samples.cardholder(
        cardholder_id=f"ich_bench{number // 3}", name="Grace Hopper", created=now
    )
    return samples.card(card_id=f"ic_bench{number}", holder=holder, created=now)
