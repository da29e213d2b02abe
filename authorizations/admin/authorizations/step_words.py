"""What a step of a purchase's life is called, and what it means."""

from collections.abc import Sequence
from typing import NamedTuple

from authorizations.admin.authorizations.disputes import status_words
from authorizations.admin.authorizations.happenings import Happening
from authorizations.admin.shared.outcomes import amount_words, outcome, reason_words
from authorizations.models import Decision, LedgerCause, LedgerEntry
from authorizations.rules.basics.money import format_money
from authorizations.rules.basics.words import code_words
from authorizations.rules.purchases.reports import (
    AuthorizationReport,
    DisputeReport,
    TransactionReport,
)
from authorizations.rules.purchases.snapshots import RequestHistoryEntry, Snapshot
from authorizations.rules.wording.stripe_reasons import failed_checks, stripe_reason, stripe_texts

_OUR_ANSWERS = {"webhook_approved", "webhook_declined"}
_ENDS = {
    "closed": ("Closed", "task_alt"),
    "reversed": ("Voided by the merchant", "undo"),
    "expired": ("Expired", "timer_off"),
}
_PROBLEM = ("sync_problem", "declined")
_READ = "Read from Stripe's own list: the webhook had missed it."
_LATE = "It came late: what happened afterwards was known already."


class StepWords(NamedTuple):
    """A step in words; `icon` and `tone` are its mark, `furthest` what is known of the
    authorization after it.
    """

    title: str
    amount: str = ""
    more: str = ""
    icon: str = "radio_button_unchecked"
    tone: str = "neutral"
    furthest: Snapshot | None = None


def step_told(one: Happening, before: StepWords | None, currency: str) -> StepWords:
    """`before` is the step before it."""
    furthest = before.furthest if before else None
    if one.entries and one.entries[0].cause == LedgerCause.MOVED:
        return StepWords(one.entries[0].get_cause_display(), icon="move_item", furthest=furthest)
    if one.decision:
        asked = "Asked for more," if furthest else "Asked again" if before else "Asked"
        return _decided(one.decision, asked)._replace(furthest=furthest)
    told = _of_report(one, furthest, currency)
    if one.problem:
        title = f"{told.title}, not applied" if told else "An event that is not applied"
        return StepWords(title, told.amount if told else "", one.problem, *_PROBLEM, furthest)
    if told:
        more = f"{told.more} {_READ}".strip() if one.is_read else told.more
        return told._replace(more=more)
    if one.entries:
        return _booked(one.entries[0])._replace(furthest=furthest)
    return StepWords(
        "An event that could not be read", icon="error", tone="declined", furthest=furthest
    )


def _of_report(one: Happening, furthest: Snapshot | None, currency: str) -> StepWords | None:
    if isinstance(one.report, TransactionReport):
        return _moved(one.report, one.deliveries[0].event_type)._replace(furthest=furthest)
    if isinstance(one.report, DisputeReport):
        words = _disputed(one.report, one.deliveries[0].event_type.rpartition(".")[2])
        return words._replace(furthest=furthest)
    if isinstance(one.report, AuthorizationReport):
        return _reported(one.report, furthest, currency)
    return None


def _decided(row: Decision, asked: str) -> StepWords:
    found = outcome(row)
    verdict = {"approved": "approved", "partial": "approved in part", "declined": "declined"}
    return StepWords(
        f"{asked} and {verdict[found.tone]}",
        amount_words(row),
        reason_words(row),
        "contactless",
        found.tone,
    )


def _moved(report: TransactionReport, event_type: str) -> StepWords:
    money = report.transaction
    is_refund = money.type == "refund"
    amount = format_money(abs(money.amount), report.currency)
    if event_type.endswith(".updated"):
        return StepWords(
            f"{'Refund' if is_refund else 'Capture'} updated", amount, icon="edit_note"
        )
    if is_refund:
        return StepWords("Refunded", amount, icon="keyboard_return", tone="info")
    return StepWords("Captured", amount, icon="payments", tone="approved")


