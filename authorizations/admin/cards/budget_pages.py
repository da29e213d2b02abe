"""The parts that the pages of cardholders and groups have in common: shared limits and history."""

import time
from dataclasses import dataclass
from urllib.parse import urlencode

from django.utils.safestring import SafeString

from authorizations.admin.cards.card_page import MAX_CHANGES
from authorizations.admin.cards.latest_decisions import decisions_table, latest_of_cards
from authorizations.admin.history.of_object import Story, history_of
from authorizations.admin.shared.limit_bars import PolicyBars, policy_bars
from authorizations.admin.stops.state import sentence, stopped_at
from authorizations.models import Card, CardGroup, Cardholder
from authorizations.rules.basics.controls import ScopeKind
from authorizations.services.queries import remaining


@dataclass(frozen=True, slots=True)
class BudgetPage:
    """`none` is shown if no policy is assigned; `decisions` are those of all the cards.

    `stopped` says what is frozen or blocked here, `freezing` is the query of the freezing page.
    """

    title: str
    bars: list[PolicyBars]
    none: str
    changes: list[Story]
    stopped: list[str]
    freezing: str
    decisions: SafeString | None = None


def budget_of_cardholder(cardholder: Cardholder) -> BudgetPage:
    now = int(time.time())
    through = {
        ScopeKind.CARDHOLDER: "This cardholder",
        ScopeKind.GROUP: "A card group of theirs",
        ScopeKind.PROGRAM: "Every card",
    }
    return BudgetPage(
        title="Available to all cards together",
        bars=policy_bars(
            remaining.of_cardholder(cardholder, now),
            now,
            through=through,
            scope=f"cardholder:{cardholder.pk}",
        ),
        none="No policy is assigned to this cardholder. Each card's page shows its policies.",
        changes=history_of(cardholder, MAX_CHANGES),
        stopped=_stopped_at(f"cardholder:{cardholder.pk}"),
        freezing=urlencode({"cardholder": cardholder.pk}),
        decisions=decisions_table(
            latest_of_cards(Card.objects.filter(cardholder=cardholder)), with_card=True
        ),
    )


def budget_of_group(group: CardGroup) -> BudgetPage:
    now = int(time.time())
    through = {ScopeKind.GROUP: "This group"}
    return BudgetPage(
        title="Available to the group",
        bars=policy_bars(
            remaining.of_group(group, now), now, through=through, scope=f"group:{group.pk}"
        ),
        none="No policy is assigned to this group yet. Assign one on the page of the policy.",
        changes=history_of(group, MAX_CHANGES),
        stopped=_stopped_at(f"group:{group.pk}"),
        freezing=urlencode({"group": group.pk}),
    )


def _stopped_at(key: str) -> list[str]:
    return [sentence(row) for row in stopped_at("program:", key)]
