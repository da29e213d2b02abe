"""The words for whole decisions, and what a cardholder must never hear."""

import pytest

from authorizations.rules.basics.clocks import FOREVER
from authorizations.rules.basics.controls import Interval
from authorizations.rules.decision.values import Check, DeclineReason, Verdict
from authorizations.rules.wording.explain import answer_sentence, cardholder, label, source, staff
from authorizations.rules.wording.reasons import TEXTS
from tests.rules.checks import (
    GROUP,
    amount_check,
    count_check,
    hourly,
    monthly,
    request,
    rule_check,
    uncounted_check,
)
from tests.support.builders import merchant

# --- every reason has its words


def test_every_decline_reason_has_its_texts_in_order_of_precedence() -> None:
    assert list(TEXTS) == list(DeclineReason)


def test_no_two_reasons_share_a_label() -> None:
    assert len({label(reason) for reason in DeclineReason}) == len(DeclineReason)


@pytest.mark.parametrize("reason", DeclineReason)
def test_every_text_is_a_sentence(reason: DeclineReason) -> None:
    for sentence in (TEXTS[reason].staff, cardholder(reason, request()), cardholder(reason, None)):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
    assert not label(reason).endswith(".")


def test_a_check_names_the_policy_and_scope_it_comes_from() -> None:
    assert source(amount_check(monthly())) == "Policy Travel (card)"
    assert source(amount_check(monthly(), GROUP)) == "Policy Travel (group)"
    assert source(Check(DeclineReason.CARD_FROZEN, passed=False)) == "Card"


# --- what a cardholder may be told


@pytest.mark.parametrize(
    ("check", "sentence"),
    [
        (
            amount_check(monthly()),
            (
                "This purchase of €45.00 is more than the €20.00 left of the monthly limit of "
                "€500.00. It resets on 1 Dec 00:00 Europe/Paris."
            ),
        ),
        (
            amount_check(monthly(used=51000)),
            "The monthly limit of €500.00 is used up. It resets on 1 Dec 00:00 Europe/Paris.",
        ),
        (
            amount_check(monthly(used=51000, begins=(1, 16))),
            (
                "The monthly limit of €500.00 (from the 16th) is used up. "
                "It resets on 1 Dec 00:00 Europe/Paris."
            ),
        ),
        (
            amount_check(monthly(interval=Interval.ALL_TIME, end=FOREVER)),
            (
                "This purchase of €45.00 is more than the €20.00 left of the all-time limit of "
                "€500.00. Please contact your card administrator."
            ),
        ),
        (
            amount_check(monthly(interval=Interval.PER_AUTHORIZATION, limit=4000, used=0)),
            (
                "This purchase of €45.00 is above the limit of €40.00 per purchase. "
                "Please try a smaller amount."
            ),
        ),
        (
            amount_check(monthly(), GROUP),
            (
                "This purchase is more than your group has left. "
                "It resets on 1 Dec 00:00 Europe/Paris."
            ),
        ),
        (
            amount_check(hourly(currency="eur", limit=50000, used=48000, asked=4500)),
            "This purchase is more than this card may spend for now. Please try again later.",
        ),
        (
            count_check(hourly()),
            "This card can make no more purchases for now. Please try again later.",
        ),
        (
            count_check(monthly(currency="", limit=20, used=20, asked=1)),
            (
                "This card can make no more purchases for now. "
                "It resets on 1 Dec 00:00 Europe/Paris."
            ),
        ),
        (
            rule_check(
                DeclineReason.MERCHANT_COUNTRY_NOT_ALLOWED,
                passed=False,
                found="RU",
                limit={"allowed": ["DE"]},
            ),
            "This card cannot be used with merchants in Russia.",
        ),
        (
            rule_check(
                DeclineReason.CARD_PRESENCE_NOT_ALLOWED,
                passed=False,
                found="not_present",
                limit={"allowed": ["present"]},
            ),
            "This card cannot be used online, by phone or by mail. Please pay another way.",
        ),
        (
            rule_check(DeclineReason.NETWORK_RISK_TOO_HIGH, passed=False, found=92, limit=80),
            (
                "This purchase was declined for security reasons. "
                "Please contact your card administrator."
            ),
        ),
    ],
)
def test_a_cardholder_hears_what_helps(check: Check, sentence: str) -> None:
    asked = request(card_presence="not_present", merchant=merchant(country="RU"))
    assert cardholder(check, asked) == sentence


SECRET = "77"
"""Stands in every figure that is nobody's business."""

