"""The conditions for a search in each list, and whether an index supports them."""

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

_MAX_CARDHOLDERS = 20
"""Maximum cardholders looked up by id before the search becomes a join."""

_MAX_REQUESTS = 500
"""Maximum webhook requests about one object."""


class SearchResult(NamedTuple):
    """The condition on rows; `is_narrow` if an index leads to the few that match."""

    condition: Q
    is_narrow: bool = True


def by_fields(term: str, fields: Iterable[str]) -> SearchResult:
    """Any of the lookups of a ModelAdmin's search_fields."""
    condition = Q()
    for field in fields:
        condition |= Q(**{field: term})
    return SearchResult(condition)


def authorizations(term: str) -> SearchResult:
    """A complete id, a card's last four digits, or part of a name."""
    if Authorization.objects.filter(pk=term).exists():
        return SearchResult(Q(pk=term))
    cards = list(Card.objects.filter(Q(pk=term) | Q(last4=term)).values_list("pk", flat=True))
    if cards:
        return SearchResult(Q(card__in=cards))
    holders = _cardholders(term)
    ids = list(holders.values_list("pk", flat=True)[: _MAX_CARDHOLDERS + 1])
    names = _at_merchant(term)
    if len(ids) > _MAX_CARDHOLDERS:
        return SearchResult(names | Q(cardholder__in=holders.order_by()), is_narrow=False)
    return SearchResult(names | Q(cardholder__in=ids), is_narrow=False)


def ledger(term: str) -> SearchResult:
    """A complete id of an authorization, or of the event that made an entry."""
    decision = Decision.objects.filter(pk=term).only("authorization_id").first()
    if decision is not None:
        return SearchResult(Q(authorization=decision.authorization_id, event_id=term))
    return SearchResult(Q(authorization=term))


def requests(term: str) -> SearchResult:
    """A complete id of an event, or of the authorization that it is about."""
    condition = Q(event_id=term) | Q(about=term)
    numbers = requests_of_authorization(term)
    return SearchResult(condition | Q(pk__in=numbers) if numbers else condition)


def transactions(term: str) -> SearchResult:
    """A complete id of a transaction or an authorization, a card, or part of a name."""
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
    """By the folded merchant names, and by the names of rows that are not digested yet."""
    known = MerchantName.objects.filter(folded__contains_folded=term).values("name")
    digested = MerchantName.objects.filter(name=OuterRef("merchant_name"))
    is_new = ~Q(merchant_name="") & ~Q(Exists(digested))  # first, as folding a name takes longer
    return Q(merchant_name__in=known) | is_new & Q(merchant_name__folded_contains=term)


def findings(term: str) -> Q:
    """A complete id of an authorization, transaction or event, a card, or part of a name."""
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
    """A complete id of an event, or of the authorization that it is about."""
    about = WebhookRequest.objects.filter(about=term).values_list("pk", flat=True)
    return SearchResult(Q(pk=term) | Q(webhook_request__in=list(about[:_MAX_REQUESTS])))


def rejected(term: str) -> SearchResult:
    """The beginning of the sender's address, or the complete hash of the body."""
    return SearchResult(Q(sender__startswith=term) | Q(body_sha256=term.lower()), is_narrow=False)
