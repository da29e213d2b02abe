"""Cards and cardholders as the events tell them: the newest event wins, whatever comes last."""

from typing import NamedTuple

from django.db import transaction

from authorizations.models import Assignment, Authorization, Card, Cardholder, Usage
from authorizations.rules.values import AuthorizationRequest
from authorizations.services import locks
from authorizations.services.acting import acting


class LockedCard(NamedTuple):
    """The row LOCK returns, column by column."""

    root_id: str
    card_root_id: str
    replacement_for: str
    card_cardholder_id: str | None
    frozen: bool
    details_at: int
    last4: str
    brand: str
    type: str
    currency: str
    status: str
    cardholder_id: str | None
    cardholder_name: str | None
    group_id: int | None
    scope_group_id: int | None
    policies: str

    def is_settled(self, request: AuthorizationRequest) -> bool:
        """Whether what is locked is what the request is about."""
        card = request.card
        is_late = request.event_created < self.details_at
        return (
            self.card_root_id == self.root_id
            and (self.replacement_for == card.replacement_for or not card.replacement_for)
            and (self.card_cardholder_id == card.cardholder_id or is_late)
            and self.cardholder_id is not None
            and self.group_id == self.scope_group_id
        )


def refresh(request: AuthorizationRequest, row: LockedCard) -> None:
    """Bring the locked rows up to date where the event tells something newer."""
    card = request.card
    if request.event_created < row.details_at:
        return
    told = (card.last4, card.brand, card.type, card.currency, card.status)
    if told != (row.last4, row.brand, row.type, row.currency, row.status):
        with acting(event=request.event_id):
            Card.objects.filter(pk=card.id).update(**_details(request))
    if row.cardholder_id == card.cardholder_id and row.cardholder_name != card.cardholder_name:
        known = Cardholder.objects.filter(
            pk=card.cardholder_id, details_at__lte=request.event_created
        )
        with acting(event=request.event_id):
            known.update(name=card.cardholder_name, details_at=request.event_created)


def _details(request: AuthorizationRequest) -> dict[str, str | int]:
    card = request.card
    return {
        "last4": card.last4,
        "brand": card.brand,
        "type": card.type,
        "currency": card.currency,
        "status": card.status,
        "details_at": request.event_created,
    }


def add_unless_known(row: Card | Cardholder) -> None:
    """Keep what somebody wrote by hand, unless an event was quicker: what Stripe tells counts."""
    if isinstance(row, Card):
        row.root_id = row.pk
        Card.objects.bulk_create([row], ignore_conflicts=True)
    else:
        Cardholder.objects.bulk_create([row], ignore_conflicts=True)


def register(request: AuthorizationRequest) -> None:
    """Make sure card and cardholder are there and the card hangs on the right chain."""
    with acting(event=request.event_id):
        _register(request)


def _register(request: AuthorizationRequest) -> None:
    """Each insert commits by itself, before anything is locked: so first uses of one card at the
    same moment can neither deadlock nor see a row that is taken back.
    """
    card = request.card
    holder = Cardholder(
        id=card.cardholder_id, name=card.cardholder_name, details_at=request.event_created
    )
    Cardholder.objects.bulk_create([holder], ignore_conflicts=True)
    root_id = _root_of(request)
    row = Card(
        id=card.id,
        root_id=root_id,
        replacement_for=card.replacement_for or "",
        cardholder_id=card.cardholder_id,
        **_details(request),
    )
    Card.objects.bulk_create([row], ignore_conflicts=True)
    _adopt(card.id, card.replacement_for or "", root_id)
    Card.objects.filter(pk=card.id, details_at__lte=request.event_created).exclude(
        cardholder=card.cardholder_id
    ).update(cardholder=card.cardholder_id, details_at=request.event_created)


def _root_of(request: AuthorizationRequest) -> str:
    """The first card of the chain; a replaced card never heard of before gets a row to stand on."""
    card = request.card
    if not card.replacement_for:
        return card.id
    replaced = Card(
        id=card.replacement_for,
        root_id=card.replacement_for,
        cardholder_id=card.cardholder_id,
        status=Card.Status.CANCELED,
    )
    Card.objects.bulk_create([replaced], ignore_conflicts=True)
    return Card.objects.values_list("root_id", flat=True).get(pk=card.replacement_for)


@transaction.atomic
def _adopt(card_id: str, replacement_for: str, root_id: str) -> None:
    """Hang a card, and all that replace it, under a root learned of only now.

    What it used up moves along; the sums are made anew from the moved authorizations.
    """
    known = Card.objects.filter(pk=card_id).exclude(replacement_for=replacement_for)
    if not replacement_for or not known.exists():
        return
    old_root_id = Card.objects.values_list("root_id", flat=True).get(pk=card_id)
    locks.hold(cards=[old_root_id, root_id])
    Card.objects.filter(pk=card_id).update(replacement_for=replacement_for)
    if old_root_id == root_id:
        return
    group_id = Card.objects.values_list("group_id", flat=True).get(pk=old_root_id)
    Card.objects.filter(root=old_root_id).update(root=root_id, group=None)
    Card.objects.filter(pk=root_id, group=None).update(group=group_id)
    Authorization.objects.filter(root_card=old_root_id).update(root_card=root_id)
    scopes = [f"card:{old_root_id}", f"card:{root_id}"]
    Usage.objects.filter(scope__in=scopes).delete()
    taken = Assignment.objects.filter(card=root_id).values("policy")
    Assignment.objects.filter(card=old_root_id).exclude(policy__in=taken).update(card=root_id)
