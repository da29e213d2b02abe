"""Demo data: people with cards, policies for them, and a few days of purchases.

Only for trying out the desk: the log-ins have a public password.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from random import Random

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.utils import timezone

from authorizations.models import Card, Decision, Policy, ProgramDefaults
from authorizations.rules.basics.controls import Weekday
from authorizations.services.policies.files import import_policies
from authorizations.services.policies.freeze import freeze
from authorizations.web.demo_logins import LOGINS, PASSWORD
from authorizations.wire.events import AUTHORIZATION_REQUEST
from simulator.cast import CAST, FIRST
from simulator.days import in_order_of_time
from simulator.inside import take_in
from simulator.lives import life
from simulator.mix import USUAL
from simulator.scene import Clock

_SEED = "demo"
_LIVES = 75
_DAYS = 12
_MINUTES_AGO = (3, 8, 14, 23, 37, 58, 84, 131, 190)
_OPEN_HOURS = range(7, 20)
_FROZEN, _FROZEN_REASON = "ic_demo_noah", "Reported lost by phone; a replacement is on its way."


@dataclass(frozen=True, slots=True)
class Loaded:
    """The numbers of rows that were made."""

    policies: int
    cards: int
    decisions: int


def is_needed() -> bool:
    """Whether there are no policies yet."""
    return not Policy.objects.exists()


def load() -> Loaded:
    """Make the demo's log-ins, policies, cards and purchases, in one transaction."""
    with transaction.atomic():
        admin = _make_logins()
        written = files(__package__).joinpath("demo_policies.json").read_text("utf-8")
        ProgramDefaults.objects.create(
            currency="eur", time_zone="Europe/Paris", week_starts=Weekday.MONDAY
        )
        changes = import_policies(written, reason="Demo data", allow_new_spending=True)
        decisions = _live(timezone.now())
        # What purchases do not set: a frozen card, and the state of replaced ones.
        freeze([_FROZEN], by=admin, reason=_FROZEN_REASON)
        for member in CAST:
            Card.objects.filter(pk=member.replacement_for).update(
                status=Card.Status.CANCELED, cardholder=member.cardholder_id
            )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # otherwise plans are made for empty tables
    return Loaded(len(changes.policies), Card.objects.count(), decisions)


def _make_logins() -> User:
    """Make the log-ins; returns the superuser."""
    hashed = make_password(PASSWORD)  # once: it is slow on purpose
    for name, role in LOGINS.items():
        rights = {"is_staff": True, "is_superuser": role is None}
        user, is_new = User.objects.get_or_create(
            username=name, defaults=rights | {"password": hashed}
        )
        if is_new and role:
            user.groups.add(Group.objects.get(name=role))
    return User.objects.get(username="admin")


def _live(now: datetime) -> int:
    """Make the purchases of the last days, up to some minutes ago; returns the decisions."""
    chance = Random(_SEED)  # noqa: S311 - nothing secret
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    lives = [
        life(Random(f"{_SEED}/{at}"), USUAL, CAST, Clock(at))  # noqa: S311
        for at in sorted(_instants(today, chance))
    ]
    # The oldest purchase gets no further events, so that there is an overdue hold.
    oldest = Clock(int((today - timedelta(days=_DAYS)).timestamp()))
    lives.append(life(chance, {"forgotten": 1}, [FIRST], oldest))
    # The latest purchases, without the first card, whose limits are for the tour.
    others = [member for member in CAST if member is not FIRST]
    for minutes in _MINUTES_AGO:
        at = int((now - timedelta(minutes=minutes)).timestamp())
        lives.append(life(Random(f"{_SEED}/{at}"), {"capture": 1}, others, Clock(at)))  # noqa: S311
    events = in_order_of_time(lives, until=int(now.timestamp()))
    reply: bytes | None = None
    while True:
        try:
            at, step = events.send(reply)
        except StopIteration:
            return Decision.objects.count()
        received_at = datetime.fromtimestamp(at, UTC)
        answered = take_in(step.body, received_at=received_at, sender="load_demo")
        reply = answered.body if step.kind == AUTHORIZATION_REQUEST else None


def _instants(today: datetime, chance: Random) -> Iterator[int]:
    for _ in range(_LIVES):
        day = today - timedelta(days=chance.randint(1, _DAYS))
        hour, minute = chance.choice(_OPEN_HOURS), chance.randrange(60)
        at = day.replace(hour=hour, minute=minute, second=chance.randrange(60))
        yield int(at.timestamp())
