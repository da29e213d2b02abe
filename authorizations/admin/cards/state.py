"""The state of a card: its badges, and what makes every purchase fail, with advice."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from authorizations.admin.shared.limit_bars import ShownInstruction
from authorizations.admin.shared.links import UNKNOWN
from authorizations.admin.shared.tables import badge
from authorizations.admin.shared.times import exact_time
from authorizations.models import Card
from authorizations.rules.basics.words import code_words, instant_words
from authorizations.rules.decision.grants import UNLIMITED, granted_currencies, limited_currencies
from authorizations.rules.decision.rule import rule_of
from authorizations.rules.kinds.dates import UsableFrom, UsableUntil
from authorizations.services.queries.remaining import PolicyLeft

_VARIANTS: dict[str, str] = {Card.Status.ACTIVE: "success", Card.Status.INACTIVE: "warning"}

_STATUS_ADVICE: dict[str, str] = {
    Card.Status.INACTIVE: "Activate it in Stripe's Dashboard to let it pay.",
    Card.Status.CANCELED: "It can't be used again: issue a new card in Stripe's Dashboard.",
}
_ASSIGN = "Assign one to the card, its cardholder, its group or every card."
_GRANT = "Assign one with an amount limit in its currency, or one that is unlimited."


class Obstacle(NamedTuple):
    """A reason why every purchase is declined, and what to do about it.

    `lift_url` is where it is lifted, if an operator has instructed it.
    """

    why: SafeString | str
    advice: str = ""
    lift_url: str = ""


def state_badges(card: Card, frozen_by: Sequence[str]) -> SafeString:
    """Frozen comes first; a frozen card's state at Stripe is shown only if it isn't active.

    `frozen_by` are the freezes in force beside the card's own, as of `frozen_above`.
    """
    frozen = ["Frozen"] if card.frozen else list(frozen_by)
    states = [(words, "danger") for words in frozen]
    if not frozen or card.status != Card.Status.ACTIVE:
        status = code_words(card.status).capitalize() or UNKNOWN
        states.append((status, _VARIANTS.get(card.status, "default")))
    return format_html_join(" ", "{}", [(badge(*state),) for state in states])


def obstacles(
    card: Card, policies: Iterable[PolicyLeft], at: int, freezes: Iterable[ShownInstruction]
) -> Iterator[Obstacle]:
    """The reasons why every purchase at `at`, in Unix seconds, is declined; most important first.

    `freezes` are those in force for the card beside its own. In the order in which a decision would
    name them.
    """
    policies = list(policies)
    if card.frozen:
        yield Obstacle(f"The card is frozen: {card.frozen_reason}", _who_froze(card))
    for freeze in freezes:
        yield Obstacle(freeze.words, lift_url=freeze.undo_url)
    if card.status != Card.Status.ACTIVE:
        yield Obstacle(
            f"The card is {code_words(card.status)} at Stripe.", _STATUS_ADVICE.get(card.status, "")
        )

    granted = {code for left in policies for code in granted_currencies(left.policy.controls)}
    if not policies:
        yield Obstacle("No policy applies to this card.", _ASSIGN)
    elif not granted & {UNLIMITED, card.currency} and (card.currency or not granted):
        yield Obstacle("None of its policies grants this card anything.", _GRANT)

    for left in policies:
        controls = left.policy.controls
        name, zone = controls.name, controls.time_zone
        first, end = rule_of(UsableFrom, controls.rules), rule_of(UsableUntil, controls.rules)
        if first and at < first.at:
            yield Obstacle(f"{name} is valid from {instant_words(first.at, zone)}.")
        if end and at >= end.at:
            until = instant_words(end.at, zone)
            yield Obstacle(f"{name} was valid until {until}.", "Set a later “Valid until”.")
        limited = limited_currencies(controls)
        if limited and card.currency and card.currency not in limited:
            currency = card.currency.upper()
            yield Obstacle(
                f"{name} has amount limits, but none in {currency}, the currency of this card.",
                f"Add a limit in {currency} to it, or assign it elsewhere.",
            )


def why_frozen(card: Card) -> str:
    """ "Lost. Frozen by ada on 24 Nov 2026, 10:12:00 UTC."."""
    return f"{card.frozen_reason.rstrip('.')}. {_who_froze(card)}".strip()


def _who_froze(card: Card) -> str:
    """A sentence from the admin log; empty if the card was frozen without it."""
    cards = ContentType.objects.get_for_model(Card)
    entries = LogEntry.objects.filter(
        content_type=cards, object_id=card.pk, change_message__startswith="Froze"
    )
    entry = entries.select_related("user").first()
    return f"Frozen by {entry.user} on {exact_time(entry.action_time)}." if entry else ""
