"""Cards that a policy's amount limits leave without a limit in their currency."""

from django.db.models import Q, QuerySet

from authorizations.models import Assignment, Card
from authorizations.rules.controls import SpendingControls
from authorizations.rules.grants import limited_currencies

NAMED = 5


def cards_without_limit(policy_id: int, controls: SpendingControls) -> str:
    """A sentence naming the cards that would be declined for their currency; or nothing."""
    currencies = limited_currencies(controls)
    if not currencies:
        return ""
    left_out = (
        _cards_under(policy_id)
        .exclude(currency__in=["", *currencies])
        .exclude(status=Card.Status.CANCELED)
    )
    found = [f"{card} in {card.currency.upper()}" for card in left_out[: NAMED + 1]]
    if not found:
        return ""
    more = " and others" if len(found) > NAMED else ""
    return (
        "This policy has no amount limit in the currency of some of its cards, and declines "
        f"everything they ask for: {', '.join(found[:NAMED])}{more}. Add a limit in that currency, "
        "or assign them to another policy."
    )


def _cards_under(policy_id: int) -> QuerySet[Card]:
    assigned = Assignment.objects.filter(policy=policy_id)
    if assigned.filter(program=True).exists():
        return Card.objects.all()
    return Card.objects.filter(
        Q(root__in=assigned.exclude(card=None).values("card"))
        | Q(cardholder__in=assigned.exclude(cardholder=None).values("cardholder"))
        | Q(root__group__in=assigned.exclude(group=None).values("group"))
    )
