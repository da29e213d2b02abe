"""Stand-in in plain words: why it answered, and what it allowed."""

from authorizations.rules.controls import Interval
from authorizations.rules.stand_in import Refusal, StandInCause
from authorizations.rules.values import Check, LimitFigures
from authorizations.rules.words import figure_words

CAUSE_LABELS = {
    StandInCause.DATABASE_UNREACHABLE: "Database unreachable",
    StandInCause.DEADLINE_MISSED: "Deadline missed",
    StandInCause.ROW_LOCKED: "Card locked",
    StandInCause.OVERLOADED: "Overloaded",
    StandInCause.INTERNAL_ERROR: "Internal error",
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
    Refusal.CAP_UNKNOWN: "What stand-in had approved on the card before could not be looked up "
    "or kept.",
}


def cause_sentence(cause: str) -> str:
    """Why an answer was given without the database, for staff; nothing where it was not."""
    if not cause:
        return ""
    known = cause in set(StandInCause)
    why = f" {CAUSES[StandInCause(cause)]}" if known else ""
    return f"Answered by stand-in, without the database.{why}"


def stand_in_sentence(check: Check) -> str:
    """What stand-in looked at instead of usage: a refusal, or the allowance of a policy."""
    if check.figures:
        return _allowance(check.figures)
    if check.policy is None:
        return REFUSALS[Refusal(check.found or "")]
    return "A limit concerns the purchase, and the policy allows nothing in stand-in."


def _allowance(figures: LimitFigures) -> str:
    limit, used, asked, total, apart = (
        figure_words(figure, figures.currency)
        for figure in (
            figures.limit,
            figures.used,
            figures.asked,
            figures.used + figures.asked,
            abs(figures.over),
        )
    )
    verdict = f"{apart} {'over' if figures.over > 0 else 'left after it'}"
    if figures.interval is Interval.PER_AUTHORIZATION:
        before = f"{used} approved before + {asked} = {total}" if figures.used else f"{asked} asked"
        return f"In stand-in {limit} per purchase: {before}, {verdict}."
    return f"In stand-in {limit} per card and outage: {used} used + {asked} = {total}, {verdict}."
