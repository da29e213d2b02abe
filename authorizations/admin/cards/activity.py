"""What a card holds, and what was captured and refunded this month, with the lists behind it."""

from typing import NamedTuple
from urllib.parse import urlencode

from django.db.models import Sum
from django.urls import reverse
from django.utils.timezone import get_current_timezone, localdate

from authorizations.admin.shared.explained import readable
from authorizations.models import Card, Transaction
from authorizations.rules.basics.clocks import midnight
from authorizations.rules.basics.money import format_money
from authorizations.services.lifecycle.stale_holds import MOST, held_of, of_card

_TYPES = {
    Transaction.Type.CAPTURE: "captured this month",
    Transaction.Type.REFUND: "refunded this month",
}


class Figure(NamedTuple):
    """Money by currency, the largest first, what it is, and the list of it."""

    money: list[str]
    what: str
    url: str


def activity(card: Card) -> list[Figure]:
    """Of the card together with those it replaced; a month is the reader's."""
    return [_held(card), *_moved(card)]


def _held(card: Card) -> Figure:
    rows = list(of_card(card))
    sums = readable(lambda: held_of(rows)) or {}
    what = "held" if len(rows) < MOST else f"held by the newest {MOST} holds"
    url = _list("authorization", held="now", chain=card.pk)
    return Figure(_words(card, sums), what, url)


def _moved(card: Card) -> list[Figure]:
    since = localdate().replace(day=1)
    first = midnight(since, get_current_timezone())
    chain = list(Card.objects.filter(root=card.root_id).values_list("pk", flat=True))
    sums = (
        Transaction.objects.filter(card__in=chain, created__gte=first, type__in=_TYPES)
        .order_by("type", "currency")
        .values_list("type", "currency")
        .annotate(sum=Sum("amount"))
    )
    moved: dict[str, dict[str, int]] = {name: {} for name in _TYPES}
    for name, currency, amount in sums:
        moved[name][currency] = abs(amount)
    return [
        Figure(
            _words(card, moved[name]),
            what,
            _list("transaction", **{"type": name, "from": str(since), "chain": card.pk}),
        )
        for name, what in _TYPES.items()
    ]


def _words(card: Card, sums: dict[str, int]) -> list[str]:
    nothing = {card.currency: 0}
    return [format_money(amount, currency) for currency, amount in (sums or nothing).items()]


def _list(model: str, **filters: str) -> str:
    return f"{reverse(f'admin:authorizations_{model}_changelist')}?{urlencode(filters)}"
