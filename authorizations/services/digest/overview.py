"""What was decided in a period, for how much money and how quickly: the home page's figures."""

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

_LOOKED_AT = 1_000
PERCENTS = (50, 95, 99)
_BUDGET_S = 0.2


@dataclass(slots=True)
class Outcomes:
    """How many were approved and declined, and for how much in one currency.

    Of a purchase that was approved in part, the approved part counts, and nothing as declined.
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
    """`before` is the stretch just before the period; `total` and `before` add up no money.

    The tops are whole and in order: reasons by how many, the others by approved money for each
    currency. `times` are the 50th, 95th and 99th percentile of the time to decide, in
    microseconds. Where not `is_complete`, older decisions are missing from all of it.
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
        """Those that money was asked in, the one with most decisions first."""
        asked = [(-sums.decisions, code) for code, sums in self.by_currency.items() if code]
        return [code for _, code in sorted(asked)]


def overview(period: Period) -> Overview | None:
    """The figures of a period; None where nothing was ever decided."""
    places = Decision.objects.order_by("-webhook_request_id")
    newest = places.values_list("webhook_request_id", "decided_at").first()
    if newest is None:
        return None
    last, newest_at = newest
    is_complete = last - catch_up(_BUDGET_S) <= TAIL
    rows = defaultdict[str, list[Tallied]](list)
    for row in tallied(period, last):
        rows[row.dimension].append(row)
    columns = _columns(period, rows["all"])
    within = [row for row in rows["all"] if row.place > 0]
    return Overview(
        newest=newest_at,
        is_complete=is_complete,
        total=_total(within),
        before=_total(row for row in rows["all"] if row.place == 0),
        by_currency=_by_currency(within),
        columns=columns,
        reasons=_most((row.value, row.decisions) for row in rows["reason"]),
        categories=_most_money(rows["category"]),
        countries=_most_money(rows["country"]),
        times=percentiles({row.place: row.decisions for row in rows["time"]}),
    )


def wrongly_sent(period: Period, at_most: int) -> int:
    """How many requests of the other mode came in a period that Stripe's Connect does not explain.

    Of the newest thousand. A live Connect endpoint is sent its accounts' test events as well.
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
        Q(pk__in=listed.values("pk")[:_LOOKED_AT])
        | Q(pk__in=undigested.order_by("-webhook_request_id").values("webhook_request_id")),
        account="",
    )
    return found[:at_most].count()


def percentiles(buckets: Mapping[int, int]) -> list[float]:
    """The upper bounds of the buckets that hold the percentiles; none where nothing was measured.

    `buckets` are those of AnswerTimes, with how many each holds.
    """
    ranks = [ceil(sum(buckets.values()) * percent / 100) for percent in PERCENTS]
    found: list[float] = []
    counted = 0
    for bucket, decisions in sorted(buckets.items()):
        counted += decisions
        while len(found) < len(ranks) and counted >= ranks[len(found)]:
            found.append(1.05**bucket)
    return found


def _columns(period: Period, rows: Iterable[Tallied]) -> list[PeriodColumn]:
    by_place = defaultdict[int, list[Tallied]](list)
    for row in rows:
        by_place[row.place].append(row)
    return [
        PeriodColumn(start, end, _total(by_place[place]), _by_currency(by_place[place]))
        for place, (start, end) in enumerate(pairwise(period.edges), 1)
    ]


def _total(rows: Iterable[Tallied]) -> Outcomes:
    """Of all currencies together, so without money."""
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


def _most_money(rows: Iterable[Tallied]) -> dict[str, list[tuple[str, int]]]:
    by_currency = defaultdict[str, list[tuple[str, int]]](list)
    for row in rows:
        by_currency[row.currency].append((row.value, int(row.approved_amount)))
    return {currency: _most(pairs) for currency, pairs in by_currency.items()}


def _most(pairs: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Added up by name, the largest first; nothing that adds up to nothing."""
    sums = defaultdict[str, int](int)
    for name, figure in pairs:
        sums[name] += figure
    return sorted(((n, f) for n, f in sums.items() if f), key=lambda pair: (-pair[1], pair[0]))
