"""Differences between Stripe and us, kept open until somebody has seen them."""

from collections.abc import Iterable, Mapping, Sequence

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from authorizations.models import Finding
from authorizations.rules import findings as rules
from authorizations.rules.books import Books
from authorizations.rules.controls import AppliedControls
from authorizations.rules.counted import Counted
from authorizations.rules.findings import FindingKind
from authorizations.rules.limits import unasked_figures
from authorizations.rules.money import format_money
from authorizations.rules.sentences import limit_words
from authorizations.rules.values import LimitFigures, Told, Usage, Window
from authorizations.rules.windows import limit_concerns
from authorizations.rules.words import figure_words
from authorizations.services.acting import acting

_OF_BOOKS = [kind for kind in FindingKind if kind is not FindingKind.LIMIT_EXCEEDED]
"""These follow from the books alone, so they can also turn out to be nothing."""


def refresh(told: Told, books: Books) -> None:
    """Bring the findings of an authorization in line with its books, under its lock."""
    tolerance = settings.CAPTURE_TOLERANCE_PERCENT
    found = rules.findings(books, told.merchant, told.currency, tolerance)
    wanted = {(finding.kind.value, finding.subject): finding for finding in found}
    kept = {
        (row.kind, row.subject): row
        for row in Finding.objects.filter(authorization=told.authorization_id, kind__in=_OF_BOOKS)
    }
    for key, finding in wanted.items():
        _keep(told, finding, kept.get(key))
    gone = [row.pk for key, row in kept.items() if key not in wanted]
    if gone:
        open_ones = Finding.objects.filter(pk__in=gone, state=Finding.State.OPEN)
        open_ones.update(state=Finding.State.GONE)


def refresh_all(left: Sequence[tuple[Told, Books]]) -> None:
    """The same for many: those without findings, before and after, cost nothing."""
    ids = [told.authorization_id for told, _ in left]
    kept = set(
        Finding.objects.filter(authorization__in=ids).values_list("authorization_id", flat=True)
    )
    tolerance = settings.CAPTURE_TOLERANCE_PERCENT
    for told, books in left:
        found = rules.findings(books, told.merchant, told.currency, tolerance)
        if told.authorization_id in kept or any(found):
            refresh(told, books)


def _keep(told: Told, finding: rules.Finding, row: Finding | None) -> None:
    """New, or with its newest figures; one that was settled and is true again is open again."""
    row = row or Finding(
        kind=finding.kind,
        subject=finding.subject,
        authorization_id=told.authorization_id,
        card_id=told.card.id,
        currency=told.currency,
    )
    before = (row.amount, row.told, row.done, row.state == Finding.State.GONE)
    if before == (finding.amount, finding.told, finding.done, False):
        return
    row.amount, row.told, row.done = finding.amount, finding.told, finding.done
    row.event_id = told.event_id
    # What was seen was seen with other figures.
    row.state, row.seen_at, row.seen_by = Finding.State.OPEN, None, None
    row.save()


def note_exceeded(
    told: Told,
    applied: Iterable[AppliedControls],
    usage: Mapping[Window, Usage],
    change: Counted,
) -> None:
    """A finding where a change that could not be refused goes over limits now in force."""
    if change.amount <= 0 and change.count <= 0:
        return
    exceeded = [
        (policy, figures)
        for policy in applied
        for limit in policy.controls.spending_limits
        if limit_concerns(limit, told) and limit.interval != "per_authorization"
        for figures in [unasked_figures(limit, policy, told.created, usage)]
        if figures.over > 0
    ]
    if not exceeded:
        return
    sentences = [_exceeded_words(policy, figures) for policy, figures in exceeded]
    most = max((f.over for _, f in exceeded if f.currency), default=0)
    finding = rules.Finding(
        FindingKind.LIMIT_EXCEEDED,
        "",
        min(most, max(change.amount, 0)),
        " ".join(sentences),
        "It is counted: the limits decline until they have room again.",
    )
    kept = Finding.objects.filter(
        authorization=told.authorization_id, kind=FindingKind.LIMIT_EXCEEDED
    ).first()
    _keep(told, finding, kept)


def _exceeded_words(policy: AppliedControls, figures: LimitFigures) -> str:
    """ "Policy Travel (card): monthly limit of €500.00 is exceeded by €20.00." """
    over = figure_words(figures.over, figures.currency) if figures.currency else str(figures.over)
    name = f"Policy {policy.controls.name} ({policy.scope.kind})"
    return f"{name}: {limit_words(figures)} is exceeded by {over}."


@transaction.atomic
def see(finding_ids: Iterable[int], *, by: User, note: str = "") -> int:
    """Note open findings as seen; how many those were."""
    with acting(user=by, reason=note):
        rows = Finding.objects.filter(pk__in=list(finding_ids), state=Finding.State.OPEN)
        return rows.update(state=Finding.State.SEEN, seen_by=by, seen_at=timezone.now(), note=note)


def at_stake(rows: Iterable[tuple[str, int]]) -> list[str]:
    """Sums by currency in words."""
    return [format_money(amount, currency) for currency, amount in rows]
