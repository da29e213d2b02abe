"""The figures of the home page: decisions of a period, their amounts and how long they took."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from math import ceil

from django.db.models import Max, Q

from authorizations.models import Decision, ListedDecision, WebhookRequest
from authorizations.rules.decision.values import DeclineReason
from authorizations.services.digest.periods import Period
from authorizations.services.digest.tallies import TAIL, Tallied, tallied
from authorizations.services.digest.update import catch_up

_MAX_CHECKED = 1_000
PERCENTS = (50, 95, 99)
_BUDGET_S = 0.2


@dataclass(slots=True)
class Outcomes:
    """Numbers of approved and declined purchases, and their amounts in one currency.

    Of a partial approval, the approved part counts as approved, and nothing as declined.
    """

    approved: int = 0
    declined: int = 0
    approved_amount: int = 0
    declined_amount: int = 0

    @property
    def decisions(self) -> int:
        return self.approved + self.declined

    @property
    def decline_rate(self) -> float:
        return self.declined / self.decisions if self.decisions else 0.0


@dataclass(frozen=True, slots=True)
class PeriodColumn:
    """A column of the charts: an hour or a day, over all currencies and by currency."""

    start: datetime
    end: datetime
    total: Outcomes
    by_currency: Mapping[str, Outcomes]


@dataclass(frozen=True, slots=True)
class Overview:
    """The figures of a period; `before` are those of the period before it.

    `total` and `before` are over all currencies, so they have no amounts. Requests of the other
    mode, test or live, are only among the `reasons`. `reasons` are sorted by
    number of declines, `categories` and `countries`, for each currency, by approved amount. `times`
    are the 50th, 95th and 99th percentile of the time to decide, in microseconds. If not
    `is_complete`, decisions that are not digested yet are missing.
    """

    newest: datetime
    is_complete: bool
    total: Outcomes
    before: Outcomes
    by_currency: Mapping[str, Outcomes]
    columns: Sequence[PeriodColumn]
    reasons: Sequence[tuple[str, int]]
    categories: Mapping[str, Sequence[tuple[str, int]]]
    countries: Mapping[str, Sequence[tuple[str, int]]]
    times: Sequence[float]

    @property
    def currencies(self) -> list[str]:
        """The currencies of the purchases, the one with most decisions first."""
        counts = [(-sums.decisions, code) for code, sums in self.by_currency.items() if code]
        return [code for _, code in sorted(counts)]


def overview(period: Period) -> Overview | None:
    """The figures of a period; None if there are no decisions at all."""
    decisions = Decision.objects.order_by("-webhook_request_id")
    newest = decisions.values_list("webhook_request_id", "decided_at").first()
    if newest is None:
        return None
    last, newest_at = newest
    is_complete = last - catch_up(_BUDGET_S) <= TAIL
    rows = defaultdict[str, list[Tallied]](list)
    for row in tallied(period, last):
        rows[row.dimension].append(row)
    by_column = defaultdict[int, list[Tallied]](list)
    for row in rows["all"]:
        by_column[row.place].append(row)
    within = [row for row in rows["all"] if row.place > 0]
    return Overview(
        newest=newest_at,
        is_complete=is_complete,
        total=_total(within),
        before=_total(by_column[0]),
        by_currency=_by_currency(within),
        columns=[
            PeriodColumn(start, end, _total(by_column[number]), _by_currency(by_column[number]))
            for number, (start, end) in enumerate(pairwise(period.edges), 1)
        ],
        reasons=_ranked((row.value, row.decisions) for row in rows["reason"]),
        categories=_ranked_by_amount(rows["category"]),
        countries=_ranked_by_amount(rows["country"]),
        times=percentiles({row.place: row.decisions for row in rows["time"]}),
    )


def wrongly_sent(period: Period, at_most: int) -> int:
    """How many requests of the other mode arrived in a period, counted up to `at_most`.

    Among the newest thousand. Requests of connected accounts are not counted: Stripe sends a live
    Connect endpoint the accounts' test events as well.
    """
    of_period = Q(
        reason=DeclineReason.WRONG_MODE,
        decided_at__gte=period.start,
        decided_at__lt=period.end,
    )
    last = Decision.objects.aggregate(last=Max("webhook_request_id"))["last"] or 0
    listed = ListedDecision.objects.filter(of_period).order_by("-pk")
    undigested = Decision.objects.filter(of_period, webhook_request_id__gt=last - TAIL)
    found = WebhookRequest.objects.filter(
        Q(pk__in=listed.values("pk")[:_MAX_CHECKED])
        | Q(pk__in=undigested.order_by("-webhook_request_id").values("webhook_request_id")),
        account="",
    )
    return found[:at_most].count()


def percentiles(buckets: Mapping[int, int]) -> list[float]:
    """The upper bounds, in microseconds, of the buckets that hold the percentiles.

    `buckets` are those of AnswerTimes, with the number of decisions in each. Empty if there are no
    decisions.
    """
    ranks = [ceil(sum(buckets.values()) * percent / 100) for percent in PERCENTS]
    found: list[float] = []
    counted = 0
    for bucket, decisions in sorted(buckets.items()):
        counted += decisions
        while len(found) < len(ranks) and counted >= ranks[len(found)]:
            found.append(1.05**bucket)
    return found


def _total(rows: Iterable[Tallied]) -> Outcomes:
    """The numbers over all currencies, without amounts."""
    total = Outcomes()
    for row in rows:
        _count(total, row)
    return total


def _by_currency(rows: Iterable[Tallied]) -> dict[str, Outcomes]:
    found = defaultdict[str, Outcomes](Outcomes)
    for row in rows:
        sums = found[row.currency]
        _count(sums, row)
        sums.approved_amount += int(row.approved_amount)
        sums.declined_amount += 0 if row.approved else int(row.amount)
    return dict(found)


def _count(sums: Outcomes, row: Tallied) -> None:
    if row.approved:
        sums.approved += row.decisions
    else:
        sums.declined += row.decisions


def _ranked_by_amount(rows: Iterable[Tallied]) -> dict[str, list[tuple[str, int]]]:
    by_currency = defaultdict[str, list[tuple[str, int]]](list)
    for row in rows:
        by_currency[row.currency].append((row.value, int(row.approved_amount)))
    return {currency: _ranked(pairs) for currency, pairs in by_currency.items()}


def _ranked(pairs: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """The sums by name, the largest first, without zeros."""
    sums = defaultdict[str, int](int)
    for name, figure in pairs:
        sums[name] += figure
    return sorted(((n, f) for n, f in sums.items() if f), key=lambda pair: (-pair[1], pair[0]))
