"""Cards and cardholders as events report them; the newest event wins, in any order of arrival."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress

from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet

from authorizations.models import Card, CardGroup, Cardholder
from authorizations.rules.basics.card_numbers import mask_text
from authorizations.rules.purchases.events import CardDetails as CardValue
from authorizations.rules.purchases.events import PurchaseEvent
from authorizations.rules.purchases.reports import CardholderReport
from authorizations.services.runtime import actor
from authorizations.services.runtime.actor import acting
from authorizations.services.runtime.pipeline import BEGIN, COMMIT, Statement
from authorizations.services.store import joined_usage, locks, statements
from authorizations.services.store.locks import LockedCard
from authorizations.services.store.plans import Plan

_ATTEMPTS = 3


def is_news(event: PurchaseEvent, row: LockedCard, cardholder_name: str) -> bool:
    """Whether the event has newer details of its card or cardholder than the locked rows."""
    if event.card.is_only_named or event.event_created < row.details_at:
        return False
    return _has_other_details(event.card, row) or (
        _has_another_name(event.card, row, cardholder_name)
    )


def refresh(event: PurchaseEvent, row: LockedCard, cardholder_name: str) -> bool:
    """Bring the locked rows up to date with the event.

    The first event about a card that was added before it groups the card by rules; returns whether
    the card's group is a different one now.
    """
    card, at = event.card, event.event_created
    with acting(event=event.event_id):
        if _has_other_details(card, row):
            Card.objects.filter(pk=card.id).update(**_details(card, at))
        if _has_another_name(card, row, cardholder_name):
            rename(card.cardholder_id, card.cardholder_name, at)
        if not row.details_at:
            return _group(card, at)
    return False


def _has_other_details(card: CardValue, row: LockedCard) -> bool:
    details = (card.last4, card.brand, card.type, card.currency, card.status)
    return details != (row.last4, row.brand, row.type, row.currency, row.status)


def _has_another_name(card: CardValue, row: LockedCard, cardholder_name: str) -> bool:
    return row.cardholder_id == card.cardholder_id and cardholder_name != card.cardholder_name


def rename(cardholder_id: str, name: str, at: int) -> None:
    """Give the cardholder the name in an event created `at`, unless a newer event has set it."""
    rows = Cardholder.objects.filter(pk=cardholder_id, details_at__lte=at)
    rows.exclude(name=name).update(name=name, details_at=at)


def tell(card: CardValue, event_id: str, at: int) -> None:
    """Update an existing card from an event about it, created `at`. Runs within a transaction."""
    locks.hold(cards=[card.id], cardholders=[card.cardholder_id])
    details = _details(card, at)
    rows = Card.objects.filter(pk=card.id, details_at__lte=at)
    with acting(event=event_id):
        rows.exclude(
            **{key: value for key, value in details.items() if key != "details_at"}
        ).update(**details)
        if card.cardholder_name:
            rename(card.cardholder_id, card.cardholder_name, at)
        _group(card, at)


def tell_cardholder(report: CardholderReport) -> None:
    """Update or create a cardholder from an event about it, and group its cards by rules.

    Each locks.CHUNK cards in a transaction of their own, because purchases on them wait. Applied
    again it gives the same result.
    """
    at = report.event_created
    with acting(event=report.event_id):
        with transaction.atomic():
            holder = Cardholder(id=report.id, name=report.name, details_at=at)
            Cardholder.objects.bulk_create([holder], ignore_conflicts=True)
            rename(report.id, report.name, at)
            asked = _asked_keys()
            _note_metadata(Cardholder.objects.filter(pk=report.id), report.metadata, at, asked)
        cards = Card.objects.filter(cardholder=report.id)
        by_rule = Q(root__grouped_by=Card.GroupedBy.RULE)
        ungrouped = Q(root__grouped_by="", root__group=None)
        its = cards.filter(by_rule | ungrouped if asked else by_rule)
        for chunk in locks.in_chunks(its.order_by("root_id").values_list("root_id", flat=True)):
            with transaction.atomic():
                group_by_metadata(locks.hold(cards=chunk).values())


def _group(card: CardValue, at: int) -> bool:
    """Note what rules ask for of a locked card's metadata, and group its chain by them.

    Returns whether it has moved.
    """
    asked = _asked_keys()
    _note_metadata(Card.objects.filter(pk=card.id), card.metadata, at, asked)
    holder = Cardholder.objects.filter(pk=card.cardholder_id)
    _note_metadata(holder, card.cardholder_metadata, at, asked)
    root = Card.objects.get(pk=card.id).root
    is_by_rule = root.grouped_by == Card.GroupedBy.RULE
    return bool(asked or is_by_rule) and group_by_metadata([root.pk])


def _asked_keys() -> set[str]:
    """The keys of metadata that rules of groups ask for."""
    rules = CardGroup.objects.exclude(metadata_key="")
    return set(rules.order_by().values_list("metadata_key", flat=True))


def _note_metadata(
    row: QuerySet[Card] | QuerySet[Cardholder],
    metadata: Mapping[str, str] | None,
    at: int,
    asked: set[str],
) -> None:
    """Keep what is asked for of metadata in an event created `at`, unless a newer one has told."""
    if metadata is None:
        return
    kept = {key: value for key, value in _masked(metadata).items() if key in asked}
    rows = row.filter(metadata_at__lte=at)
    (rows if asked else rows.exclude(metadata={})).update(metadata=kept, metadata_at=at)


def group_by_metadata(root_ids: Iterable[str]) -> bool:
    """Group these roots, which are locked, by the groups' rules; returns whether any has moved.

    Those that were grouped by hand stay where they are.
    """
    with connection.cursor() as cursor:
        # Within WITH, so that it is recognized as a write and the history gets the actor.
        cursor.execute(
            "WITH moved AS MATERIALIZED (SELECT authorizations_group_by_metadata(%s)) "
            "SELECT count(*) FROM moved",
            [sorted(set(root_ids))],
        )
        [(number,)] = cursor.fetchall()
    return bool(number)


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


def create(events: Iterable[PurchaseEvent]) -> Plan[None]:
    """Insert the cards of these events and their cardholders where they are missing.

    In one short transaction that locks nothing else: in that of a group, two processes would wait
    for each other's new rows. Cards that replace others are left out. The order is one for all.
    """
    if creating := creation(events):
        yield creating


def creation(events: Iterable[PurchaseEvent]) -> list[Statement]:
    """The statements of `create`; none if all of these cards replace others."""
    plain = [event for event in events if _is_plain(event.card)]
    plain.sort(key=lambda event: (event.card.cardholder_id, event.card.id))
    statements_ = [one for event in plain for one in _creating(event)]
    return [BEGIN, *statements_, COMMIT] if plain else []


def _is_plain(card: CardValue) -> bool:
    return bool(card.cardholder_id) and not card.replacement_for and not card.is_only_named


def _creating(event: PurchaseEvent) -> list[Statement]:
    card, at = event.card, event.event_created
    columns: dict[str, str | int | None] = {
        **_details(card, at),
        "id": card.id,
        "cardholder_id": card.cardholder_id,
        "cardholder_name": card.cardholder_name,
        "named_at": at if card.cardholder_name else 0,
        **_metadata_columns("metadata", card.metadata, at),
        **_metadata_columns("cardholder_metadata", card.cardholder_metadata, at),
    }
    return [
        Statement(statements.SET_ACTOR, {"work": actor.setting(event=event.event_id)}),
        Statement(statements.CREATE_CARD, columns),
    ]


def _metadata_columns(
    name: str, metadata: Mapping[str, str] | None, at: int
) -> dict[str, str | int | None]:
    told = None if metadata is None else json.dumps(_masked(metadata))
    return {name: told, f"{name}_at": 0 if metadata is None else at}


def _masked(metadata: Mapping[str, str]) -> dict[str, str]:
    """As the rules of groups have it: without card numbers."""
    return {mask_text(key): mask_text(value) for key, value in metadata.items()}


def register(card: CardValue, event_id: str, at: int) -> None:
    """Make sure that card and cardholder exist, and that the card is in the right chain.

    `at` is when the event that names them was created. New rows are committed one by one, before
    anything is locked, so that simultaneous first uses of a card neither deadlock nor see a row
    that is rolled back. A card that replaces another is added under the lock of their root.
    """
    with acting(event=event_id):
        named_at = at if card.cardholder_name else 0
        holder = Cardholder(id=card.cardholder_id, name=card.cardholder_name, details_at=named_at)
        first = Card(
            id=card.id, root_id=card.id, cardholder_id=card.cardholder_id, **_details(card, at)
        )
        if card.replacement_for:
            # An unknown replaced card gets a row that the chain can begin with.
            first = Card(
                id=card.replacement_for,
                root_id=card.replacement_for,
                cardholder_id=card.cardholder_id,
                status=Card.Status.CANCELED,
            )
        Cardholder.objects.bulk_create([holder], ignore_conflicts=True)
        Card.objects.bulk_create([first], ignore_conflicts=True)
        for _ in range(_ATTEMPTS):
            with suppress(IntegrityError):  # these cards were moved elsewhere without our locks
                if _join_chain(card, at):
                    break
        rows = Card.objects.filter(pk=card.id).exclude(cardholder=card.cardholder_id)
        if card.is_only_named:  # a cardholder is only set where none is known
            rows.filter(cardholder=None).update(cardholder=card.cardholder_id)
        else:
            rows.filter(details_at__lte=at).update(cardholder=card.cardholder_id, details_at=at)


@transaction.atomic
def _join_chain(card: CardValue, at: int) -> bool:
    """Put a card, with all that replace it, into the chain of the card it replaces.

    Repairs a broken chain, whose root has a root of its own. Returns False if the chains changed
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
        if not Card.objects.filter(pk=card.id, root=root_id).exists():
            return False
        _group(card, at)
        return True
    if card.replacement_for:
        rows = Card.objects.filter(pk=card.id).exclude(replacement_for=card.replacement_for)
        rows.update(replacement_for=card.replacement_for)
    roots = {*chains.values()}
    if any(chains.get(each, each) != each for each in roots):
        joined_usage.forget([*roots])
    for old_root_id in sorted(roots - {root_id}):
        _move_chain(old_root_id, root_id, at)
    return True


def _chains(named: Iterable[str]) -> dict[str, str]:
    """The root of each of these cards and of each root: itself, unless a chain is broken."""
    chains: dict[str, str] = {}
    wanted = set(named)
    while wanted:
        found = dict(Card.objects.filter(pk__in=wanted).values_list("pk", "root_id"))
        chains |= found
        wanted = set(found.values()) - chains.keys()
    return chains


def _root_in(chains: Mapping[str, str], card_id: str) -> str:
    """The last card when following a card's roots."""
    visited = {card_id}
    while (root_id := chains.get(card_id, card_id)) not in visited:
        visited.add(card_id := root_id)
    return card_id


def _move_chain(old_root_id: str, root_id: str, at: int) -> None:
    """Move all cards of a root to a different root. Both must be locked.

    The group, assignments and stored usage move along. Purchases stay unchanged: they are found by
    their cards.
    """
    joined_usage.join(old_root_id, root_id, at)
    with connection.cursor() as cursor:
        # Within WITH, so that it is recognized as a write and the history gets the actor.
        cursor.execute(
            "WITH moved AS MATERIALIZED (SELECT authorizations_move_chain(%s, %s)) "
            "SELECT count(*) FROM moved",
            [old_root_id, root_id],
        )
