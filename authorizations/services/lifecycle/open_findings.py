"""Open findings: counts and lists them, through the index of open ones, and acknowledges them."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Sum

from authorizations.models import Finding, FindingChange
from authorizations.rules.basics.money import format_money
from authorizations.rules.wording.findings import FindingKind
from authorizations.services.runtime.actor import acting

_OPEN = Finding.State.OPEN


@dataclass(frozen=True, slots=True)
class OpenKind:
    """The open findings of one kind; `sums` are the amounts at stake by currency."""

    kind: FindingKind
    count: int
    sums: list[tuple[str, int]]


def open_by_kind() -> list[OpenKind]:
    """The kinds with open findings, in the order of FindingKind: the most actionable first."""
    rows = (
        Finding.objects.filter(state=_OPEN)
        .order_by("kind", "currency")
        .values_list("kind", "currency")
        .annotate(count=Count("pk"), sum=Sum("amount"))
    )
    counts: dict[str, int] = defaultdict(int)
    sums: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for kind, currency, count, amount in rows:
        counts[kind] += count
        sums[kind].append((currency, amount))
    return [OpenKind(kind, counts[kind], sums[kind]) for kind in FindingKind if kind in counts]


def count_open(at_most: int) -> int:
    """The number of open findings, counted up to `at_most`."""
    keys = Finding.objects.filter(state=_OPEN).order_by().values_list("pk", flat=True)
    return len(keys[:at_most])


def open_of(kind: str, up_to: int, at_most: int) -> list[int]:
    """Keys of the oldest open findings of this kind, up to the key `up_to`."""
    rows = Finding.objects.filter(state=_OPEN, kind=kind, pk__lte=up_to)
    return list(rows.order_by("pk").values_list("pk", flat=True)[:at_most])


def newest_open_of(kind: str) -> int:
    """The key of the newest open finding of this kind; 0 without one."""
    rows = Finding.objects.filter(state=_OPEN, kind=kind)
    return rows.order_by("-pk").values_list("pk", flat=True).first() or 0


@transaction.atomic
def see(finding_ids: Iterable[int], *, by: User, note: str = "") -> int:
    """Acknowledge open findings; returns how many were open."""
    with acting(user=by, reason=note):
        chosen = Finding.objects.filter(pk__in=list(finding_ids), state=_OPEN)
        rows = list(chosen.select_for_update(no_key=True).order_by("pk"))
        FindingChange.objects.bulk_create(
            FindingChange(
                finding=row,
                what=FindingChange.What.SEEN,
                state=Finding.State.SEEN,
                author=by,
                note=note,
                amount=row.amount,
                description=row.description,
                done=row.done,
            )
            for row in rows
        )
    return len(rows)


def at_stake(rows: Iterable[tuple[str, int]]) -> list[str]:
    """Sums by currency, formatted."""
    return [format_money(amount, currency) for currency, amount in rows]
