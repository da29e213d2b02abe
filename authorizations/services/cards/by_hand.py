"""Cards and cardholders that people add or rename in the admin. What Stripe reports prevails."""

from django.db import transaction

from authorizations.models import Card, Cardholder
from authorizations.services.store import locks


def add_unless_known(row: Card | Cardholder) -> None:
    """Insert a row, unless an event has added it meanwhile."""
    if isinstance(row, Card):
        row.root_id = row.pk
        Card.objects.bulk_create([row], ignore_conflicts=True)
    else:
        Cardholder.objects.bulk_create([row], ignore_conflicts=True)


@transaction.atomic
def rename(row: Cardholder) -> None:
    """Give a cardholder the name in `row`, unless an event has given one."""
    locks.hold(cardholders=[row.pk])
    Cardholder.objects.filter(pk=row.pk, details_at=0).update(name=row.name)
