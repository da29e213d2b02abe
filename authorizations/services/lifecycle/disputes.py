"""Disputes as Stripe reports them, in any order and any number of times; the newest version stays.

A dispute changes no limit. If it is won, an operator can restore the limit by hand
(adjustments.py).
"""

from collections.abc import Sequence
from typing import Any

from authorizations.models import Dispute, LedgerCause, LedgerEntry
from authorizations.rules.purchases.reports import DisputeReport
from authorizations.services.store.rows import instant

_PROGRESS = {"unsubmitted": 0, "submitted": 1}
"""Any other status, also one that Stripe adds later, ends a dispute."""

_VERSION = (
    "transaction_id",
    "amount",
    "currency",
    "status",
    "reason",
    "loss_reason",
    "reported_at",
)


def save(report: DisputeReport) -> None:
    """Write the dispute unless a newer version is on record. Runs within a transaction."""
    reported = {
        "transaction_id": report.transaction_id,
        "amount": report.amount,
        "currency": report.currency,
        "created": instant(report.created),
        "status": report.status,
        "reason": report.reason,
        "loss_reason": report.loss_reason,
        "reported_at": report.event_created,
    }
    funds = (
        {"funds": report.funds, "funds_reported_at": report.event_created} if report.funds else {}
    )
    row, is_new = Dispute.objects.select_for_update(no_key=True).get_or_create(
        pk=report.id, defaults=reported | funds
    )
    if is_new:
        return
    if _newness(reported) > _newness({name: getattr(row, name) for name in _VERSION}):
        for name, value in reported.items():
            setattr(row, name, value)
    if funds and (report.event_created, report.funds) > (row.funds_reported_at, row.funds):
        row.funds, row.funds_reported_at = report.funds, report.event_created
    row.save()


def _newness(version: dict[str, Any]) -> tuple[Any, ...]:
    """The order of versions: of two reported in the same second, the one further on is newer.

    Between equals any may win, but always the same one.
    """
    progress = _PROGRESS.get(version["status"], len(_PROGRESS))
    return (version["reported_at"], progress, *(version[name] for name in _VERSION))


def disputes_over(transaction_ids: Sequence[str]) -> list[Dispute]:
    """The disputes over these transactions, oldest first."""
    return list(Dispute.objects.filter(transaction__in=transaction_ids))


def adjustment_for(dispute: Dispute, authorization_id: str) -> LedgerEntry | None:
    """The adjustment an operator booked for the dispute: its reason names it."""
    booked = LedgerEntry.objects.filter(
        authorization=authorization_id,
        cause=LedgerCause.ADJUSTMENT,
        reason__contains=dispute.pk,
    )
    return booked.first()
