"""The list of decisions: those digested are found by their rows in the digest, which have an index
for every filter, the few beyond its mark among the decisions themselves. One statement reads both,
so that nothing is missed or shown twice while the digest moves on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Max, Min, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from authorizations.models import (
    Authorization,
    Card,
    Cardholder,
    Decision,
    DigestMark,
    ListedDecision,
    MerchantName,
    PolicyVersion,
    Stretch,
)
from authorizations.services.queries.by_key import number
from authorizations.services.queries.listing import ListPiece

STAND_IN = "any"

_MARK = Coalesce(Subquery(DigestMark.objects.values("digested")[:1]), Value(0))

# Beyond so many, the database looks them up itself: it plans better for ids that it knows.
_KNOWN = 1_000

# Up to so many, each is looked for by itself, in the order of its index. The database takes all
# rare ones for as frequent as their average, and would look through the whole list for them.
_FEW = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Facets:
    """What decisions are filtered by; empty or None is no filter.

    `stand_in` is the cause of an answer without the database, or STAND_IN for any; `outcome` is
    approved, part, granted (either of the two) or declined; amounts are in the
    smallest unit of `currency`, `until` is the first instant that is too late, `search` any part
    of what is searched for.
    """

    outcome: str = ""
    reason: str = ""
    since: datetime | None = None
    until: datetime | None = None
    least: int | None = None
    most: int | None = None
    currency: str = ""
    category: str = ""
    country: str = ""
    card: str = ""
    policy: int | None = None
    stand_in: str = ""
    search: str = ""


@dataclass(frozen=True, slots=True)
class Decisions:
    """The decisions that the queries choose, as `rows`; their keys are numbers of requests.

    What is `listed` may come in several parts, and a decision be in more than one of them.
    """

    rows: QuerySet[Decision]
    tail: QuerySet[Decision]
    listed: Sequence[QuerySet[ListedDecision]]

    def key(self, row: Decision) -> str:
        return str(row.webhook_request_id)

    def older(self, key: str, size: int) -> ListPiece:
        span = {"webhook_request_id__lt": number(key)} if key else {}
        numbers = self._numbers("-webhook_request_id", span, size + 1)
        rows = self._rows(numbers[:size])
        return ListPiece(rows, str(numbers[size - 1]) if len(numbers) > size else "")

    def newer(self, key: str, size: int) -> ListPiece:
        numbers = self._numbers(
            "webhook_request_id", {"webhook_request_id__gt": number(key)}, size + 1
        )
        rows = self._rows(numbers[:size])
        return ListPiece(rows, str(numbers[size - 1]) if len(numbers) > size else "")

    def _numbers(self, order: str, span: dict[str, int], size: int) -> list[int]:
        tail = self.tail.filter(webhook_request_id__gt=_MARK)
        first, *others = (
            part.filter(**span).order_by(order).values_list("webhook_request_id", flat=True)[:size]
            for part in (tail, *self.listed)
        )
        return list(first.union(*others).order_by(order)[:size])

    def _rows(self, numbers: list[int]) -> list[Decision]:
        found = self.rows.filter(webhook_request_id__in=numbers)
        return list(found.order_by("-webhook_request_id"))


def decisions(rows: QuerySet[Decision], facets: Facets) -> Decisions:
    """The list of those of all decisions that meet the filter; `rows` says what to read of them."""
    same = _columns(facets) & _period(facets)
    tail = Decision.objects.filter(same)
    listed = ListedDecision.objects.filter(same & _stretches(facets))
    if facets.policy is not None:
        tail = tail.filter(_rests_on(facets.policy))
        listed = listed.filter(policies__contains=[facets.policy])
    if not facets.search:
        return Decisions(rows, tail, [listed])
    found = _find(facets.search)
    return Decisions(rows, tail.filter(found.in_tail), [listed.filter(it) for it in found.in_list])


def _columns(facets: Facets) -> Q:
    """What both tables keep under the same name."""
    equal = {
        "reason": facets.reason,
        "currency": facets.currency,
        "category": facets.category,
        "merchant_country": facets.country,
        "card": facets.card,
    }
    bounds = {"amount__gte": facets.least, "amount__lte": facets.most}
    return (
        Q(**{name: value for name, value in equal.items() if value})
        & Q(**{name: value for name, value in bounds.items() if value is not None})
        & _outcome(facets.outcome)
        & _stand_in(facets.stand_in)
    )


def _stand_in(cause: str) -> Q:
    if not cause:
        return Q()
    # Both conditions: the index is of those alone that have a cause.
    return ~Q(stand_in="") & (Q() if cause == STAND_IN else Q(stand_in=cause))


def _outcome(outcome: str) -> Q:
    match outcome:
        case "approved":
            # The reason as well: it has an index, and rules out at once what can't be.
            return Q(approved=True, is_partial=False, reason="")
        case "part":
            return Q(is_partial=True, reason="")
        case "granted":
            return Q(approved=True, reason="")
        case "declined":
            return Q(approved=False)
    return Q()


def _period(facets: Facets) -> Q:
    edges = {"decided_at__gte": facets.since, "decided_at__lt": facets.until}
    return Q(**{name: edge for name, edge in edges.items() if edge})


def _stretches(facets: Facets) -> Q:
    """The numbers between which all digested decisions of the period are."""
    touched = Stretch.objects.order_by().values(every=Value(1))
    condition = Q()
    if facets.since:
        touched = touched.filter(latest__gte=facets.since)
    if facets.until:
        touched = touched.filter(earliest__lt=facets.until)
    if facets.since:
        first = touched.annotate(edge=Min("number") * Stretch.LENGTH).values("edge")
        condition &= Q(webhook_request_id__gte=Subquery(first))
    if facets.until:
        end = touched.annotate(edge=(Max("number") + 1) * Stretch.LENGTH).values("edge")
        condition &= Q(webhook_request_id__lt=Subquery(end))
    return condition


def _rests_on(policy: int) -> Q:
    """Decisions name versions; beyond the mark they are few."""
    versions = PolicyVersion.objects.filter(policy=policy).values_list("pk", flat=True)
    condition = Q(pk__in=[])
    for version in versions:
        condition |= Q(policies__contains=[{"version": version}])
    return condition


@dataclass(frozen=True, slots=True)
class FoundDecisions:
    """What a search comes down to, for either table; of the list's any, each with its index."""

    in_tail: Q
    in_list: Sequence[Q]


