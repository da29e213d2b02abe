"""A recorded decision in words: the answer, the reason, and every rule with its margin."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from authorizations.admin.shared.outcomes import amount_words, reason_of, reason_words
from authorizations.models import Decision
from authorizations.rules.basics.purchase_exceptions import PurchaseException
from authorizations.rules.basics.words import figure_words
from authorizations.rules.decision.decide import deciding_check
from authorizations.rules.decision.rule import ReasonTexts
from authorizations.rules.decision.stand_in import StandInContext
from authorizations.rules.decision.values import (
    TRACE_VERSION,
    Check,
    DeclineReason,
    PurchaseContext,
)
from authorizations.rules.decision.values import Verdict as DecisionValue
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.rules.wording import explain
from authorizations.rules.wording.exception_words import by_exception
from authorizations.rules.wording.headline import because
from authorizations.rules.wording.reasons import TEXTS
from authorizations.rules.wording.stand_in_words import beginning_sentence, cause_sentence
from authorizations.rules.wording.stripe_reasons import stripe_texts
from authorizations.services.runtime import codec
from authorizations.services.runtime.codec import DAMAGED
from authorizations.services.verify.redecide import WITHOUT_RULES

T = TypeVar("T")

UNREADABLE = DAMAGED
"""The exceptions that reading a damaged row raises."""

_NOTHING_TO_EXPLAIN = "Nothing to explain: the purchase was approved."
_NO_TEXT = "No suitable text is available. Say that the purchase was not approved as requested."


class RuleBar(NamedTuple):
    """A limit as a drawing, in percent of its width.

    `used` was used before, `fits` is the part of the request that fits, `over` the part above the
    limit.
    """

    used: float
    fits: float
    over: float

    @property
    def over_from(self) -> float:
        return self.used + self.fits


class AppliedRule(NamedTuple):
    """One rule as it was applied. Limits have a `margin`: "€5.00 over" or "€38.20 left".

    `waived`: it failed, and an exception let the purchase through.
    """

    check: Check
    sentence: str
    decided: bool
    margin: str = ""
    bar: RuleBar | None = None
    waived: bool = False


@dataclass(frozen=True, slots=True)
class Explained:
    """A decision's row as values of the rules and in words.

    `rules` is None if the trace can't be read, or if Stripe declined without asking; the texts
    then rest on the row's columns alone.
    """

    request: AuthorizationRequest | None
    headline: str
    staff: str
    cardholder: str
    rules: list[AppliedRule] | None
    stand_in: str = ""


def explained(row: Decision) -> Explained:
    """The decision in words. Unreadable parts of the row are left out, never raised."""
    if texts := _texts_of_stripe(row):
        headline = f"{_outcome(row)}, by {texts.label}."
        return Explained(None, headline, texts.staff, texts.cardholder, None)
    request = _request(row)
    return readable(lambda: _from_trace(row, request)) or _from_columns(row, request)


def staff_sentence(row: Decision) -> str:
    """The `staff` text of `explained` alone, for lists of many rows."""
    if texts := _texts_of_stripe(row):
        return texts.staff
    request = _request(row)
    return readable(lambda: _staff(row, request)) or _from_columns(row, request).staff


def readable(read: Callable[[], T]) -> T | None:
    """The result of `read`; None if it finds the row damaged."""
    try:
        return read()
    except UNREADABLE:
        return None


def _texts_of_stripe(row: Decision) -> ReasonTexts | None:
    """The texts for a decline by Stripe, which lists the failed checks in `problem`."""
    return stripe_texts(row.reason, row.problem.split(", "))


def _request(row: Decision) -> AuthorizationRequest | None:
    return readable(lambda: row.request and codec.value(AuthorizationRequest, row.request))


def _value(row: Decision) -> DecisionValue:
    """The row as a value; ValueError for a trace of a different version of the program."""
    if row.trace_version != TRACE_VERSION:
        raise ValueError(f"traces of version {row.trace_version} can't be read")
    return DecisionValue(
        approved=row.approved,
        amount=row.approved_amount,
        reason=DeclineReason(row.reason) if row.reason else None,
        trace=codec.trace(row.trace),
        is_partial=row.is_partial,
        exception=row.exception_id,
    )


def _exception(row: Decision) -> PurchaseException | None:
    """The exception that let it through, as the row has it."""
    if row.exception_id is None:
        return None
    context = codec.value(PurchaseContext, row.context)
    return next((one for one in context.exceptions if one.id == row.exception_id), None)


def _from_trace(row: Decision, request: AuthorizationRequest | None) -> Explained:
    decision = _value(row)
    deciding = deciding_check(decision.trace)
    # In the order of the trace, but the deciding rule and other failures come first.
    rules = [_rule(check, request, decided=check is deciding) for check in decision.trace]
    if used := _exception(row):
        rules = [rule._replace(decided=False, waived=not rule.check.passed) for rule in rules]
    rules.sort(key=lambda rule: (rule.check.passed, not rule.decided))

    if decision.is_partial and request:
        cardholder = explain.part_for_cardholder(decision.amount, request)
    elif decision.approved and not decision.is_partial:
        cardholder = _approved_for_cardholder(decision.amount, request)
    else:
        why = deciding or decision.reason
        cardholder = explain.cardholder(why, request) if why else ""

    return Explained(
        request=request,
        headline=f"{_outcome(row)} {by_exception(used, decision.trace)}."
        if used
        else f"{_outcome(row)}: {because(decision)}.",
        staff=_staff(row, request),
        cardholder=cardholder or _NO_TEXT,
        rules=rules,
        stand_in=_stand_in(row, request),
    )


def _from_columns(row: Decision, request: AuthorizationRequest | None) -> Explained:
    """The texts for a row whose trace can't be read."""
    reason = reason_of(row)
    why = f": {reason_words(row)}" if row.reason else ""
    if row.is_partial and request:
        cardholder = explain.part_for_cardholder(row.approved_amount, request)
    elif row.approved and not row.is_partial:
        cardholder = _approved_for_cardholder(row.approved_amount, request)
    else:
        cardholder = explain.cardholder(reason, request) if reason else _NO_TEXT
    return Explained(
        request=request,
        headline=f"{_outcome(row)}{why}.",
        staff=f"{_outcome(row)}. {TEXTS[reason].staff if reason else ''}".strip(),
        cardholder=cardholder,
        rules=None,
        stand_in=cause_sentence(row.stand_in),
    )


