"""Cards whose currency has no amount limit in a policy that has amount limits."""

from django.db.models import Q

from authorizations.models import Assignment, Card
from authorizations.rules.decision.controls import SpendingControls
from authorizations.rules.decision.grants import limited_currencies
from authorizations.services.cards.grants import cards_under

MAX_NAMED = 5
"""Maximum cards named in a sentence."""


def cards_without_limit(policy_id: int, controls: SpendingControls) -> str:
    """A sentence with the cards that would be declined for their currency; "" if none."""
    currencies = limited_currencies(controls)
    if not currencies:
        return ""
    others = Card.objects.exclude(currency__in=["", *currencies])
    others = others.exclude(status=Card.Status.CANCELED).order_by()
    is_for_all = Assignment.objects.filter(policy=policy_id, program=True).exists()
    found = [
        f"{card} in {card.currency.upper()}"
        for under in ([Q()] if is_for_all else cards_under([policy_id]))
        for card in others.filter(under)[: MAX_NAMED + 1]
    ]
    found = list(dict.fromkeys(found))
    if not found:
        return ""
    more = " and others" if len(found) > MAX_NAMED else ""
    return (
        "This policy has no amount limit in the currency of some of its cards, and declines "
        f"everything they ask for: {', '.join(found[:MAX_NAMED])}{more}. Add a limit in that "
        "currency, or assign them to another policy."
    )
