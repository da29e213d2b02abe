"""What a card holds, and what was captured and refunded this month, with links to the lists."""

from typing import NamedTuple
from urllib.parse import urlencode

from django.db.models import Sum
from django.urls import reverse
from django.utils.timezone import get_current_timezone, localdate

from authorizations.admin.shared.explained import readable
from authorizations.models import Card, Transaction
from authorizations.rules.basics.clocks import midnight
from authorizations.rules.basics.money import format_money
from authorizations.services.lifecycle.stale_holds import MAX_HOLDS, held_by_currency, of_card

_TYPES = {
    Transaction.Type.CAPTURE: "captured this month",
    Transaction.Type.REFUND: "refunded this month",
}


class Figure(NamedTuple):
    """Money by currency, largest first, what it is, and the address of the list behind it."""

    money: list[str]
    what: str
    url: str


def activity(card: Card) -> list[Figure]:
    """Figures of the card and the cards it replaced. The month is that of the reader's zone."""
    holds = list(of_card(card))
    held = readable(lambda: held_by_currency(holds)) or {}
    what = "held" if len(holds) < MAX_HOLDS else f"held by the newest {MAX_HOLDS} holds"
    url = _list_url("authorization", held="now", chain=card.pk)
    figures = [Figure(_money(card, held), what, url)]

    since = localdate().replace(day=1)
    first = midnight(since, get_current_timezone())
    chain = list(Card.objects.filter(root=card.root_id).values_list("pk", flat=True))
    sums = (
        Transaction.objects.filter(card__in=chain, created__gte=first, type__in=_TYPES)
        .order_by("type", "currency")
        .values_list("type", "currency")
        .annotate(sum=Sum("amount"))
    )
    totals: dict[str, dict[str, int]] = {type_: {} for type_ in _TYPES}
    for type_, currency, amount in sums:
        totals[type_][currency] = abs(amount)
    for type_, what in _TYPES.items():
        filters = {"type": type_, "from": str(since), "chain": card.pk}
        url = _list_url("transaction", **filters)
        figures.append(Figure(_money(card, totals[type_]), what, url))
    return figures


def _money(card: Card, sums: dict[str, int]) -> list[str]:
    return [
        format_money(amount, currency) for currency, amount in (sums or {card.currency: 0}).items()
    ]


def _list_url(model: str, **filters: str) -> str:
    return f"{reverse(f'admin:authorizations_{model}_changelist')}?{urlencode(filters)}"
