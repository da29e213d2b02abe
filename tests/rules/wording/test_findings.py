"""What Stripe did differently from what we decided, case by case."""

from typing import Any

import pytest

from authorizations.rules.purchases.books import AuthorizationState, OurResponse
from authorizations.rules.purchases.events import Verification
from authorizations.rules.purchases.snapshots import (
    RequestHistoryEntry,
    Snapshot,
    TransactionSnapshot,
)
from authorizations.rules.wording.findings import FINDING_TEXTS, FindingKind, FindingWords, findings
from authorizations.rules.wording.stripe_reasons import (
    STRIPE_TEXTS,
    failed_checks,
    stripe_reason,
    stripe_texts,
)
from tests.support.builders import merchant

TOLERANCE = 20
SHOP, RESTAURANT = merchant(), merchant(category_code="5812")

Kind = FindingKind


def found(books: AuthorizationState, place: Any = SHOP) -> list[FindingWords]:
    return list(findings(books, place, "eur", TOLERANCE))


def settled(*, approved: bool, reason: str = "", message: str = "") -> AuthorizationState:
    """One request of €50.00, as Stripe settled it."""
    entry = RequestHistoryEntry(5_000, approved=approved, created=1, reason=reason, message=message)
    status = "pending" if approved else "closed"
    return AuthorizationState().joined(Snapshot(1, status, 5_000, (entry,)))


def ours(*, approved: bool) -> OurResponse:
    return OurResponse(0, "evt_1", 1, approved=approved, amount=5_000 if approved else 0)


@pytest.mark.parametrize(
    ("approved", "reason", "answer", "kind"),
    [
        (True, "webhook_approved", True, None),
        (False, "webhook_declined", False, None),
        (True, "webhook_approved", None, Kind.NOT_RECORDED),
        (False, "webhook_declined", None, None),
        (True, "webhook_timeout", True, Kind.ANSWERED_TOO_LATE),
        (True, "webhook_timeout", None, Kind.ANSWERED_TOO_LATE),
        (False, "webhook_timeout", True, Kind.ANSWERED_TOO_LATE),
        (False, "webhook_timeout", False, Kind.ANSWERED_TOO_LATE),
        (False, "webhook_error", True, Kind.ANSWER_NOT_UNDERSTOOD),
        (True, "webhook_error", None, Kind.ANSWER_NOT_UNDERSTOOD),
        (True, "card_active", None, Kind.NEVER_ASKED),
        (True, "network_fallback", None, Kind.NEVER_ASKED),
        (True, "network_fallback", True, None),
        (True, "network_fallback", False, Kind.APPROVED_AGAINST_US),
        (False, "network_fallback", True, Kind.OVERRULED),
        (False, "suspected_fraud", True, Kind.OVERRULED),
        (False, "insufficient_funds", None, None),
        (True, "a_reason_of_next_year", None, Kind.NEVER_ASKED),
    ],
)
def test_each_request_is_compared_with_our_answer_to_it(
    approved: bool, reason: str, answer: bool | None, kind: FindingKind | None
) -> None:
    books = settled(approved=approved, reason=reason)
    if answer is not None:
        books = books.with_response(ours(approved=answer))
    kinds = [finding.kind for finding in found(books)]
    assert kinds == ([kind] if kind else [])


@pytest.mark.parametrize("approved", [True, False])
def test_of_two_answers_to_one_request_stripe_may_have_gone_by_either(approved: bool) -> None:
    books = settled(approved=approved, reason="webhook_answered")
    both = books.with_response(ours(approved=True)).with_response(
        OurResponse(0, "evt_2", 1, approved=False)
    )
    assert found(both) == []


def test_a_finding_says_what_happened_and_what_was_done() -> None:
    books = settled(approved=False, reason="webhook_error", message="Missing Stripe-Version.")
    [finding] = found(books.with_response(ours(approved=True)))
    assert finding.description == (
        "Stripe declined €50.00 (webhook error); we had approved €50.00. "
        "Stripe's message: Missing Stripe-Version."
    )
    assert finding.done == "The €50.00 held for it is released."
    assert (finding.subject, finding.amount) == ("request 0", 5_000)