GUARDED = [
    *(
        rule_check(reason, passed=False, found=SECRET, limit=f"at most {SECRET}")
        for reason in DeclineReason
    ),
    amount_check(monthly(limit=7700, used=7700), GROUP),
    amount_check(hourly(currency="eur", limit=7700, used=7700, asked=4500)),
    count_check(hourly(limit=77, used=77)),
    count_check(monthly(currency="", limit=77, used=77, asked=1)),
]


@pytest.mark.parametrize("check", GUARDED)
def test_a_cardholder_hears_no_score_no_threshold_no_policy_and_nobody_elses_usage(
    check: Check,
) -> None:
    told = cardholder(check._replace(policy="Policy Fraudwatch"), request())
    assert SECRET not in told
    assert "Fraudwatch" not in told


# --- the whole decision


def declined(reason: DeclineReason, *trace: Check) -> Verdict:
    return Verdict(approved=False, amount=0, reason=reason, trace=trace)


def test_an_approval_says_what_was_approved_where() -> None:
    decision = Verdict(approved=True, amount=4500, trace=(amount_check(monthly(used=0)),) * 2)
    assert answer_sentence(decision, request()) == (
        "Approved €45.00 at Boulangerie Lepic. All 2 rules passed."
    )


def test_an_approval_by_a_policy_without_rules_says_so() -> None:
    decision = Verdict(approved=True, amount=4500)
    assert answer_sentence(decision, request(merchant=merchant(name=""))) == (
        "Approved €45.00. No rule applied."
    )


def test_a_decline_gives_the_reason_with_figures_and_whose_rule_it_is() -> None:
    decision = declined(DeclineReason.AMOUNT_LIMIT_EXCEEDED, amount_check(monthly()))
    assert answer_sentence(decision, request()) == (
        "Declined €45.00 at Boulangerie Lepic. Monthly limit of €500.00: €480.00 used + €45.00 = "
        "€525.00, €25.00 over. Resets on 1 Dec 00:00 Europe/Paris. Policy Travel (card)."
    )


def test_of_several_failed_limits_the_one_with_least_room_is_told_then_the_narrowest() -> None:
    wide = amount_check(monthly(limit=49000), GROUP)
    narrow = amount_check(monthly(limit=49000))
    passed = amount_check(monthly(used=0))
    reason = DeclineReason.AMOUNT_LIMIT_EXCEEDED
    told = answer_sentence(declined(reason, passed, amount_check(monthly()), wide), request())
    assert "€35.00 over" in told
    assert told.endswith("Policy Travel (group).")
    told = answer_sentence(declined(reason, wide, narrow), request())
    assert told.endswith("Policy Travel (card).")


def test_a_partial_approval_tells_both_amounts_and_the_limit_behind_it() -> None:
    decision = Verdict(
        approved=True, amount=2000, trace=(amount_check(monthly()),), is_partial=True
    )
    assert answer_sentence(decision, request()) == (
        "Approved €20.00 of €45.00 at Boulangerie Lepic. Monthly limit of €500.00: €480.00 used + "
        "€45.00 = €525.00, €25.00 over. Resets on 1 Dec 00:00 Europe/Paris. Policy Travel (card)."
    )


def test_a_decline_about_the_card_itself_names_no_policy() -> None:
    decision = declined(DeclineReason.CARD_FROZEN, Check(DeclineReason.CARD_FROZEN, passed=False))
    assert answer_sentence(decision, request()) == (
        "Declined €45.00 at Boulangerie Lepic. A freeze holds for the card. Lift it to let the "
        "card pay again."
    )


@pytest.mark.parametrize(
    "reason",
    [
        DeclineReason.MALFORMED_REQUEST,
        DeclineReason.WRONG_MODE,
        DeclineReason.CONFLICTING_EVENT,
        DeclineReason.INTERNAL_ERROR,
    ],
)
def test_reasons_without_a_trace_have_their_sentence_even_without_a_request(
    reason: DeclineReason,
) -> None:
    decision = declined(reason)
    assert answer_sentence(decision, None) == f"Declined. {TEXTS[reason].staff}"
    assert answer_sentence(decision, request()).endswith(TEXTS[reason].staff)


def test_of_a_limit_that_is_not_counted_yet_no_figure_is_told() -> None:
    check = uncounted_check(monthly(used=0))
    assert staff(check, request()) == (
        "Monthly limit of €500.00: its usage is not known yet. The many earlier purchases it "
        "applies to are being counted."
    )
    assert cardholder(check, request()) == (
        "This purchase could not be checked just now. Please try again in a few minutes."
    )
