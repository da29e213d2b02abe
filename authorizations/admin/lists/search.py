"""What the search box of each list finds, and whether an index helps with it."""

from collections.abc import Iterable
from typing import NamedTuple

from django.db.models import Exists, OuterRef, Q, QuerySet

from authorizations.models import (
    Authorization,
    Card,
    Cardholder,
    Decision,
    MerchantName,
    Transaction,
    WebhookRequest,
)
from authorizations.services.queries.decisions import requests_of_authorization

_FEW = 20
_MANY = 500


class SearchResult(NamedTuple):
    """What rows must meet; `is_narrow` where an index finds the few that do."""

    condition: Q
    is_narrow: bool = True


def by_fields(term: str, fields: Iterable[str]) -> SearchResult:
    """One of the lookups of a ModelAdmin's search_fields."""
    condition = Q()
    for field in fields:
        condition |= Q(**{field: term})
    return SearchResult(condition)


def authorizations(term: str) -> SearchResult:
    """A whole id, a card's last four digits, or part of a name."""
    if Authorization.objects.filter(pk=term).exists():
        return SearchResult(Q(pk=term))
    cards = list(Card.objects.filter(Q(pk=term) | Q(last4=term)).values_list("pk", flat=True))
    if cards:
        return SearchResult(Q(card__in=cards))
    holders = _cardholders(term)
    ids = list(holders.values_list("pk", flat=True)[: _FEW + 1])
    names = _at_merchant(term)
    if len(ids) > _FEW:
        return SearchResult(names | Q(cardholder__in=holders.order_by()), is_narrow=False)
    return SearchResult(names | Q(cardholder__in=ids), is_narrow=False)


def ledger(term: str) -> SearchResult:
    """A whole id of an authorization, or of the event that made an entry."""
    decision = Decision.objects.filter(pk=term).only("authorization_id").first()
    if decision is not None:
        return SearchResult(Q(authorization=decision.authorization_id, event_id=term))
    return SearchResult(Q(authorization=term))


def requests(term: str) -> SearchResult:
    """A whole id of an event, or of the authorization it is about."""
    told = Q(event_id=term) | Q(about=term)
    numbers = requests_of_authorization(term)
    return SearchResult(told | Q(pk__in=numbers) if numbers else told)


def transactions(term: str) -> SearchResult:
    """A whole id of a transaction or an authorization, a card's, or part of a name."""
    if Transaction.objects.filter(pk=term).exists():
        return SearchResult(Q(pk=term))
    if Authorization.objects.filter(pk=term).exists():
        return SearchResult(Q(booked_under=term))
    cards = list(Card.objects.filter(Q(pk=term) | Q(last4=term)).values_list("pk", flat=True))
    if cards:
        return SearchResult(Q(card__in=cards))
    theirs = Card.objects.filter(cardholder__in=_cardholders(term).order_by()).values("pk")
    return SearchResult(_at_merchant(term) | Q(card__in=theirs), is_narrow=False)


def _cardholders(term: str) -> QuerySet[Cardholder]:
    return Cardholder.objects.filter(Q(pk=term) | Q(folded_name__contains_folded=term))


def _at_merchant(term: str) -> Q:
    """By the names there are, each folded once; and by those not digested yet, as they are read."""
    known = MerchantName.objects.filter(folded__contains_folded=term).values("name")
    digested = MerchantName.objects.filter(name=OuterRef("merchant_name"))
    is_new = ~Q(merchant_name="") & ~Q(Exists(digested))  # first: to fold a name takes longer
    return Q(merchant_name__in=known) | is_new & Q(merchant_name__folded_contains=term)


def findings(term: str) -> Q:
    """A whole id of an authorization, a transaction or an event, a card's, or part of a name."""
    booked = Transaction.objects.filter(pk=term).values_list("booked_under", flat=True)
    cards = Card.objects.filter(Q(pk=term) | Q(last4=term)).values_list("pk", flat=True)
    at_merchant = Authorization.objects.filter(
        pk=OuterRef("authorization"), merchant_name__folded_contains=term
    )
    holders = _cardholders(term).order_by().values("pk")
    return (
        Q(authorization__in=[term, *booked])
        | Q(card__in=list(cards))
        | Q(card__cardholder__in=holders)
        | Q(event_id=term)
        | Q(Exists(at_merchant))
    )


def unapplied(term: str) -> SearchResult:
    """A whole id of an event, or of the authorization it tells of."""
    about = WebhookRequest.objects.filter(about=term).values_list("pk", flat=True)
    return SearchResult(Q(pk=term) | Q(webhook_request__in=list(about[:_MANY])))


def rejected(term: str) -> SearchResult:
    """The beginning of the sender's address, or the whole hash of the body."""
    return SearchResult(Q(sender__startswith=term) | Q(body_sha256=term.lower()), is_narrow=False)
