"""Why a purchase was approved or declined, in a headline; explain.py has full sentences."""

from authorizations.rules.basics.controls import Interval
from authorizations.rules.basics.words import code_words, figure_words
from authorizations.rules.decision.decide import deciding_check
from authorizations.rules.decision.values import Check, DeclineReason, LimitFigures, Verdict
from authorizations.rules.kinds import KINDS
from authorizations.rules.wording.reasons import label
from authorizations.rules.wording.sentences import limit_words, rolling_words


def because(decision: Verdict) -> str:
    """ "monthly limit of €500.00 exceeded by €5.00", to follow a colon."""
    check = deciding_check(decision.trace)
    if check and check.rule is DeclineReason.LIMIT_NOT_COUNTED_YET and check.figures:
        return f"{_limit_name(check.figures)} not counted yet"
    if check and check.figures and check.rule is not DeclineReason.STAND_IN:
        return _limit(check.figures, is_partial=decision.is_partial)
    if decision.reason:
        return _inside_sentence(label(decision.reason)) + (_details(check) if check else "")
    rules = len(decision.trace)
    if rules > 1:
        return f"all {rules} policy rules passed"
    return "the one policy rule passed" if rules else "no policy rule applied"


def _limit(figures: LimitFigures, *, is_partial: bool) -> str:
    if is_partial:
        return f"all that is left of the {_limit_name(figures)}"
    over = (
        figure_words(figures.exceeded_by, figures.currency)
        if figures.currency
        else str(figures.exceeded_by)
    )
    return f"{_limit_name(figures)} exceeded by {over}"


def _limit_name(figures: LimitFigures) -> str:
    """ "monthly limit of €500.00 on groceries", "limit of 5 purchases in 60 minutes"."""
    if figures.interval is Interval.ROLLING:
        return f"limit of {rolling_words(figures)}"
    return _inside_sentence(limit_words(figures))


def _inside_sentence(words: str) -> str:
    """Lower the first letter, but keep abbreviations: "CVC required"."""
    return words if words[1:2].isupper() else words[:1].lower() + words[1:]


def _details(check: Check) -> str:
    """What the purchase had. A merchant's name is in the headline anyway."""
    if check.found is None:
        return ""
    kind = KINDS.get(check.rule)
    words = kind.in_headline(check) if kind else ""
    if check.rule is DeclineReason.CARD_NOT_ACTIVE:
        words = code_words(check.found)
    return f" ({words})" if words else ""
