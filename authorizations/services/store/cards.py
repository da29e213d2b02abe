"""Cards and cardholders as the events tell them: the newest event wins, whatever comes last."""

from collections.abc import Iterable, Mapping
from contextlib import suppress

from django.db import IntegrityError, connection, transaction

from authorizations.models import Card, Cardholder
from authorizations.rules.purchases.events import CardDetails as CardValue
from authorizations.rules.purchases.events import PurchaseEvent
from authorizations.rules.purchases.reports import CardholderReport
from authorizations.services.runtime.actor import acting
from authorizations.services.store import joined_usage, locks
from authorizations.services.store.locks import LockedCard

_ATTEMPTS = 3


def is_news(event: PurchaseEvent, row: LockedCard) -> bool:
    """Whether the event tells something newer of its card or cardholder than the locked rows."""
    if event.card.is_only_named or event.event_created < row.details_at:
        return False
    return _has_other_details(event.card, row) or _has_another_name(event.card, row)


def refresh(event: PurchaseEvent, row: LockedCard) -> None:
    """Bring the locked rows up to date with it."""
    card, at = event.card, event.event_created
    with acting(event=event.event_id):
        if _has_other_details(card, row):
            Card.objects.filter(pk=card.id).update(**_details(card, at))
        if _has_another_name(card, row):
            rename(card.cardholder_id, card.cardholder_name, at)


def _has_other_details(card: CardValue, row: LockedCard) -> bool:
    details = (card.last4, card.brand, card.type, card.currency, card.status)
    return details != (row.last4, row.brand, row.type, row.currency, row.status)


def _has_another_name(card: CardValue, row: LockedCard) -> bool:
    is_its_own = row.cardholder_id == card.cardholder_id
    return is_its_own and row.cardholder_name != card.cardholder_name


def rename(cardholder_id: str, name: str, at: int) -> None:
    """Give the cardholder the name an event created `at` tells, unless a newer one told another."""
    existing = Cardholder.objects.filter(pk=cardholder_id, details_at__lte=at)
    existing.exclude(name=name).update(name=name, details_at=at)


def tell(card: CardValue, event_id: str, at: int) -> None:
    """Bring a known card up to date with an event about it, created `at`; within a transaction."""
    locks.hold(cards=[card.id], cardholders=[card.cardholder_id])
    details = _details(card, at)
    existing = Card.objects.filter(pk=card.id, details_at__lte=at)
    with acting(event=event_id):
        existing.exclude(
            **{key: value for key, value in details.items() if key != "details_at"}
        ).update(**details)
        if card.cardholder_name:
            rename(card.cardholder_id, card.cardholder_name, at)


def tell_cardholder(report: CardholderReport) -> None:
    """Keep a cardholder's name, of one not heard of before as well; within a transaction."""
    at = report.event_created
    with acting(event=report.event_id):
        holder = Cardholder(id=report.id, name=report.name, details_at=at)
        Cardholder.objects.bulk_create([holder], ignore_conflicts=True)
        rename(report.id, report.name, at)


def _details(card: CardValue, at: int) -> dict[str, str | int]:
    if card.is_only_named:
        return {}
    return {
        "last4": card.last4,
        "brand": card.brand,
        "type": card.type,
        "currency": card.currency,
        "status": card.status,
        "details_at": at,
    }


def register(card: CardValue, event_id: str, at: int) -> None:
    """Make sure card and cardholder are there and the card hangs on the right chain.

    `at` is when the event that tells of them was created.
    """
    with acting(event=event_id):
        _register(card, at)


def _register(card: CardValue, at: int) -> None:
    """Each row that may be new commits by itself, before anything is locked: so first uses of one
    card at the same moment can neither deadlock nor see a row that is taken back. A card that
    replaces another is added under the lock of their root.
    """
    told_at = at if card.cardholder_name else 0
    holder = Cardholder(id=card.cardholder_id, name=card.cardholder_name, details_at=told_at)
    first = Card(
        id=card.id, root_id=card.id, cardholder_id=card.cardholder_id, **_details(card, at)
    )
    if card.replacement_for:
        # A replaced card never heard of before gets a row to stand on.
        first = Card(
            id=card.replacement_for,
            root_id=card.replacement_for,
            cardholder_id=card.cardholder_id,
            status=Card.Status.CANCELED,
        )
    Cardholder.objects.bulk_create([holder], ignore_conflicts=True)
    Card.objects.bulk_create([first], ignore_conflicts=True)
    for _ in range(_ATTEMPTS):
        with suppress(IntegrityError):  # somebody hangs these cards elsewhere without our locks
            if _join_chain(card, at):
                break
    _move_to_cardholder(card, at)


def _move_to_cardholder(card: CardValue, at: int) -> None:
    """What only names a card tells of a cardholder just where none is known."""
    existing = Card.objects.filter(pk=card.id).exclude(cardholder=card.cardholder_id)
    if card.is_only_named:
        existing.filter(cardholder=None).update(cardholder=card.cardholder_id)
    else:
        existing.filter(details_at__lte=at).update(cardholder=card.cardholder_id, details_at=at)


@transaction.atomic
def _join_chain(card: CardValue, at: int) -> bool:
    """Hang a card on the chain of the one it replaces, with all that replace it.

    A chain that is broken, a root under another root, is put right. False where the chains changed
    before they were locked.
    """
    named = [card.id, card.replacement_for or card.id]
    chains = _chains(named)
    root_id = _root_in(chains, named[-1])
    if not card.replacement_for and {*chains.values()} == {root_id}:
        return True
    locks.hold(cards=chains)
    if _chains(named) != chains:
        return False
    if card.id not in chains:
        row = Card(
            id=card.id,
            root_id=root_id,
            replacement_for=card.replacement_for or "",
            cardholder_id=card.cardholder_id,
            **_details(card, at),
        )
        Card.objects.bulk_create([row], ignore_conflicts=True)
        return Card.objects.filter(pk=card.id, root=root_id).exists()
    if card.replacement_for:
        existing = Card.objects.filter(pk=card.id).exclude(replacement_for=card.replacement_for)
        existing.update(replacement_for=card.replacement_for)
    roots = {*chains.values()}
    if any(chains.get(each, each) != each for each in roots):
        joined_usage.forget([*roots])
    for old_root_id in sorted(roots - {root_id}):
        _move_chain(old_root_id, root_id, at)
    return True


def _chains(named: Iterable[str]) -> dict[str, str]:
    """The root of each of these cards, and of each root: itself, unless a chain is broken."""
    chains: dict[str, str] = {}
    wanted = set(named)
    while wanted:
        found = dict(Card.objects.filter(pk__in=wanted).values_list("pk", "root_id"))
        chains |= found
        wanted = set(found.values()) - chains.keys()
    return chains


def _root_in(chains: Mapping[str, str], card_id: str) -> str:
    """The card that a card's roots lead to in the end."""
    passed = {card_id}
    while (root_id := chains.get(card_id, card_id)) not in passed:
        passed.add(card_id := root_id)
    return card_id


def _move_chain(old_root_id: str, root_id: str, at: int) -> None:
    """Hang all cards of a root under another one, both locked.

    Its group and assignments move along; so does what is remembered of what they used up. Their
    purchases stay as they are: they are found by their cards.
    """
    joined_usage.join(old_root_id, root_id, at)
    with connection.cursor() as cursor:
        # As part of WITH, so that it counts as writing and the history hears who does it.
        cursor.execute(
            "WITH moved AS MATERIALIZED (SELECT authorizations_move_chain(%s, %s)) "
            "SELECT count(*) FROM moved",
            [old_root_id, root_id],
        )
