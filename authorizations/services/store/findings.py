"""Findings: discrepancies between Stripe and the desk, open until they are acknowledged."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from django.conf import settings
from django.contrib.auth.models import User

from authorizations.models import Finding, FindingChange
from authorizations.models.findings import FindingState
from authorizations.rules.purchases.books import AuthorizationState
from authorizations.rules.purchases.events import PurchaseEvent
from authorizations.rules.wording import findings as rules
from authorizations.rules.wording.findings import FindingKind

What = FindingChange.What

_OF_BOOKS = [kind for kind in FindingKind if kind is not FindingKind.LIMIT_EXCEEDED]
"""The kinds that follow from the state alone; limit_findings.py has those of limits."""


def refresh(event: PurchaseEvent, state: AuthorizationState, *, by: User | None = None) -> None:
    """Bring the findings of an authorization in line with its state, under its lock.

    `by` is the user who changed the state, if no event did.
    """
    tolerance = settings.CAPTURE_TOLERANCE_PERCENT
    found = rules.findings(state, event.merchant, event.currency, tolerance)
    wanted = {(finding.kind.value, finding.subject): finding for finding in found}
    rows = Finding.objects.filter(authorization=event.authorization_id, kind__in=_OF_BOOKS)
    kept = {(row.kind, row.subject): row for row in rows}
    for key, finding in wanted.items():
        _say(event, finding, kept.get(key), by)
    for key, row in kept.items():
        if key not in wanted and row.state != Finding.State.GONE:
            change(row, What.GONE, event.event_id, by=by)


def differ(event: PurchaseEvent, before: AuthorizationState, state: AuthorizationState) -> bool:
    """Whether the findings of two states differ."""
    tolerance = settings.CAPTURE_TOLERANCE_PERCENT
    said, says = (
        list(rules.findings(it, event.merchant, event.currency, tolerance))
        for it in (before, state)
    )
    return said != says


KeptFinding: TypeAlias = tuple[str, str, str, str, int, str, str]
"""A row of statements.FINDINGS."""


def are_as_kept(
    event: PurchaseEvent, state: AuthorizationState, kept: Iterable[KeptFinding]
) -> bool:
    """Whether `refresh` would change nothing, given the rows that are there."""
    tolerance = settings.CAPTURE_TOLERANCE_PERCENT
    wanted = {
        (finding.kind.value, finding.subject): (finding.amount, finding.description, finding.done)
        for finding in rules.findings(state, event.merchant, event.currency, tolerance)
    }
    there = {
        (kind, subject): figures
        for authorization_id, kind, subject, state_, *figures in kept
        if authorization_id == event.authorization_id
        and kind in _OF_BOOKS
        and state_ != Finding.State.GONE
    }
    return wanted == {key: tuple(figures) for key, figures in there.items()}


def refresh_all(left: Sequence[tuple[PurchaseEvent, AuthorizationState]]) -> None:
    """As `refresh`, for several; those without findings before and after cost nothing."""
    ids = [event.authorization_id for event, _ in left]
    kept = set(
        Finding.objects.filter(authorization__in=ids).values_list("authorization_id", flat=True)
    )
    tolerance = settings.CAPTURE_TOLERANCE_PERCENT
    for event, state in left:
        found = rules.findings(state, event.merchant, event.currency, tolerance)
        if event.authorization_id in kept or any(found):
            refresh(event, state)


def say(event: PurchaseEvent, finding: rules.FindingWords) -> Finding:
    """Record a finding as new, changed or reopened; returns its row."""
    row = Finding.objects.filter(
        authorization=event.authorization_id, kind=finding.kind, subject=finding.subject
    ).first()
    return _say(event, finding, row)


def _say(
    event: PurchaseEvent, finding: rules.FindingWords, row: Finding | None, by: User | None = None
) -> Finding:
    if row is None:
        row = Finding.objects.create(
            kind=finding.kind,
            subject=finding.subject,
            authorization_id=event.authorization_id,
            card_id=event.card.id,
            currency=event.currency,
            amount=finding.amount,
            description=finding.description,
            done=finding.done,
            event_id=event.event_id,
        )
        change(row, What.FOUND, event.event_id, by=by)
    elif row.state == Finding.State.GONE:
        change(row, What.BACK, event.event_id, finding, Finding.State.OPEN, by=by)
    elif (row.amount, row.description, row.done) != (
        finding.amount,
        finding.description,
        finding.done,
    ):
        # Open again: it was acknowledged with different figures.
        change(row, What.FIGURES, event.event_id, finding, Finding.State.OPEN, by=by)
    return row


def change(
    row: Finding,
    what: FindingChange.What,
    event_id: str,
    figures: rules.FindingWords | None = None,
    state: FindingState | None = None,
    *,
    by: User | None = None,
) -> None:
    """Add a change of a finding; a trigger brings the finding's row in line with it."""
    if what is What.GONE:
        state = FindingState.GONE
    now = figures or row
    FindingChange.objects.create(
        finding=row,
        what=what,
        state=state or row.state,
        event_id=event_id,
        author=by,
        amount=now.amount,
        description=now.description,
        done=now.done,
    )
