"""Findings nobody has seen yet, counted by the index that holds only them, and noted as seen."""

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
    """How many of a kind are open; `sums` are the money at stake by currency."""

    kind: FindingKind
    count: int
    sums: list[tuple[str, int]]


def open_by_kind() -> list[OpenKind]:
    """In the order of how much an operator can do about it."""
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
    """How many are open, counted no further than that."""
    keys = Finding.objects.filter(state=_OPEN).order_by().values_list("pk", flat=True)
    return len(keys[:at_most])


def open_of(kind: str, up_to: int, at_most: int) -> list[int]:
    """The oldest of this kind, none newer than the key `up_to`."""
    rows = Finding.objects.filter(state=_OPEN, kind=kind, pk__lte=up_to)
    return list(rows.order_by("pk").values_list("pk", flat=True)[:at_most])


def newest_open_of(kind: str) -> int:
    """The key up to which somebody who looks now has seen them; 0 where there is none."""
    rows = Finding.objects.filter(state=_OPEN, kind=kind)
    return rows.order_by("-pk").values_list("pk", flat=True).first() or 0


@transaction.atomic
def see(finding_ids: Iterable[int], *, by: User, note: str = "") -> int:
    """Note open findings as seen; how many those were."""
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
    """Sums by currency in words."""
    return [format_money(amount, currency) for currency, amount in rows]
