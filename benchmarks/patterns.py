"""Purchases to be copied: some weeks of one team, and one week of a card that pays all day.

Made through the real services, so that all of their figures are right.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any

from authorizations.models import Assignment, Card, CardGroup, Cardholder
from authorizations.services.policies.publish import publish
from simulator.inside import take_in
from simulator.stripe import samples
from simulator.stripe.sample_lives import Life
from simulator.stripe.samples import MERCHANTS, Json, to_bytes

TEAM = "k0k"
"""Part of every id of the team, which copies replace."""

HOT = "hot"
GROUP_ID = 777_000_000
TEAM_CARDS = 4
WEEK = 7 * 86_400

_SUNDAY = 1_762_041_600
"""2 November 2025, 00:00 UTC."""

_TEAM_WEEKS = 8
# How purchases end; the others are captured for less than the hold.
_VOIDED, _AS_HELD, _REFUNDED = 0.15, 0.3, 0.1
_EUROS = [merchant for merchant in MERCHANTS if merchant.currency == "eur"]

# Windows that are the same in every week: a week can be copied to the next.
_EVERYBODY: list[Json] = [
    {"amount": 150_000, "interval": "daily"},
    {"amount": 3_000_000, "interval": "weekly"},
    {"count": 500, "interval": "weekly", "categories": ["eating_places_restaurants"]},
    {"amount": 10_000, "interval": "rolling", "hours": 1},
]
_CARDHOLDER: list[Json] = [{"amount": 100_000, "interval": "monthly"}]
_GROUP: list[Json] = [
    {"amount": 180_000, "interval": "monthly"},
    {"amount": 90_000_000, "interval": "all_time"},
]


def play(team_purchases: int, hot_purchases: int) -> Iterator[int]:
    """Make both patterns; yields the number of purchases so far."""
    group = CardGroup.objects.create(pk=GROUP_ID, name=f"Team {TEAM}")
    team = [_card(f"{TEAM}_{n}", f"{TEAM}_{n // 2}", group) for n in range(TEAM_CARDS)]
    hot = [_card(HOT, HOT, None)]
    _in_force("Everybody", _EVERYBODY, program=True)
    for holder in Cardholder.objects.filter(pk__contains=TEAM):
        _in_force(f"Of {holder.pk}", _CARDHOLDER, cardholder=holder)
    _in_force("Of the team", _GROUP, group=group)
    chance = Random(4)
    made = 0
    for cards, name, number, weeks in (
        (team, TEAM, team_purchases, _TEAM_WEEKS),
        (hot, HOT, hot_purchases, 1),
    ):
        # Not in the hours around the end of the week: rolling windows reach over it.
        moments = (chance.randrange(7_200, WEEK - 7_200) for _ in range(number))
        starts = sorted(_SUNDAY + chance.randrange(weeks) * WEEK + moment for moment in moments)
        for place, at in enumerate(starts):
            _buy(f"iauth_{name}_{place}", chance.choice(cards), at, chance)
            made += 1
            yield made


def _card(name: str, holder: str, group: CardGroup | None) -> Json:
    """A card as Stripe embeds it, which is registered already."""
    holder_row, _ = Cardholder.objects.get_or_create(pk=f"ich_{holder}", name="Grace Hopper")
    Card.objects.create(pk=f"ic_{name}", cardholder=holder_row, group=group, currency="eur")
    owner = samples.cardholder(cardholder_id=holder_row.pk, name=holder_row.name, created=_SUNDAY)
    return samples.card(card_id=f"ic_{name}", holder=owner, created=_SUNDAY)


def _in_force(name: str, limits: list[Json], **scope: Any) -> None:
    document = {"name": name, "currency": "eur", "spending_limits": limits}
    policy = publish(document, author=None).version.policy
    Assignment.objects.create(policy=policy, **scope)


def _buy(authorization_id: str, card: Json, at: int, chance: Random) -> None:
    """A purchase and its end: most are captured in full, or for a different amount."""
    wanted = samples.Purchase(
        authorization_id=authorization_id,
        created=at,
        amount=chance.randrange(100, 2_000),
        merchant=chance.choice(_EUROS),
    )
    life = Life(wanted, card, chance=chance)
    approved = b'"approved":true' in _take(life.ask(at=at)).replace(b" ", b"")
    _take(life.answered(approved=approved, at=at + 1))
    if not approved:
        return
    if chance.random() < _VOIDED:
        _take(life.reverse(at=at + 60))
        return
    part = life.amount if chance.random() < _AS_HELD else chance.randint(1, life.amount)
    for event in life.capture(part, at=at + 3_600):
        _take(event)
    if chance.random() < _REFUNDED:
        _take(life.refund(chance.randint(1, part), at=at + 7_200))


def _take(event: Json) -> bytes:
    received_at = datetime.fromtimestamp(event["created"], UTC)
    return take_in(to_bytes(event), received_at=received_at, sender="benchmark").body
