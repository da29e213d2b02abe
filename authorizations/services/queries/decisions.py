"""The list of decisions.

Digested decisions are found by their rows in the digest, which have an index for every filter, and
the few newer ones among the decisions themselves. One statement reads both, so that no decision is
missed or shown twice while the digest advances.
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

# Maximum ids passed as literals, which PostgreSQL plans better for; beyond, a subquery finds them.
_MAX_LITERALS = 1_000

# Up to this many ids, each has a condition and an index scan of its own. PostgreSQL assumes that
# all rare values are equally frequent, and would scan the whole list for them.
_FEW = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Facets:
    """The filters of the list; empty or None is no filter.

    `outcome` is "approved", "part", "granted" (either of the two), "exception" (approved by one) or
    "declined". `since` is inclusive, `until` exclusive. `least` and `most` bound the amount, in the
    smallest unit of `currency`. `stand_in` is the cause of a stand-in answer, or STAND_IN for any.
    `search` is an id, the last four digits of a card, or part of a cardholder's or merchant's name.
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
    """The filtered list; its keys are ids of webhook requests.

    `tail` finds the decisions that are not digested, `listed` those that are: a decision may be
    in several of these queries. `rows` says which columns to read.
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
            query.filter(**span).order_by(order).values_list("webhook_request_id", flat=True)[:size]
            for query in (tail, *self.listed)
        )
        return list(first.union(*others).order_by(order)[:size])

    def _rows(self, numbers: list[int]) -> list[Decision]:
        found = self.rows.filter(webhook_request_id__in=numbers)
        return list(found.order_by("-webhook_request_id"))


def decisions(rows: QuerySet[Decision], facets: Facets) -> Decisions:
    """The list of decisions that match the filters; `rows` says which columns to read."""
    common = _common_columns(facets)
    tail = Decision.objects.filter(common)
    listed = ListedDecision.objects.filter(common & _request_range(facets))
    if facets.policy is not None:
        # Decisions name policy versions, their rows in the digest name policies.
        uses_policy = Q(pk__in=[])
        versions = PolicyVersion.objects.filter(policy=facets.policy)
        for version in versions.values_list("pk", flat=True):
            uses_policy |= Q(policies__contains=[{"version": version}])
        tail = tail.filter(uses_policy)
        listed = listed.filter(policies__contains=[facets.policy])
    if not facets.search:
        return Decisions(rows, tail, [listed])
    found = _search(facets.search)
    return Decisions(rows, tail.filter(found.in_tail), [listed.filter(it) for it in found.in_list])


def _common_columns(facets: Facets) -> Q:
    """The conditions on columns that both tables have."""
    equal = {
        "reason": facets.reason,
        "currency": facets.currency,
        "category": facets.category,
        "merchant_country": facets.country,
        "card": facets.card,
    }
    bounds = {
        "amount__gte": facets.least,
        "amount__lte": facets.most,
        "decided_at__gte": facets.since,
        "decided_at__lt": facets.until,
    }
    condition = Q(**{name: value for name, value in equal.items() if value})
    condition &= Q(**{name: value for name, value in bounds.items() if value is not None})
    # The reason is implied by an approval; it is named because it has an index.
    condition &= {
        "approved": Q(approved=True, is_partial=False, reason=""),
        "part": Q(is_partial=True, reason=""),
        "granted": Q(approved=True, reason=""),
        "exception": Q(approved=True, exception__isnull=False),
        "declined": Q(approved=False),
    }.get(facets.outcome, Q())
    if facets.stand_in:
        # Named even beside a cause: the index covers only rows that have one.
        condition &= ~Q(stand_in="")
        if facets.stand_in != STAND_IN:
            condition &= Q(stand_in=facets.stand_in)
    return condition


def _request_range(facets: Facets) -> Q:
    """The range of request ids that holds all digested decisions of the period."""
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


@dataclass(frozen=True, slots=True)
class SearchConditions:
    """A search as a condition for each table.

    A digested decision matches if it meets any of `in_list`; each of these has an index.
    """

    in_tail: Q
    in_list: Sequence[Q]


def _search(term: str) -> SearchConditions:
    """Search by the id of a decision, an authorization or a card.

    Without such a row: by a card's last four digits, or part of a cardholder's or merchant's name.
    """
    numbers = Decision.objects.filter(pk=term).values_list("webhook_request_id", flat=True)
    if exact := list(numbers) or requests_of_authorization(term):
        condition = Q(webhook_request_id__in=exact)
        return SearchConditions(condition, [condition])
    if Card.objects.filter(pk=term).exists():
        condition = Q(card=term)
        return SearchConditions(condition, [condition])
    people = [
        Q(card=term),  # a card that was never registered
        *_each("card", Card.objects.filter(last4=term)),
        *_each("cardholder", Cardholder.objects.filter(folded_name__contains_folded=term)),
    ]
    merchants = _each("merchant", MerchantName.objects.filter(folded__contains_folded=term))
    in_tail = reduce(or_, people, Q(merchant_name__folded_contains=term))
    return SearchConditions(in_tail, [*people, *merchants])


def requests_of_authorization(term: str) -> list[int]:
    """The ids of requests decided for an authorization, found by its card, which has an index."""
    purchase = Authorization.objects.filter(pk=term).only("card_id").first()
    if purchase is None:
        return []
    rows = Decision.objects.filter(card=purchase.card_id, authorization=term)
    return list(rows.values_list("webhook_request_id", flat=True))


def _each(column: str, rows: QuerySet[Any]) -> list[Q]:
    """Conditions, one of which every decision on any of these rows meets."""
    ids = rows.order_by().values_list("pk", flat=True)
    first = list(ids[: _MAX_LITERALS + 1])
    if len(first) <= _FEW:
        return [Q(**{column: one}) for one in first]
    return [Q(**{f"{column}__in": first if len(first) <= _MAX_LITERALS else ids})]
