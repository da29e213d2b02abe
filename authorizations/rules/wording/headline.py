"""Why a decision came out so, in the few words of a headline; explain.py has the sentences."""

from collections.abc import Callable

from authorizations.rules.basics.controls import Interval
from authorizations.rules.basics.words import (
    category_label,
    category_words,
    code_words,
    country_words,
    figure_words,
)
from authorizations.rules.decision.decide import deciding_check
from authorizations.rules.decision.values import Check, DeclineReason, LimitFigures, Verdict
from authorizations.rules.wording.reasons import label
from authorizations.rules.wording.sentences import limit_words


def _category(found: str) -> str:
    """ "betting and casino gambling, MCC 7995" from "7995 betting_casino_gambling"."""
    code, _, name = found.partition(" ")
    return ", ".join(filter(None, (category_label(name), code and category_words(code))))


_TOLD: dict[DeclineReason, Callable[[str], str]] = {
    DeclineReason.CARD_NOT_ACTIVE: code_words,
    DeclineReason.CURRENCY_NOT_ALLOWED: str.upper,
    DeclineReason.MERCHANT_COUNTRY_NOT_ALLOWED: country_words,
    DeclineReason.CATEGORY_NOT_ALLOWED: _category,
    DeclineReason.CARD_PRESENCE_NOT_ALLOWED: code_words,
    DeclineReason.AUTHORIZATION_METHOD_NOT_ALLOWED: code_words,
    DeclineReason.WALLET_NOT_ALLOWED: code_words,
    DeclineReason.NETWORK_RISK_TOO_HIGH: str,
    DeclineReason.OUTSIDE_SCHEDULE: str,
}
"""How to say what the purchase had. A merchant's name stands in the headline anyway."""


def because(decision: Verdict) -> str:
    """ "monthly limit of €500.00 exceeded by €5.00", to stand behind a colon."""
    check = deciding_check(decision.trace)
    if check and check.rule is DeclineReason.LIMIT_NOT_COUNTED_YET and check.figures:
        return f"{_limit_name(check.figures)} not counted yet"
    if check and check.figures and check.rule is not DeclineReason.STAND_IN:
        return _limit(check.figures, is_partial=decision.is_partial)
    if decision.reason:
        return _inside_sentence(label(decision.reason)) + (_told(check) if check else "")
    rules = len(decision.trace)
    if rules > 1:
        return f"all {rules} policy rules passed"
    return "the one policy rule passed" if rules else "no policy rule stood against it"


def _limit(figures: LimitFigures, *, is_partial: bool) -> str:
    if is_partial:
        return f"all that is left of the {_limit_name(figures)}"
    over = figure_words(figures.over, figures.currency) if figures.currency else str(figures.over)
    return f"{_limit_name(figures)} exceeded by {over}"


def _limit_name(figures: LimitFigures) -> str:
    """ "monthly limit of €500.00 on groceries", "limit of 5 purchases in 60 minutes"."""
    words = limit_words(figures)
    if figures.interval is Interval.ROLLING:
        return f"limit of {words.removeprefix('At most ')}"
    return _inside_sentence(words)


def _inside_sentence(words: str) -> str:
    """Abbreviations keep their capitals: "CVC required"."""
    return words if words[1:2].isupper() else words[:1].lower() + words[1:]


def _told(check: Check) -> str:
    words = _TOLD.get(check.rule)
    return f" ({words(check.found)})" if words and check.found else ""
