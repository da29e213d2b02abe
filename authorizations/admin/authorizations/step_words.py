"""The title and meaning of each step in a purchase's timeline."""

from typing import NamedTuple

from authorizations.admin.authorizations.disputes import status_words
from authorizations.admin.authorizations.life_events import LifeEvent
from authorizations.admin.shared.outcomes import amount_words, outcome, reason_words
from authorizations.models import LedgerCause
from authorizations.rules.basics.money import format_money
from authorizations.rules.basics.words import code_words
from authorizations.rules.purchases.reports import (
    AuthorizationReport,
    DisputeReport,
    TransactionReport,
)
from authorizations.rules.purchases.snapshots import RequestHistoryEntry, Snapshot
from authorizations.rules.wording.stripe_reasons import failed_checks, stripe_reason, stripe_texts

_OUR_RESPONSES = {"webhook_approved", "webhook_declined"}
_ENDS = {
    "closed": ("Closed", "task_alt"),
    "reversed": ("Voided by the merchant", "undo"),
    "expired": ("Expired", "timer_off"),
}
_STRIPE_APPROVED = {
    "card_active": "Stripe approved it because the card is active, without asking the desk.",
    "network_fallback": "The card network approved it while Stripe could not be reached.",
    "webhook_timeout": "Our answer was late, so Stripe's fallback for your account approved it.",
    "webhook_error": "Our answer was unusable, so Stripe's fallback for your account approved it.",
}
_DISPUTE_CHANGES = {
    "created": "Dispute opened",
    "submitted": "Dispute submitted",
    "funds_reinstated": "Disputed money returned by Stripe",
    "funds_rescinded": "Disputed money withdrawn by Stripe",
}


class StepWords(NamedTuple):
    """A step in words.

    `icon` and `tone` draw its mark. `furthest` is the furthest snapshot of the authorization that
    had arrived by then.
    """

    title: str
    amount: str = ""
    more: str = ""
    icon: str = "radio_button_unchecked"
    tone: str = "neutral"
    furthest: Snapshot | None = None


def step_words(event: LifeEvent, before: StepWords | None, currency: str) -> StepWords:
    """The words for `event`; `before` are those of the step before it."""
    furthest = before.furthest if before else None
    if event.entries and event.entries[0].cause == LedgerCause.MOVED:
        title = event.entries[0].get_cause_display()
        return StepWords(title, icon="move_item", furthest=furthest)
    if row := event.decision:
        asked = "Asked for more," if furthest else "Asked again" if before else "Asked"
        found = outcome(row)
        verdict = "partially approved" if found.tone == "partial" else found.tone
        title = f"{asked} and {verdict}"
        words = (amount_words(row), reason_words(row), "contactless", found.tone)
        return StepWords(title, *words, furthest)

    reported = _report_words(event, furthest, currency)
    if event.problem:
        title = f"{reported.title}, not applied" if reported else "Event not applied"
        amount = reported.amount if reported else ""
        return StepWords(title, amount, event.problem, "sync_problem", "declined", furthest)
    if reported:
        missed = "Read from Stripe's API, as the webhook had missed it." if event.is_read else ""
        return reported._replace(more=f"{reported.more} {missed}".strip())
    if event.entries:
        entry = event.entries[0]
        more, icon, tone = "Its event is missing from the record.", "sync", "neutral"
        if entry.cause in {LedgerCause.RELEASE, LedgerCause.ADJUSTMENT}:
            more, icon, tone = f"{entry.author}: {entry.reason}", "person_edit", "partial"
        return StepWords(entry.get_cause_display(), "", more, icon, tone, furthest)
    return StepWords("Event that could not be read", "", "", "error", "declined", furthest)


def _report_words(event: LifeEvent, furthest: Snapshot | None, currency: str) -> StepWords | None:
    """The words for what Stripe reported; None if the event reports nothing that can be read."""
    if isinstance(event.report, AuthorizationReport):
        return _authorization_words(event.report, furthest, currency)
    event_type = event.deliveries[0].event_type if event.deliveries else ""
    if isinstance(event.report, TransactionReport):
        return _transaction_words(event.report, event_type)._replace(furthest=furthest)
    if isinstance(event.report, DisputeReport):
        return _dispute_words(event.report, event_type)._replace(furthest=furthest)
    return None


