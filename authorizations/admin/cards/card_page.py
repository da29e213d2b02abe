"""The page of a card above its form: whether it may pay, what is available, what happened."""

from dataclasses import dataclass
from functools import cached_property

from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from authorizations.admin.cards.activity import Figure, activity
from authorizations.admin.cards.latest_decisions import (
    all_decisions_url,
    decisions_table,
    declined_today,
    latest_of_card,
)
from authorizations.admin.cards.state import Obstacle, obstacles, state_badges
from authorizations.admin.history.of_object import Story, history_of
from authorizations.admin.shared.explained import explained
from authorizations.admin.shared.limit_bars import PolicyBars, limits_with_bars, policy_bars
from authorizations.admin.shared.links import UNKNOWN, card_words, link
from authorizations.admin.shared.times import exact_time
from authorizations.admin.stops.frozen import frozen_above
from authorizations.admin.stops.shown import InForceHere, here, keys_of_card
from authorizations.models import Card
from authorizations.rules.basics.controls import ScopeKind
from authorizations.rules.basics.words import figure_words
from authorizations.rules.wording.remaining import available_words, return_words, tightest
from authorizations.rules.wording.sentences import limit_words
from authorizations.services.policies import purchase_exceptions
from authorizations.services.queries import remaining

MAX_CHANGES = 5
"""Maximum latest changes on a page; the object's history has all of them."""


@dataclass
class LatestDecline:
    """The latest decline of today in one sentence."""

    sentence: str
    when: str
    url: str


@dataclass
class LargestPurchase:
    """The largest purchase that can pass now, empty if none can; and the limit that sets it."""

    amount: str
    because: str


@dataclass
class CardPage:
    """Everything shown is as a purchase at `at`, in Unix seconds, would find it."""

    card: Card
    at: int

    @cached_property
    def policies(self) -> list[remaining.PolicyLeft]:
        return remaining.of_card(self.card, self.at)

    @property
    def badges(self) -> SafeString:
        return state_badges(self.card, frozen_above([self.card])[self.card.pk])

    @cached_property
    def obstacles(self) -> list[Obstacle]:
        return list(obstacles(self.card, self.policies, self.at, self.in_force.freezes))

    @cached_property
    def in_force(self) -> InForceHere:
        bars = limits_with_bars(self.policies)
        return here(self.card, keys_of_card(self.card), bars)

    @property
    def largest_purchase(self) -> LargestPurchase | None:
        """None if every purchase is declined, or no limit sets an amount."""
        limits = [(limit, left) for left in self.policies for limit in left.limits]
        whose = {limit.figures: left.policy.controls.name for limit, left in limits}
        found = tightest(whose, self.card.currency)
        if self.obstacles or not found or not all(limit.is_measured for limit, _ in limits):
            return None
        name = f"{whose[found]}: {limit_words(found)}"
        if found.available > 0:
            less = "Limits on certain purchases and other rules may allow less."
            return LargestPurchase(figure_words(found.available, found.currency), f"{name}. {less}")
        because = f"{name}, {available_words(found)}. {return_words(found, self.at)}"
        if purchase_exceptions.in_force().filter(scope=f"card:{self.card.pk}").exists():
            because += " An exception below lets one through nevertheless."
        return LargestPurchase("", because)

    @property
    def declined(self) -> LatestDecline | None:
        row = declined_today(self.card)
        if row is None:
            return None
        url = reverse("admin:authorizations_decision_change", args=[quote(row.pk)])
        return LatestDecline(explained(row).staff, exact_time(row.decided_at), url)

    @property
    def bars(self) -> list[PolicyBars]:
        card, group = self.card, self.card.root.group
        own = "This card"
        if card.root_id != card.pk:
            first = link(card.root, card_words(card.root))
            own = format_html("{}, the first card of this one's replacement chain", first)
        through = {
            ScopeKind.CARD: own,
            ScopeKind.CARDHOLDER: link(card.cardholder),
            ScopeKind.GROUP: link(group),
            ScopeKind.PROGRAM: "Every card",
        }
        scope = f"card:{card.root_id}"
        return policy_bars(
            self.policies,
            self.at,
            through=through,
            currency=card.currency,
            scope=scope,
            own_amounts=self.in_force.own,
        )

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
        return history_of(self.card, MAX_CHANGES)

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Details from Stripe, and what the desk knows about the card."""
        card = self.card
        replaced_words = ""
        if card.root_id != card.pk:
            replaced = Card.objects.filter(pk=card.replacement_for).first()
            replaced_words = format_html(
                "{} (limits, group and policies are those of {})",
                link(replaced, card_words(replaced)) if replaced else card.replacement_for,
                link(card.root, card_words(card.root)),
            )
        # Filtered by root as well, which is what the index is on.
        replacements = Card.objects.filter(root=card.root_id, replacement_for=card.pk)
        links = [(link(other, card_words(other)),) for other in replacements]
        kind = " ".join(filter(None, (card.brand, card.type)))
        chain = {"Replaces": replaced_words, "Replaced by": format_html_join(", ", "{}", links)}
        return [
            ("Cardholder", link(card.cardholder) if card.cardholder else UNKNOWN),
            ("Card group", link(card.root.group) if card.root.group else "None"),
            ("Card", kind or UNKNOWN),
            ("Currency", card.currency.upper() or UNKNOWN),
            ("Card id", format_html('<span class="desk-id">{}</span>', card.pk)),
            ("First seen", exact_time(card.first_seen)),
            *((name, words) for name, words in chain.items() if words),
        ]
