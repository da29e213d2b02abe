"""Disputes as Stripe tells of them, in any order and however often: the newest version is kept.

Nothing here moves a limit. What was won can be given back by hand: see adjust.py.
"""

from collections.abc import Sequence
from typing import Any

from authorizations.models import Dispute, LedgerCause, LedgerEntry
from authorizations.rules.purchases.reports import DisputeReport
from authorizations.services.store.rows import instant

_PROGRESS = {status: place for place, status in enumerate(("unsubmitted", "submitted"))}
"""All other words, also those of years to come, are ends of a dispute."""

_VERSION = ("transaction_id", "amount", "currency", "status", "reason", "loss_reason", "told_at")


def keep(report: DisputeReport) -> None:
    """Keep the dispute unless a newer version is on record; within a transaction."""
    told = {
        "transaction_id": report.transaction_id,
        "amount": report.amount,
        "currency": report.currency,
        "created": instant(report.created),
        "status": report.status,
        "reason": report.reason,
        "loss_reason": report.loss_reason,
        "told_at": report.event_created,
    }
    funds = {"funds": report.funds, "funds_told_at": report.event_created} if report.funds else {}
    row, is_new = Dispute.objects.select_for_update(no_key=True).get_or_create(
        pk=report.id, defaults=told | funds
    )
    if is_new:
        return
    if _newness(told) > _newness({name: getattr(row, name) for name in _VERSION}):
        for name, value in told.items():
            setattr(row, name, value)
    if funds and (report.event_created, report.funds) > (row.funds_told_at, row.funds):
        row.funds, row.funds_told_at = report.funds, report.event_created
    row.save()


def _newness(version: dict[str, Any]) -> tuple[Any, ...]:
    """Of two versions told in one second, the one further on; else any, but always the same."""
    progress = _PROGRESS.get(version["status"], len(_PROGRESS))
    return (version["told_at"], progress, *(version[name] for name in _VERSION))


def disputes_over(transaction_ids: Sequence[str]) -> list[Dispute]:
    """The disputes over these transactions, the oldest first."""
    return list(Dispute.objects.filter(transaction__in=transaction_ids))


def adjustment_for(dispute: Dispute, authorization_id: str) -> LedgerEntry | None:
    """What an operator booked for it: an adjustment whose reason names the dispute."""
    booked = LedgerEntry.objects.filter(
        authorization=authorization_id,
        cause=LedgerCause.ADJUSTMENT,
        reason__contains=dispute.pk,
    )
    return booked.first()
