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
    StandInCause.NOT_REPLAYED: "Stand-in not in the books yet",
    StandInCause.SWITCHED_ON: "Switched on by hand",
}
"""For lists and filters."""

CAUSES = {
    StandInCause.DATABASE_UNREACHABLE: "The database could not be reached.",
    StandInCause.DEADLINE_MISSED: "The database did not answer in time.",
    StandInCause.ROW_LOCKED: "The card, its cardholder or its group stayed locked by other work. "
    "The database was there: other cards were decided as usual.",
    StandInCause.OVERLOADED: "More requests came than this server could take: this one had waited "
    "too long for its turn.",
    StandInCause.INTERNAL_ERROR: "The usual decision failed with an error; the server's log has "
    "it.",
    StandInCause.NOT_REPLAYED: "Stand-in had approved purchases just before that were not in the "
    "books yet, and beside them a limit might have had no room.",
    StandInCause.SWITCHED_ON: "Stand-in had been switched on by hand.",
}
"""Why the database was not asked, or not heard."""

REFUSALS = {
    Refusal.CAUSE_SWITCHED_OFF: "The settings let stand-in approve nothing in such a case.",
    Refusal.OVERLOAD_OPENS_NO_CAP: "A limit concerns the purchase. The server was overloaded, but "
    "the database was there: stand-in's amounts are for when it is not.",
    Refusal.NOTHING_KNOWN: "The server had no copy of cards and policies yet.",
    Refusal.COPY_TOO_OLD: "The server's copy of cards and policies was too old to rest on.",
    Refusal.UNKNOWN_CARD: "The card was not in the server's copy yet.",
    Refusal.CAP_UNKNOWN: "A limit concerns the purchase, and what had been approved before could "
    "not be looked up here, or not be kept.",
}


def cause_sentence(cause: str) -> str:
    """Why an answer was given without the database, for staff; nothing where it was not."""
    if not cause:
        return ""
    known = cause in set(StandInCause)
    why = f" {CAUSES[StandInCause(cause)]}" if known else ""
    return f"Answered by stand-in, without the database.{why}"


def beginning_sentence(request: AuthorizationRequest, context: StandInContext) -> str:
    """Where an increment's purchase began, as far as limits went by it; else nothing."""
    if context.refusal:
        return ""
    seen = begun(request, context)
    if isinstance(seen.merchant, UnknownMerchant):
        return (
            "The purchase began earlier, at a merchant that this server does not know: every limit "
            "was taken to concern it."
        )
    if seen.named_merchant is None:
        return ""
    return f"Limits went by where the purchase began: {seen.merchant.name or 'not told'}."


def stand_in_sentence(check: Check) -> str:
    """What stand-in looked at instead of usage: a refusal, or the allowance of a policy."""
    figures = check.figures
    if figures is None:
        if check.policy is None:
            return REFUSALS[Refusal(check.found or "")]
        return "A limit concerns the purchase, and the policy allows nothing in stand-in."
    length = interval_words(figures.interval, figures.rolling_seconds)
    concern = filter_words(figures.filter)
    if check.found == Measure.UNKNOWN:
        what = "spent" if figures.currency else "counted"
        return f"In stand-in what had been {what} {length}{concern} was not known here."
    most = figure_words(figures.limit, figures.currency)
    if check.found == Measure.LEFT:
        return (
            f"In stand-in {most} {length}{concern} had been left when the database was last "
            f"heard of: {_sums(figures)}."
        )
    return f"In stand-in {most} {length}: {_sums(figures)}."


def _sums(figures: LimitFigures) -> str:
    used, asked, total, apart = (
        figure_words(figure, figures.currency)
        for figure in (
            figures.used,
            figures.asked,
            figures.used + figures.asked,
            abs(figures.exceeded_by),
        )
    )
    verdict = f"{apart} {'over' if figures.exceeded_by > 0 else 'left after it'}"
    if not figures.used:
        return f"{asked} asked, {verdict}"
    return f"{used} approved before + {asked} = {total}, {verdict}"
