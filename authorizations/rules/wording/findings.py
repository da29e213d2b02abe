"""Findings: where Stripe's outcome differs from our decision. A function of the state.

The same events therefore give the same findings in any order, and a finding disappears once a
later event explains it.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from authorizations.rules.basics.filters import Merchant
from authorizations.rules.basics.money import format_money
from authorizations.rules.basics.words import code_words
from authorizations.rules.purchases.books import AuthorizationState, OurResponse
from authorizations.rules.purchases.snapshots import RequestHistoryEntry


class FindingKind(StrEnum):
    """Ordered by how much an operator can do about it."""

    NOT_RECORDED = "not_recorded"
    APPROVED_AGAINST_US = "approved_against_us"
    OVERRULED = "overruled"
    ANSWERED_TOO_LATE = "answered_too_late"
    ANSWER_NOT_UNDERSTOOD = "answer_not_understood"
    NEVER_ASKED = "never_asked"
    LIMIT_EXCEEDED = "limit_exceeded"
    CAPTURED_ABOVE_APPROVAL = "captured_above_approval"
    CAPTURED_LATE = "captured_late"
    UNKNOWN_TRANSACTION = "unknown_transaction"
    UNLINKED_REFUND = "unlinked_refund"
    REFUND_REVERSED = "refund_reversed"


class FindingTexts(NamedTuple):
    """`label` is for lists; `advice` says what the finding means and what to do."""

    label: str
    advice: str


FINDING_TEXTS: dict[FindingKind, FindingTexts] = {
    FindingKind.NOT_RECORDED: FindingTexts(
        "Approved by a webhook that is not on record",
        "Stripe says the webhook approved, but there is no decision here. Check which other "
        "endpoint answers, and whether a spool waits to be replayed.",
    ),
    FindingKind.APPROVED_AGAINST_US: FindingTexts(
        "Declined here, approved at Stripe",
        "Check Stripe's fallback for requests without an answer: it should decline.",
    ),
    FindingKind.OVERRULED: FindingTexts(
        "Approved here, declined at Stripe",
        "Stripe or the network overruled our answer. Nothing was spent.",
    ),
    FindingKind.ANSWERED_TOO_LATE: FindingTexts(
        "Answer came too late",
        "Our answer was late, so Stripe's fallback for your account decided. See the decision "
        "times on Home.",
    ),
    FindingKind.ANSWER_NOT_UNDERSTOOD: FindingTexts(
        "Answer not understood",
        "Stripe could not read the answer; its message says why. Something between the desk and "
        "Stripe may change answers.",
    ),
    FindingKind.NEVER_ASKED: FindingTexts(
        "Approved without asking",
        "Stripe or the network approved without asking. Check that the webhook for authorization "
        "requests is set at Stripe.",
    ),
    FindingKind.LIMIT_EXCEEDED: FindingTexts(
        "Limit exceeded by what can't be refused",
        "The money is spent. The limit declines until its window resets.",
    ),
    FindingKind.CAPTURED_ABOVE_APPROVAL: FindingTexts(
        "Captured above the approval",
        "Captures can't be refused. If the cardholder did not agree, dispute it at Stripe.",
    ),
    FindingKind.CAPTURED_LATE: FindingTexts(
        "Captured after its hold had ended",
        "The hold had been released, so the capture counts against limits again. Dispute it if the "
        "cardholder did not agree.",
    ),
    FindingKind.UNKNOWN_TRANSACTION: FindingTexts(
        "Transaction of an unknown kind",
        "Stripe has a new kind of transaction. Look it up at Stripe: money out counts as a "
        "capture, money in frees up no limit. Adjust the purchase by hand if that is wrong.",
    ),
    FindingKind.UNLINKED_REFUND: FindingTexts(
        "Refund that belongs to no purchase",
        "It freed up no limit. If it belongs to a purchase here, adjust that purchase by hand.",
    ),
    FindingKind.REFUND_REVERSED: FindingTexts(
        "Refund taken back",
        "A refund that belongs to no purchase was reversed. If a purchase here was adjusted for "
        "that refund meanwhile, undo the adjustment.",
    ),
}

TOLERANT = (
    *(("5812", "5814"), ("4121", "4121"), ("7011", "7011"), ("3351", "3441"), ("3501", "3999")),
    *(("7512", "7513"), ("7519", "7519"), ("5541", "5542")),
)
"""Restaurants, taxis, hotels, rentals and fuel, which often capture more than was approved."""


class FindingWords(NamedTuple):
    """`subject` distinguishes findings of one kind; `amount` is the amount concerned."""

    kind: FindingKind
    subject: str
    amount: int
    description: str
    done: str


def findings(
    state: AuthorizationState, merchant: Merchant, currency: str, tolerance_percent: int
) -> Iterator[FindingWords]:
    """The findings of one authorization.

    `tolerance_percent` is how far above the approval a merchant in TOLERANT may capture.
    """
    for request_index, entry in enumerate(state.history):
        yield from _of_request(request_index, entry, state, currency)
    yield from _captures(state, merchant, currency, tolerance_percent)
    yield from _unknown(state, currency)
    yield from _refunds(state, currency)


def _of_request(
    request_index: int, entry: RequestHistoryEntry, state: AuthorizationState, currency: str
) -> Iterator[FindingWords]:
    kind = _kind(entry, state.answers_to(request_index))
    if kind is None:
        return
    answer = state.answer_to(request_index)
    reserved = answer.amount if answer and answer.approved else 0
    money, held = format_money(entry.amount, currency), format_money(reserved, currency)

    stripe = f"Stripe {'approved' if entry.approved else 'declined'} {money}"
    reason = f" ({code_words(entry.reason)})" if entry.reason else ""
    ours = "no decision of ours is on record"
    if answer:
        ours = f"we had approved {held}" if answer.approved else "we had declined"
    message = f" Stripe's message: {entry.message}" if entry.message else ""

    done = "Nothing had to be changed: the outcome is the same."
    if entry.approved and not reserved:
        done = f"{money} is counted, as Stripe approved it."
    elif reserved and not entry.approved:
        done = f"The {held} held for it is released."
    description = f"{stripe}{reason}; {ours}.{message}"
    yield FindingWords(kind, f"request {request_index}", entry.amount, description, done)


def _kind(entry: RequestHistoryEntry, answers: tuple[OurResponse, ...]) -> FindingKind | None:
    if entry.reason == "webhook_timeout":
        return FindingKind.ANSWERED_TOO_LATE
    if entry.reason == "webhook_error":
        return FindingKind.ANSWER_NOT_UNDERSTOOD
    if not answers:
        if not entry.approved:
            return None  # Stripe's own decline, in the list of decisions
        by_webhook = entry.reason == "webhook_approved"
        return FindingKind.NOT_RECORDED if by_webhook else FindingKind.NEVER_ASKED
    # We do not know which of several responses Stripe used.
    if any(answer.approved == entry.approved for answer in answers):
        return None
    return FindingKind.APPROVED_AGAINST_US if entry.approved else FindingKind.OVERRULED


def _captures(
    state: AuthorizationState, merchant: Merchant, currency: str, tolerance_percent: int
) -> Iterator[FindingWords]:
    if not state.captured:
        return
    captured, approved = _comparable(state, currency)
    tolerance = tolerance_percent if is_tolerant(merchant) else 0
    counted = f"{format_money(state.captured, currency)} is counted."
    if captured > approved + approved * tolerance // 100:
        # In the card's currency, even if the comparison was made in the merchant's.
        excess = (captured - approved) * state.captured // captured
        was = f"was approved for {format_money(state.captured - excess, currency)}"
        description = (
            f"{format_money(state.captured, currency)} was captured of a purchase that "
            f"{was if approved else 'was never approved'}."
        )
        yield FindingWords(FindingKind.CAPTURED_ABOVE_APPROVAL, "", excess, description, counted)
    if state.lapsed:
        description = (
            f"{format_money(state.captured, currency)} was captured after the hold had ended."
        )
        yield FindingWords(FindingKind.CAPTURED_LATE, "", state.captured, description, counted)


def _comparable(state: AuthorizationState, currency: str) -> tuple[int, int]:
    """Captured and approved amounts, in the merchant's currency if it differs from the card's.

    In the card's currency, a changed exchange rate would look like a difference.
    """
    highest = max(
        state.ceiling + state.unconfirmed, *(a.amount for a in state.answers if a.approved), 0
    )
    approved = [entry for entry in state.history if entry.approved]
    asked = sum(entry.merchant_amount for entry in approved)
    abroad = state.furthest.merchant_currency if state.furthest else ""
    captures = [t for t in state.transactions if t.is_capture]
    same = all(t.merchant_currency == abroad and t.merchant_amount for t in captures)
    if not asked or abroad in ("", currency) or not same:
        return state.captured, highest
    settled = sum(entry.amount for entry in approved) or 1
    raised = max(highest, settled)  # Stripe may hold more than was asked for
    return -sum(t.merchant_amount for t in captures), asked * raised // settled


def is_tolerant(merchant: Merchant) -> bool:
    """Whether merchants of this kind usually capture more than they asked for."""
    return any(first <= merchant.category_code <= last for first, last in TOLERANT)


def _unknown(state: AuthorizationState, currency: str) -> Iterator[FindingWords]:
    for transaction in state.transactions:
        if not transaction.is_of_unknown_type or not transaction.amount:
            continue
        amount = abs(transaction.amount)
        money = format_money(amount, currency)
        name = transaction.type.replace("_", " ")
        moved, done = "brought back", "Nothing: it frees up no limit."
        if transaction.is_capture:
            moved, done = "took", f"{money} is counted as captured."
        description = f"A transaction of the unknown kind “{name}” {moved} {money}."
        yield FindingWords(
            FindingKind.UNKNOWN_TRANSACTION, transaction.id, amount, description, done
        )


def _refunds(state: AuthorizationState, currency: str) -> Iterator[FindingWords]:
    refunded = sum(t.refunded for t in state.transactions)
    if refunded < 0:
        description = (
            f"A refund of {format_money(-refunded, currency)} that belongs to no purchase was "
            "taken back."
        )
        done = "Nothing: the refund had freed up no limit."
        yield FindingWords(FindingKind.REFUND_REVERSED, "", -refunded, description, done)
    excess = refunded - state.captured
    if excess > 0:
        description = (
            f"{format_money(excess, currency)} was refunded beyond what was captured here."
        )
        done = "Nothing: it frees up no limit."
        yield FindingWords(FindingKind.UNLINKED_REFUND, "", excess, description, done)
