"""Stand-in in plain words: why it answered, and what it allowed."""

from authorizations.rules.basics.filters import UnknownMerchant
from authorizations.rules.basics.words import figure_words, filter_words, interval_words
from authorizations.rules.decision.stand_in import (
    Measure,
    Refusal,
    StandInCause,
    StandInContext,
    begun,
)
from authorizations.rules.decision.values import Check, LimitFigures
from authorizations.rules.purchases.events import AuthorizationRequest

CAUSE_LABELS = {
    StandInCause.DATABASE_UNREACHABLE: "Database unreachable",
    StandInCause.DEADLINE_MISSED: "Deadline missed",
    StandInCause.ROW_LOCKED: "Card locked",
    StandInCause.OVERLOADED: "Overloaded",
    StandInCause.INTERNAL_ERROR: "Internal error",
    StandInCause.NOT_REPLAYED: "Stand-in not replayed yet",
    StandInCause.SWITCHED_ON: "Switched on by hand",
}
"""For lists and filters."""

CAUSES = {
    StandInCause.DATABASE_UNREACHABLE: "The database could not be reached.",
    StandInCause.DEADLINE_MISSED: "The database did not answer in time.",
    StandInCause.ROW_LOCKED: "The card, its cardholder or its group stayed locked by other work. "
    "The database was there: other cards were decided as usual.",
    StandInCause.OVERLOADED: "More requests arrived than this server could handle, and this one "
    "had waited too long.",
    StandInCause.INTERNAL_ERROR: "The usual decision failed with an error. See the server's log.",
    StandInCause.NOT_REPLAYED: "Stand-in had just approved purchases that were not recorded yet, "
    "and with them a limit might have been exceeded.",
    StandInCause.SWITCHED_ON: "Stand-in was switched on by hand.",
}
"""Why the decision was made without the database."""

REFUSALS = {
    Refusal.CAUSE_SWITCHED_OFF: "The settings do not let stand-in approve anything in this case.",
    Refusal.OVERLOAD_OPENS_NO_CAP: "A limit applies to the purchase. The server was overloaded, "
    "but the database was available: stand-in's amounts are for when it is not.",
    Refusal.NOTHING_KNOWN: "The server had no copy of cards and policies yet.",
    Refusal.COPY_TOO_OLD: "The server's copy of cards and policies was too old.",
    Refusal.UNKNOWN_CARD: "The card was not in the server's copy yet.",
    Refusal.CAP_UNKNOWN: "A limit applies to the purchase, and what stand-in had approved before "
    "could not be read or saved on this server.",
}


def cause_sentence(cause: str) -> str:
    """Why an answer was given without the database, for staff; "" if it was given with it."""
    if not cause:
        return ""
    why = f" {CAUSES[StandInCause(cause)]}" if cause in set(StandInCause) else ""
    return f"Answered by stand-in, without the database.{why}"


def beginning_sentence(request: AuthorizationRequest, context: StandInContext) -> str:
    """Where an increment's purchase began, if limits used that; else ""."""
    if context.refusal:
        return ""
    seen = begun(request, context)
    if isinstance(seen.merchant, UnknownMerchant):
        return (
            "The purchase began earlier, at a merchant that this server does not know: every limit "
            "was applied to it."
        )
    if not seen.is_elsewhere:
        return ""
    return f"Limits used the merchant where the purchase began: {seen.merchant.name or 'unknown'}."


def stand_in_sentence(check: Check) -> str:
    """What stand-in checked instead of usage: a refusal, or what a policy allows."""
    figures = check.figures
    if check.found == Measure.FUNDS:
        return "The purchase needs funds, which stand-in can't count: it spends none."
    if check.found == Measure.FIRST_PURCHASE:
        return "Whether the card has paid there before is not known in stand-in."
    if figures is None:
        if check.policy is None:
            return REFUSALS[Refusal(check.found or "")]
        return "A limit applies to the purchase, and the policy allows nothing in stand-in."
    length = interval_words(figures.interval, figures.rolling_seconds, figures.begins)
    concern = filter_words(figures.filter)
    if check.found == Measure.UNKNOWN:
        what = "spent" if figures.currency else "counted"
        return (
            f"In stand-in, what was already {what} {length}{concern} was not known on this server."
        )
    limit = figure_words(figures.limit, figures.currency)
    if check.found == Measure.REMAINING:
        return (
            f"In stand-in, {limit} {length}{concern} had remained when the database was last "
            f"read: {_sums(figures)}."
        )
    return f"In stand-in, {limit} {length}: {_sums(figures)}."


def _sums(figures: LimitFigures) -> str:
    used, asked, total, difference = (
        figure_words(figure, figures.currency)
        for figure in (
            figures.used,
            figures.asked,
            figures.used + figures.asked,
            abs(figures.exceeded_by),
        )
    )
    verdict = f"{difference} {'over' if figures.exceeded_by > 0 else 'left after it'}"
    if not figures.used:
        return f"{asked} asked, {verdict}"
    return f"{used} approved before + {asked} = {total}, {verdict}"