def _outcome(row: Decision) -> str:
    verb = "Approved" if row.approved else "Declined"
    asked = "" if row.amount is None else f" {amount_words(row)}"
    place = f" at {row.merchant_name}" if row.merchant_name else ""
    return f"{verb}{asked}{place}"


def _staff(row: Decision, request: AuthorizationRequest | None) -> str:
    sentence = explain.answer_sentence(_value(row), request, _exception(row))
    sentence = f"{sentence} {_stand_in(row, request)}".strip()
    # No rule is in the trace of a contradicting request: `problem` says what it contradicts.
    contradicts = row.reason == DeclineReason.CONFLICTING_EVENT
    return f"{sentence} {row.problem}".strip() if contradicts else sentence


def _stand_in(row: Decision, request: AuthorizationRequest | None) -> str:
    """Why stand-in answered, and on what data; empty if the database was asked."""
    if not row.stand_in or not request or not request.request_index or row.reason in WITHOUT_RULES:
        return cause_sentence(row.stand_in)
    context = codec.value(StandInContext, row.context)
    return f"{cause_sentence(row.stand_in)} {beginning_sentence(request, context)}".strip()


def _approved_for_cardholder(approved: int, request: AuthorizationRequest | None) -> str:
    """A text about the high hold at a fuel pump; other approvals need no explanation."""
    held = request and explain.hold_for_cardholder(approved, request)
    return held or _NOTHING_TO_EXPLAIN


def _rule(check: Check, request: AuthorizationRequest | None, *, decided: bool) -> AppliedRule:
    sentence = explain.staff(check, request) if request else f"{explain.label(check.rule)}."
    figures = check.figures
    if not figures or check.rule is DeclineReason.LIMIT_NOT_COUNTED_YET:
        return AppliedRule(check, sentence, decided)

    margin = abs(figures.exceeded_by)
    words = figure_words(margin, figures.currency) if figures.currency else f"{margin:,}"
    words += " over" if figures.exceeded_by > 0 else " left"

    total = max(figures.used, 0) + figures.asked
    whole = max(figures.limit, total, 1)
    used = min(max(figures.used, 0), figures.limit)
    fits = min(total, figures.limit) - used
    over = max(total - figures.limit, 0)
    bar = RuleBar(*(round(part * 100 / whole, 2) for part in (used, fits, over)))

    return AppliedRule(check, sentence, decided, words, bar)
