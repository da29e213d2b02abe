"""Demo data: people with cards, policies for them, and a few days of purchases.

For a newcomer's first look, and never anywhere else: the log-ins have a known password.
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

from authorizations.models import Card, Decision, Policy
from authorizations.services.authorize import authorize
from authorizations.services.delivery import Delivery, Stopwatch
from authorizations.services.freeze import freeze
from authorizations.services.policy_files import import_policies
from authorizations.simulator.cast import CAST
from authorizations.simulator.door import Answer
from authorizations.simulator.street import Question, Street, anybody
from authorizations.wire import events

PASSWORD = "demo"  # noqa: S105 - known to everybody, which is why this is for demos only
LOGINS = {"operator": "Operations", "auditor": "Auditors", "admin": None}
"""User names and their role; the one without may do everything."""

_SEED = "demo"
_QUESTIONS = 66
_DAYS = 6
_OPEN_HOURS = range(7, 20)
_FROZEN, _FROZEN_REASON = "ic_demo_noah", "Reported lost by phone; a replacement is on its way."


@dataclass(frozen=True, slots=True)
class Loaded:
    """How much was made."""

    policies: int
    cards: int
    decisions: int


def is_needed() -> bool:
    """Whether nobody has made a policy yet."""
    return not Policy.objects.exists()


def load() -> Loaded:
    """Make the demo's log-ins, policies, cards and purchases: all of it or nothing."""
    with transaction.atomic():
        admin = _make_logins()
        written = files(__package__).joinpath("demo_policies.json").read_text("utf-8")
        changes = import_policies(written, reason="Demo data")
        decisions = _go_shopping(timezone.now())
        _finish_cards(admin)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # or plans are made for empty tables
    return Loaded(len(changes.policies), Card.objects.count(), decisions)


def _make_logins() -> User:
    """Returns the one who may do everything."""
    hashed = make_password(PASSWORD)  # once: it is slow on purpose
    for name, role in LOGINS.items():
        rights = {"is_staff": True, "is_superuser": role is None}
        user, is_new = User.objects.get_or_create(
            username=name, defaults=rights | {"password": hashed}
        )
        if is_new and role:
            user.groups.add(Group.objects.get(name=role))
    return User.objects.get(username="admin")


def _go_shopping(now: datetime) -> int:
    """Purchases of the last days, in the order of time; today is left free."""
    street = Street(_SEED, anybody(_SEED))
    for place, at in enumerate(sorted(_instants(now))):
        question = street.question(place, at)
        street.hear(question, Answer.of(_ask(question)))
    return Decision.objects.count()


def _finish_cards(admin: User) -> None:
    """What no purchase tells: a frozen card, and what became of those that were replaced."""
    freeze([_FROZEN], by=admin, reason=_FROZEN_REASON)
    for member in CAST:
        Card.objects.filter(pk=member.replacement_for).update(
            status=Card.Status.CANCELED, cardholder=member.cardholder_id
        )


def _instants(now: datetime) -> Iterator[int]:
    chance = Random(_SEED)  # noqa: S311 - nothing secret
    for _ in range(_QUESTIONS):
        day = now - timedelta(days=chance.randint(1, _DAYS))
        hour, minute, second = (
            chance.choice(_OPEN_HOURS),
            chance.randrange(60),
            chance.randrange(60),
        )
        yield int(day.replace(hour=hour, minute=minute, second=second).timestamp())


def _ask(question: Question) -> bytes:
    """One question through the real decision, as if it had come through the door."""
    event = events.read(question.body)
    delivery = Delivery(
        received_at=datetime.fromtimestamp(event.created or 0, UTC),
        sender="load_demo",
        headers={},
        body=question.body,
        signing_key="demo",
        event=event,
        stopwatch=Stopwatch(),
    )
    return authorize(events.authorization_request(event), delivery)