def test_what_stripe_approved_without_us_is_counted() -> None:
    [finding] = found(settled(approved=True, reason="card_active"))
    assert finding.done == "€50.00 is counted, as Stripe approved it."


def captured(books: AuthorizationState, *amounts: int) -> AuthorizationState:
    for place, amount in enumerate(amounts):
        kind = "capture" if amount > 0 else "refund"
        books = books.with_transaction(TransactionSnapshot(f"ipi_{place}", 1, kind, -amount, 1))
    return books


APPROVED = settled(approved=True, reason="webhook_approved").with_response(ours(approved=True))


@pytest.mark.parametrize(
    ("place", "amounts", "excess"),
    [
        (SHOP, (5_000,), None),
        (SHOP, (2_000, 3_000), None),
        (SHOP, (5_001,), 1),
        (SHOP, (3_000, 3_000), 1_000),
        (RESTAURANT, (6_000,), None),
        (RESTAURANT, (6_001,), 1_001),
        (merchant(category_code="3501"), (6_000,), None),
        (merchant(category_code="5411"), (6_000,), 1_000),
    ],
)
def test_what_is_captured_above_the_approval_is_found_beyond_what_is_usual_there(
    place: Any, amounts: tuple[int, ...], excess: int | None
) -> None:
    expected = [] if excess is None else [(Kind.CAPTURED_ABOVE_APPROVAL, excess)]
    assert [(f.kind, f.amount) for f in found(captured(APPROVED, *amounts), place)] == expected


def test_a_capture_nobody_approved_is_at_stake_in_whole() -> None:
    [finding] = found(captured(AuthorizationState(), 700))
    assert (finding.kind, finding.amount) == (Kind.CAPTURED_ABOVE_APPROVAL, 700)
    assert "was never approved" in finding.description


@pytest.mark.parametrize("status", ["expired", "reversed"])
def test_a_capture_after_the_end_is_found_also_when_stripe_closed_it_since(status: str) -> None:
    history = APPROVED.history
    over = APPROVED.joined(Snapshot(2, status, 0, history))
    closed = captured(over, 5_000).joined(Snapshot(3, "closed", 0, history, 1))
    assert [finding.kind for finding in found(closed)] == [Kind.CAPTURED_LATE]


def test_a_refund_beyond_what_was_captured_belongs_elsewhere() -> None:
    assert found(captured(APPROVED, 5_000, -5_000)) == []
    [finding] = found(captured(APPROVED, 5_000, -5_200))
    assert (finding.kind, finding.amount) == (Kind.UNLINKED_REFUND, 200)


def moved(amount: int, type_: str) -> TransactionSnapshot:
    return TransactionSnapshot("ipi_odd", 1, type_, amount, 1)


def test_money_out_of_an_unknown_kind_is_captured_and_found() -> None:
    books = APPROVED.with_transaction(moved(-4_000, "cash_withdrawal"))
    assert (books.captured, books.amount) == (4_000, 5_000)
    [finding] = found(books)
    assert (finding.kind, finding.amount) == (Kind.UNKNOWN_TRANSACTION, 4_000)
    assert "“cash withdrawal” took €40.00" in finding.description
    assert finding.done == "€40.00 is counted as captured."


def test_money_out_of_an_unknown_kind_that_nobody_approved_is_found_for_both() -> None:
    kinds = {
        finding.kind
        for finding in found(AuthorizationState().with_transaction(moved(-4_000, "fee")))
    }
    assert kinds == {Kind.UNKNOWN_TRANSACTION, Kind.CAPTURED_ABOVE_APPROVAL}


def test_money_in_of_an_unknown_kind_gives_no_room_back_and_is_found() -> None:
    books = captured(APPROVED, 5_000).with_transaction(moved(4_000, "a_type_of_next_year"))
    assert (books.amount, books.refunded) == (5_000, 0)
    [finding] = found(books)
    assert (finding.kind, finding.amount) == (Kind.UNKNOWN_TRANSACTION, 4_000)
    assert "frees up no limit" in finding.done


