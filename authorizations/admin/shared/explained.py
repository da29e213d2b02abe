"""A kept decision in words: the answer, why, and every rule with its margin."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from authorizations.admin.shared.outcomes import amount_words, reason_of, reason_words
from authorizations.models import Decision
from authorizations.rules.basics.words import figure_words
from authorizations.rules.decision.decide import deciding_check
from authorizations.rules.decision.rule import ReasonTexts
from authorizations.rules.decision.stand_in import StandInContext
from authorizations.rules.decision.values import TRACE_VERSION, Check, DeclineReason, LimitFigures
from authorizations.rules.decision.values import Verdict as DecisionValue
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.rules.wording import explain
from authorizations.rules.wording.headline import because
from authorizations.rules.wording.reasons import TEXTS
from authorizations.rules.wording.stand_in_words import beginning_sentence, cause_sentence
from authorizations.rules.wording.stripe_reasons import stripe_texts
from authorizations.services.runtime import codec
from authorizations.services.runtime.codec import DAMAGED
from authorizations.services.verify.redecide import WITHOUT_RULES

T = TypeVar("T")

UNREADABLE = DAMAGED

_NOTHING_TO_EXPLAIN = "Nothing to explain: the purchase was approved."
_NOTHING_SAFE = "No text is kept that fits: say that the purchase was not approved as asked."


class RuleBar(NamedTuple):
    """A limit as a drawing: used before, asked and fitting, and over; in percent of its width."""

    used: float
    fits: float
    over: float

    @property
    def over_from(self) -> float:
        return self.used + self.fits


class AppliedRule(NamedTuple):
    """One rule as it was applied; `margin` is "€5.00 over" or "€38.20 left", for limits."""

    check: Check
    sentence: str
    decided: bool
    margin: str = ""
    bar: RuleBar | None = None


@dataclass(frozen=True, slots=True)
class Explained:
    """The row as values of the rules, and in words.

    Where the trace could not be read, or Stripe declined by itself, `rules` is None and the rest
    says what the columns tell.
    """

    request: AuthorizationRequest | None
    headline: str
    staff: str
    cardholder: str
    rules: list[AppliedRule] | None
    stand_in: str = ""


def explained(row: Decision) -> Explained:
    """Never fails, whatever the row holds."""
    if texts := _stripes(row):
        headline = f"{_outcome(row)}, by {texts.label}."
        return Explained(None, headline, texts.staff, texts.cardholder, None)
    request = _request(row)
    return readable(lambda: _explained(row, request)) or _unread(row, request)


def _stripes(row: Decision) -> ReasonTexts | None:
    """The words for a decline of Stripe's own, which names the checks that failed."""
    return stripe_texts(row.reason, row.problem.split(", "))


def staff_sentence(row: Decision) -> str:
    """What `explained` says to staff and nothing else, for where there are many rows."""
    if texts := _stripes(row):
        return texts.staff
    request = _request(row)
    return readable(lambda: _staff(row, request)) or _unread(row, request).staff


def _staff(row: Decision, request: AuthorizationRequest | None) -> str:
    """What contradicts stands in a column of its own: no rule was asked."""
    sentence = explain.answer_sentence(_value(row), request)
    sentence = f"{sentence} {_stand_in(row, request)}".strip()
    contradicts = row.reason == DeclineReason.CONFLICTING_EVENT
    return f"{sentence} {row.problem}".strip() if contradicts else sentence


def _stand_in(row: Decision, request: AuthorizationRequest | None) -> str:
    """Why the database was not asked, and what stand-in went by; nothing where it was."""
    if not row.stand_in or not request or not request.ordinal or row.reason in WITHOUT_RULES:
        return cause_sentence(row.stand_in)
    circumstances = codec.value(StandInContext, row.standing)
    return f"{cause_sentence(row.stand_in)} {beginning_sentence(request, circumstances)}".strip()


def readable(read: Callable[[], T]) -> T | None:
    """What `read` returns; None where the row can't be read."""
    try:
        return read()
    except UNREADABLE:
        return None


def _request(row: Decision) -> AuthorizationRequest | None:
    return readable(lambda: row.request and codec.value(AuthorizationRequest, row.request))


