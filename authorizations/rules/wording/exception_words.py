"""Exceptions in words, for staff."""

from collections.abc import Iterable, Mapping
from typing import Any

from authorizations.rules.basics.filters import merchant_words
from authorizations.rules.basics.money import format_money
from authorizations.rules.basics.purchase_exceptions import PurchaseException, Waiver
from authorizations.rules.basics.words import all_of, category_label, figure_words, instant_words
from authorizations.rules.decision.values import Check, DeclineReason
from authorizations.rules.wording.reasons import label
from authorizations.rules.wording.sentences import limit_words
from authorizations.rules.wording.stop_words import blocked_words


def by_exception(used: PurchaseException, trace: Iterable[Check]) -> str:
    """What let a purchase through, and over what.

    "by an exception of operator until 18 Nov 2026 14:10 UTC: Monthly limit of €500.00 waived
    (€40.00 over)"
    """
    of = f" of {used.author}" if used.author else ""
    waived = all_of([waived_words(check) for check in trace if not check.passed])
    return f"by an exception{of} until {instant_words(used.until, 'UTC')}: {waived}"


def waived_words(check: Check) -> str:
    """ "Monthly limit of €500.00 waived (€40.00 over)", "“Merchant not allowed” waived"."""
    figures = check.figures
    if figures is None:
        return f"“{label(check.rule)}” waived"
    if check.rule is DeclineReason.LIMIT_NOT_COUNTED_YET:
        return f"{limit_words(figures)} waived (not counted yet)"
    over = (
        figure_words(figures.exceeded_by, figures.currency)
        if figures.currency
        else f"{figures.exceeded_by:,}"
    )
    return f"{limit_words(figures)} waived ({over} over)"


def waiver_words(waiver: Waiver, policy: str = "", limit: str = "") -> str:
    """What is waived: "the limit of €500.00 a month of Team", "“Merchant not allowed” of Team".

    `policy` is the name of the waiver's policy, `limit` its limit in words; empty if the policy no
    longer has it.
    """
    if waiver.limit:
        return f"{limit or 'a limit that is gone'} of {policy}"
    if waiver.block:
        return f"the block of {blocked_words(waiver.block)}"
    reason = DeclineReason(waiver.reason)
    of = f" of {policy}" if policy else ""
    return f"“{label(reason)}”{of}"


def allowed_words(terms: Mapping[str, Any]) -> str:
    """What an exception's row lets through: "up to €250.00 at Uber"."""
    place = ""
    if merchant := terms.get("merchant"):
        place = f" at merchant {merchant_words(merchant)}"
    elif category := terms.get("category"):
        place = f" for category {category_label(category)}"
    return f"up to {format_money(terms['up_to'], terms['currency'])}{place}"