def _find(term: str) -> FoundDecisions:
    """A whole id of a decision, an authorization or a card, or else part of what people know."""
    numbers = Decision.objects.filter(pk=term).values_list("webhook_request_id", flat=True)
    if exact := list(numbers) or requests_of_authorization(term):
        return _same(Q(webhook_request_id__in=exact))
    if Card.objects.filter(pk=term).exists():
        return _same(Q(card=term))
    return _by_words(term)


def requests_of_authorization(term: str) -> list[int]:
    """Found by its card: that is what the index is on."""
    purchase = Authorization.objects.filter(pk=term).only("card_id").first()
    if purchase is None:
        return []
    rows = Decision.objects.filter(card=purchase.card_id, authorization=term)
    return list(rows.values_list("webhook_request_id", flat=True))


def _by_words(term: str) -> FoundDecisions:
    """Last four digits, or part of the cardholder's or the merchant's name."""
    # A card that was never registered is known by its id alone.
    people = [
        Q(card=term),
        *_each("card", Card.objects.filter(last4=term)),
        *_each("cardholder", Cardholder.objects.filter(folded_name__contains_folded=term)),
    ]
    merchants = _each("merchant", MerchantName.objects.filter(folded__contains_folded=term))
    in_tail = reduce(or_, people, Q(merchant_name__folded_contains=term))
    return FoundDecisions(in_tail, [*people, *merchants])


def _each(column: str, rows: QuerySet[Any]) -> list[Q]:
    """Conditions of which decisions on any of the rows meet one."""
    ids = rows.order_by().values_list("pk", flat=True)
    known = list(ids[: _KNOWN + 1])
    if len(known) <= _FEW:
        return [Q(**{column: one}) for one in known]
    return [Q(**{f"{column}__in": known if len(known) <= _KNOWN else ids})]


def _same(condition: Q) -> FoundDecisions:
    return FoundDecisions(condition, [condition])