def _value(row: Decision) -> DecisionValue:
    return DecisionValue(
        approved=row.approved,
        amount=row.approved_amount,
        reason=DeclineReason(row.reason) if row.reason else None,
        trace=_trace(row),
        is_partial=row.is_partial,
    )


def _trace(row: Decision) -> tuple[Check, ...]:
    """ValueError for a trace that another version of the program has written."""
    if row.trace_version != TRACE_VERSION:
        raise ValueError(f"traces of version {row.trace_version} can't be read")
    return codec.trace(row.trace)


def _explained(row: Decision, request: AuthorizationRequest | None) -> Explained:
    decision = _value(row)
    return Explained(
        request=request,
        headline=f"{_outcome(row)}: {because(decision)}.",
        staff=_staff(row, request),
        cardholder=_cardholder(decision, request) or _NOTHING_SAFE,
        rules=_rules(decision, request),
        stand_in=_stand_in(row, request),
    )


def _unread(row: Decision, request: AuthorizationRequest | None) -> Explained:
    """What the columns tell."""
    reason = reason_of(row)
    why = f": {reason_words(row)}" if row.reason else ""
    return Explained(
        request=request,
        headline=f"{_outcome(row)}{why}.",
        staff=f"{_outcome(row)}. {TEXTS[reason].staff if reason else ''}".strip(),
        cardholder=_unread_for_cardholder(row, request),
        rules=None,
        stand_in=cause_sentence(row.stand_in),
    )


def _unread_for_cardholder(row: Decision, request: AuthorizationRequest | None) -> str:
    if row.is_partial and request:
        return explain.part_for_cardholder(row.approved_amount, request)
    if row.approved and not row.is_partial:
        return _approved_for_cardholder(row.approved_amount, request)
    reason = reason_of(row)
    return explain.cardholder(reason, request) if reason else _NOTHING_SAFE


def _outcome(row: Decision) -> str:
    verb = "Approved" if row.approved else "Declined"
    asked = "" if row.amount is None else f" {amount_words(row)}"
    place = f" at {row.merchant_name}" if row.merchant_name else ""
    return f"{verb}{asked}{place}"


def _cardholder(decision: DecisionValue, request: AuthorizationRequest | None) -> str:
    if decision.is_partial and request:
        return explain.part_for_cardholder(decision.amount, request)
    if decision.approved and not decision.is_partial:
        return _approved_for_cardholder(decision.amount, request)
    why = deciding_check(decision.trace) or decision.reason
    return explain.cardholder(why, request) if why else ""


def _approved_for_cardholder(approved: int, request: AuthorizationRequest | None) -> str:
    """At a fuel pump people wonder why so much is held."""
    held = request and explain.hold_for_cardholder(approved, request)
    return held or _NOTHING_TO_EXPLAIN


def _rules(decision: DecisionValue, request: AuthorizationRequest | None) -> list[AppliedRule]:
    """In the order of the trace, but the deciding one and what else failed first."""
    deciding = deciding_check(decision.trace)
    rules = [_rule(check, request, decided=check is deciding) for check in decision.trace]
    return sorted(rules, key=lambda rule: (rule.check.passed, not rule.decided))


def _rule(check: Check, request: AuthorizationRequest | None, *, decided: bool) -> AppliedRule:
    sentence = explain.staff(check, request) if request else f"{explain.label(check.rule)}."
    if not check.figures or check.rule is DeclineReason.LIMIT_NOT_COUNTED_YET:
        return AppliedRule(check, sentence, decided)
    return AppliedRule(check, sentence, decided, _margin(check.figures), _bar(check.figures))


def _margin(figures: LimitFigures) -> str:
    margin = abs(figures.over)
    words = figure_words(margin, figures.currency) if figures.currency else f"{margin:,}"
    return f"{words} {'over' if figures.over > 0 else 'left'}"


def _bar(figures: LimitFigures) -> RuleBar:
    total = max(figures.used, 0) + figures.asked
    whole = max(figures.limit, total, 1)
    used = min(max(figures.used, 0), figures.limit)
    fits = min(total, figures.limit) - used
    over = max(total - figures.limit, 0)
    return RuleBar(*(round(part * 100 / whole, 2) for part in (used, fits, over)))
