"""What the page of a card says above its form: may it pay, why not, what is left, what happened."""

from dataclasses import dataclass
from functools import cached_property

from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from authorizations.admin.cards.activity import Figure, activity
from authorizations.admin.cards.latest import (
    all_decisions_url,
    decisions_table,
    declined_today,
    latest_of_card,
)
from authorizations.admin.cards.state import Obstacle, obstacles, state_badges
from authorizations.admin.history.of_object import Story, history_of
from authorizations.admin.shared.explained import explained
from authorizations.admin.shared.limit_bars import PolicyBars, policy_bars
from authorizations.admin.shared.links import card_words, link
from authorizations.admin.shared.times import exact_time
from authorizations.models import Card
from authorizations.rules.basics.controls import ScopeKind
from authorizations.rules.basics.words import figure_words
from authorizations.rules.wording.left import return_words, room_words, tightest
from authorizations.rules.wording.sentences import limit_words
from authorizations.services.queries import remaining

CHANGES = 5
"""So many of the latest changes stand on a page; its history has them all."""


@dataclass
class Declined:
    """The latest decline of today, in one sentence."""

    sentence: str
    when: str
    url: str


@dataclass
class Most:
    """The most that the next purchase can be, and which limit says so."""

    amount: str
    because: str


@dataclass
class CardPage:
    """`at` is now: everything shown is what a purchase made now would find."""

    card: Card
    at: int

    @cached_property
    def policies(self) -> list[remaining.PolicyLeft]:
        return remaining.of_card(self.card, self.at)

    @property
    def badges(self) -> SafeString:
        return state_badges(self.card)

    @cached_property
    def obstacles(self) -> list[Obstacle]:
        return list(obstacles(self.card, self.policies, self.at))

    @property
    def most(self) -> Most | None:
        """None where something stands in the way, or no such limit is known."""
        limits = [(limit, left) for left in self.policies for limit in left.limits]
        whose = {limit.figures: left.policy.controls.name for limit, left in limits}
        found = tightest(whose, self.card.currency)
        if self.obstacles or not found or not all(limit.is_measured for limit, _ in limits):
            return None
        name = f"{whose[found]}: {limit_words(found)}"
        if found.room > 0:
            less = "Limits on certain purchases and other rules can allow less."
            return Most(figure_words(found.room, found.currency), f"{name}. {less}")
        return Most("Nothing", f"{name}, {room_words(found)}. {return_words(found, self.at)}")

    @property
    def declined(self) -> Declined | None:
        row = declined_today(self.card)
        if row is None:
            return None
        url = reverse("admin:authorizations_decision_change", args=[quote(row.pk)])
        return Declined(explained(row).staff, exact_time(row.decided_at), url)

    @property
    def bars(self) -> list[PolicyBars]:
        card, group = self.card, self.card.root.group
        own = "This card"
        if card.root_id != card.pk:
            first = link(card.root, card_words(card.root))
            own = format_html("{}, the first card of this one's chain", first)
        through = {
            ScopeKind.CARD: own,
            ScopeKind.CARDHOLDER: format_html(
                "{}, all their cards together", link(card.cardholder)
            ),
            ScopeKind.GROUP: format_html("{}, one budget shared by its cards", link(group)),
            ScopeKind.PROGRAM: "Every card, each measured on its own",
        }
        return policy_bars(self.policies, self.at, through=through, currency=card.currency)

    @property
    def activity(self) -> list[Figure]:
        return activity(self.card)

    @property
    def decisions(self) -> SafeString:
        return decisions_table(latest_of_card(self.card))

    @property
    def decisions_url(self) -> str:
        return all_decisions_url(card=self.card.pk)

    @property
    def changes(self) -> list[Story]:
        return history_of(self.card, CHANGES)

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What Stripe told, and what belongs to the card here."""
        card = self.card
        kind = " ".join(filter(None, (card.brand, card.type)))
        chain = {"Replaces": self._replaced(), "Replaced by": self._replacements()}
        return [
            ("Cardholder", link(card.cardholder) if card.cardholder else "Not told yet"),
            ("Card group", link(card.root.group) if card.root.group else "None"),
            ("Card", kind or "Not told yet"),
            ("Currency", card.currency.upper() or "Not told yet"),
            ("Card id", format_html('<span class="desk-id">{}</span>', card.pk)),
            ("Here since", exact_time(card.first_seen)),
            *((name, words) for name, words in chain.items() if words),
        ]

    def _replaced(self) -> str:
        card = self.card
        if card.root_id == card.pk:
            return ""
        replaced = Card.objects.filter(pk=card.replacement_for).first()
        return format_html(
            "{} (limits, group and policies are those of {})",
            link(replaced, card_words(replaced)) if replaced else card.replacement_for,
            link(card.root, card_words(card.root)),
        )

    def _replacements(self) -> str:
        # By root as well: that is what the index is on.
        found = Card.objects.filter(root=self.card.root_id, replacement_for=self.card.pk)
        return format_html_join(", ", "{}", [(link(card, card_words(card)),) for card in found])
