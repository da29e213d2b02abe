"""The parts that the pages of cardholders and groups have in common: shared limits and history."""

import time
from dataclasses import dataclass
from urllib.parse import urlencode

from django.utils.safestring import SafeString

from authorizations.admin.cards.card_page import MAX_CHANGES
from authorizations.admin.cards.latest_decisions import decisions_table, latest_of_cards
from authorizations.admin.history.of_object import Story, history_of
from authorizations.admin.shared.limit_bars import PolicyBars, limits_with_bars, policy_bars
from authorizations.admin.stops.shown import InForceHere, here
from authorizations.models import Card, CardGroup, Cardholder
from authorizations.rules.basics.controls import ScopeKind
from authorizations.services.queries import remaining


@dataclass(frozen=True, slots=True)
class BudgetPage:
    """`none` is shown if no policy is assigned; `decisions` are those of all the cards.

    `query` names the row to the pages of freezing and of what is in force.
    """

    title: str
    bars: list[PolicyBars]
    none: str
    changes: list[Story]
    in_force: InForceHere
    query: str
    decisions: SafeString | None = None


def budget_of_cardholder(cardholder: Cardholder) -> BudgetPage:
    now = int(time.time())
    through = {
        ScopeKind.CARDHOLDER: "This cardholder",
        ScopeKind.GROUP: "A card group of theirs",
        ScopeKind.PROGRAM: "Every card",
    }
    scope, policies = f"cardholder:{cardholder.pk}", remaining.of_cardholder(cardholder, now)
    in_force = here(cardholder, ["program:", scope], limits_with_bars(policies))
    return BudgetPage(
        title="Available to all cards together",
        bars=policy_bars(policies, now, through=through, scope=scope, own_amounts=in_force.own),
        none="No policy is assigned to this cardholder. Each card's page shows its policies.",
        changes=history_of(cardholder, MAX_CHANGES),
        in_force=in_force,
        query=urlencode({"cardholder": cardholder.pk}),
        decisions=decisions_table(
            latest_of_cards(Card.objects.filter(cardholder=cardholder)), with_card=True
        ),
    )


def budget_of_group(group: CardGroup) -> BudgetPage:
    now = int(time.time())
    through = {ScopeKind.GROUP: "This group"}
    scope, policies = f"group:{group.pk}", remaining.of_group(group, now)
    in_force = here(group, ["program:", scope], limits_with_bars(policies))
    return BudgetPage(
        title="Available to the group",
        bars=policy_bars(policies, now, through=through, scope=scope, own_amounts=in_force.own),
        none="No policy is assigned to this group yet. Assign one on the page of the policy.",
        changes=history_of(group, MAX_CHANGES),
        in_force=in_force,
        query=urlencode({"group": group.pk}),
    )