def test_a_refund_of_nothing_known_that_is_taken_back_is_found() -> None:
    taken_back = AuthorizationState().with_transaction(moved(-4_000, "refund"))
    assert taken_back.amount == 0
    [finding] = found(taken_back)
    assert (finding.kind, finding.amount) == (Kind.REFUND_REVERSED, 4_000)
    assert "A refund of €40.00 that belongs to no purchase was taken back." in finding.description
    assert "undo the adjustment" in FINDING_TEXTS[finding.kind].advice


def test_a_refund_taken_back_where_it_was_booked_only_takes_its_room_again() -> None:
    books = captured(APPROVED, 5_000, -2_000)
    assert books.refunded == 2_000
    again = books.with_transaction(moved(-2_000, "refund"))
    assert (again.refunded, found(again)) == (0, [])


def test_every_kind_has_its_words() -> None:
    assert list(FINDING_TEXTS) == list(FindingKind)


REASONS = (
    *("account_disabled", "card_canceled", "card_expired", "card_inactive", "cardholder_blocked"),
    *("cardholder_inactive", "cardholder_verification_required", "insecure_authorization_method"),
    *("insufficient_funds", "network_fallback", "not_allowed", "pin_blocked", "spending_controls"),
    *("stripe_internal_error", "suspected_fraud", "verification_failed", "webhook_error"),
    "webhook_timeout",
)
"""Those that Stripe can decline with by itself, after the API of 2026-10-28."""


def test_each_of_stripe_s_reasons_has_a_plain_sentence() -> None:
    assert tuple(STRIPE_TEXTS) == REASONS


CONFIRM = (
    "The purchase was not confirmed by 3-D Secure. Please try again and confirm it when asked."
)
VERIFIED = [
    (
        Verification(cvc="mismatch", expiry="match", postal_code="not_provided"),
        "the CVC did not match what Stripe has",
        "The security code (CVC) did not match. Please check it and try again.",
    ),
    (
        Verification(cvc="mismatch", expiry="mismatch", postal_code="mismatch"),
        "the CVC, the expiry date and the postal code did not match what Stripe has",
        (
            "The security code (CVC), the expiry date and the postal code did not match. "
            "Please check them and try again."
        ),
    ),
    (
        Verification(address_line1="mismatch", three_d_secure="failed"),
        (
            "the first line of the address did not match what Stripe has and 3-D Secure "
            "authentication failed"
        ),
        "The first line of the address did not match. Please check it and try again. " + CONFIRM,
    ),
    (
        Verification(cvc="match", three_d_secure="required"),
        "3-D Secure was required and not done",
        CONFIRM,
    ),
    # Nothing tells which: a PIN, or a result of next year.
    (
        Verification(cvc="not_provided", three_d_secure="of_next_year"),
        "a check such as CVC, PIN, postal code or 3-D Secure failed",
        STRIPE_TEXTS["verification_failed"].cardholder,
    ),
]


@pytest.mark.parametrize(("found", "staff", "cardholder"), VERIFIED)
def test_a_failed_verification_names_its_checks(
    found: Verification, staff: str, cardholder: str
) -> None:
    reason = "verification_failed"
    texts = stripe_texts(stripe_reason(reason), failed_checks(reason, found))
    assert texts is not None
    assert (texts.staff, texts.cardholder) == (f"Stripe declined: {staff}.", cardholder)
    assert failed_checks("suspected_fraud", found) == ()


def test_a_longer_reason_than_any_today_is_kept_whole() -> None:
    reason = "cardholder_verification_required_by_the_rules_of_the_card_network"
    assert stripe_reason(reason) == f"stripe:{reason}"


def test_a_reason_of_next_year_is_told_by_its_code() -> None:
    texts = stripe_texts(stripe_reason("moon_phase"))
    assert texts is not None
    assert texts.staff == "Stripe declined by itself: moon phase."
    assert stripe_texts("card_frozen") is None