def _disputed(report: DisputeReport, change: str) -> StepWords:
    title = _DISPUTED.get(change, "Dispute updated")
    if change == "closed":
        title = f"Dispute {status_words(report.status).lower()}"
    tone = "approved" if report.status == "won" else "info"
    why = report.loss_reason or report.reason
    more = f"{code_words(why).capitalize()}." if why else ""
    if change == "closed":
        more = f"{more} Limits do not move by it.".strip()
    return StepWords(title, format_money(report.amount, report.currency), more, "gavel", tone)


_DISPUTED = {
    "created": "Dispute opened",
    "submitted": "Dispute submitted",
    "funds_reinstated": "Disputed money given back at Stripe",
    "funds_rescinded": "Disputed money taken back at Stripe",
}


def _reported(report: AuthorizationReport, before: Snapshot | None, currency: str) -> StepWords:
    snapshot = report.snapshot
    is_end = snapshot.is_over and before is not None and snapshot.at > before.at
    if before and snapshot.progress <= before.progress and not is_end:
        words = _ENDS.get(snapshot.status, ("Update of the authorization", ""))[0]
        amount = f"held {format_money(snapshot.held_amount, currency)}"
        return StepWords(words, amount, _LATE, "history", "neutral", before)
    told = _settled(report, before, currency) or _ended(snapshot, before, currency)
    return (told or _held(snapshot, before, currency))._replace(furthest=snapshot)


def _settled(
    report: AuthorizationReport, before: Snapshot | None, currency: str
) -> StepWords | None:
    """The outcome of a request, where it tells a new one."""
    snapshot = report.snapshot
    known = len(before.history) if before else 0
    if len(snapshot.history) <= known:
        return None
    entry, is_first = snapshot.history[-1], len(snapshot.history) == 1
    verdict = "approved" if entry.approved else "declined"
    what = "Created at Stripe" if is_first else "Increment settled at Stripe"
    return StepWords(
        f"{what}: {verdict}",
        format_money(entry.amount, currency),
        _reason(entry, failed_checks(entry.reason, report.verification)),
        "verified" if entry.approved else "block",
        verdict,
    )


def _reason(entry: RequestHistoryEntry, checks: Sequence[str]) -> str:
    """Stripe's reason, where it is another than our answer."""
    if entry.reason in _OUR_ANSWERS or not entry.reason:
        return ""
    texts = stripe_texts(stripe_reason(entry.reason), checks)
    if texts and not entry.approved:
        return texts.staff
    return _APPROVED.get(entry.reason, f"Stripe's reason: {entry.reason}.")


_APPROVED = {
    "card_active": "Stripe approved by itself, because the card is active: nobody was asked.",
    "network_fallback": "The card network approved while Stripe could not be reached.",
    "webhook_timeout": "The answer came too late, so the account's default approved it.",
    "webhook_error": "The answer was not understood, so the account's default approved it.",
}


def _ended(snapshot: Snapshot, before: Snapshot | None, currency: str) -> StepWords | None:
    if snapshot.status not in _ENDS or (before and before.status == snapshot.status):
        return None
    words, icon = _ENDS[snapshot.status]
    given_back = before.amount if before and snapshot.status != "closed" else 0
    amount = f"{format_money(given_back, currency)} given back" if given_back else ""
    return StepWords(words, amount, icon=icon)


def _held(snapshot: Snapshot, before: Snapshot | None, currency: str) -> StepWords:
    amount = f"to {format_money(snapshot.amount, currency)}"
    if before and snapshot.amount < before.amount:
        return StepWords("Hold lowered by the merchant", amount, icon="trending_down", tone="info")
    if before and snapshot.amount > before.amount:
        return StepWords("Hold raised by the merchant", amount, icon="trending_up", tone="partial")
    if before and snapshot.transactions > before.transactions:
        return StepWords("Transaction noted on the authorization", icon="link")
    return StepWords("Updated at Stripe", more="Nothing changed that is counted.", icon="edit_note")


def _booked(entry: LedgerEntry) -> StepWords:
    """By hand, or by an event that is missing from the record."""
    by_hand = entry.cause in {LedgerCause.RELEASE, LedgerCause.ADJUSTMENT}
    more = f"{entry.author}: {entry.reason}" if by_hand else "Its event is missing from the record."
    return StepWords(
        entry.get_cause_display(),
        more=more,
        icon="person_edit" if by_hand else "sync",
        tone="partial" if by_hand else "neutral",
    )