def _transaction_words(report: TransactionReport, event_type: str) -> StepWords:
    transaction = report.transaction
    is_refund = transaction.type == "refund"
    amount = format_money(abs(transaction.amount), report.currency)
    if event_type.endswith(".updated"):
        title = f"{'Refund' if is_refund else 'Capture'} updated"
        return StepWords(title, amount, icon="edit_note")
    if is_refund:
        return StepWords("Refunded", amount, icon="keyboard_return", tone="info")
    return StepWords("Captured", amount, icon="payments", tone="approved")


def _dispute_words(report: DisputeReport, event_type: str) -> StepWords:
    change = event_type.rpartition(".")[2]
    reason = report.loss_reason or report.reason
    more = f"{code_words(reason).capitalize()}." if reason else ""
    title = _DISPUTE_CHANGES.get(change, "Dispute updated")
    if change == "closed":
        title = f"Dispute {status_words(report.status).lower()}"
        more = f"{more} This does not change any limit.".strip()
    tone = "approved" if report.status == "won" else "info"
    return StepWords(title, format_money(report.amount, report.currency), more, "gavel", tone)


def _authorization_words(
    report: AuthorizationReport, before: Snapshot | None, currency: str
) -> StepWords:
    """`before` is the furthest snapshot that had arrived earlier."""
    snapshot = report.snapshot
    is_end = snapshot.is_over and before is not None and snapshot.at > before.at
    if before and snapshot.progress <= before.progress and not is_end:
        title = _ENDS.get(snapshot.status, ("Update of the authorization", ""))[0]
        amount = f"held {format_money(snapshot.held_amount, currency)}"
        late = "It arrived late: later events had arrived already."
        return StepWords(title, amount, late, "history", "neutral", before)

    if len(snapshot.history) > (len(before.history) if before else 0):
        entry, is_first = snapshot.history[-1], len(snapshot.history) == 1
        verdict = "approved" if entry.approved else "declined"
        what = "Created at Stripe" if is_first else "Increment settled at Stripe"
        return StepWords(
            f"{what}: {verdict}",
            format_money(entry.amount, currency),
            _reason_words(entry, report),
            "verified" if entry.approved else "block",
            verdict,
            snapshot,
        )
    if snapshot.status in _ENDS and not (before and before.status == snapshot.status):
        title, icon = _ENDS[snapshot.status]
        released = before.amount if before and snapshot.status != "closed" else 0
        amount = f"{format_money(released, currency)} released" if released else ""
        return StepWords(title, amount, icon=icon, furthest=snapshot)
    return _hold_words(snapshot, before, currency)._replace(furthest=snapshot)


def _reason_words(entry: RequestHistoryEntry, report: AuthorizationReport) -> str:
    """Stripe's reason; empty if Stripe followed the desk's answer."""
    if entry.reason in _OUR_RESPONSES or not entry.reason:
        return ""
    checks = failed_checks(entry.reason, report.verification)
    texts = stripe_texts(stripe_reason(entry.reason), checks)
    if texts and not entry.approved:
        return texts.staff
    return _STRIPE_APPROVED.get(entry.reason, f"Stripe's reason: {entry.reason}.")


def _hold_words(snapshot: Snapshot, before: Snapshot | None, currency: str) -> StepWords:
    amount = f"to {format_money(snapshot.amount, currency)}"
    if before and snapshot.amount < before.amount:
        return StepWords("Hold lowered by the merchant", amount, icon="trending_down", tone="info")
    if before and snapshot.amount > before.amount:
        return StepWords("Hold raised by the merchant", amount, icon="trending_up", tone="partial")
    if before and snapshot.transactions > before.transactions:
        return StepWords("Transaction added to the authorization", icon="link")
    return StepWords("Updated at Stripe", more="No counted amount changed.", icon="edit_note")
