"""What the pages of cardholders and groups say of the limits that their cards share."""

import time
from dataclasses import dataclass

from django.utils.safestring import SafeString

from authorizations.admin.cards.card_page import CHANGES
from authorizations.admin.cards.latest import decisions_table, latest_of_cards
from authorizations.admin.history.of_object import Story, history_of
from authorizations.admin.shared.limit_bars import PolicyBars, policy_bars
from authorizations.models import Card, CardGroup, Cardholder
from authorizations.rules.basics.controls import ScopeKind
from authorizations.services.queries import remaining


@dataclass(frozen=True, slots=True)
class SharedPage:
    """`none` is said where no policy is assigned; `decisions` are those of all the cards."""

    title: str
    bars: list[PolicyBars]
    none: str
    changes: list[Story]
    decisions: SafeString | None = None


def of_cardholder(cardholder: Cardholder) -> SharedPage:
    now = int(time.time())
    through = {ScopeKind.CARDHOLDER: "All cards of this cardholder together"}
    return SharedPage(
        title="What is left for all cards together",
        bars=policy_bars(remaining.of_cardholder(cardholder, now), now, through=through),
        none="No policy is assigned to this cardholder; each card has those of its own page.",
        changes=history_of(cardholder, CHANGES),
        decisions=decisions_table(
            latest_of_cards(Card.objects.filter(cardholder=cardholder)), with_card=True
        ),
    )


def of_group(group: CardGroup) -> SharedPage:
    now = int(time.time())
    through = {ScopeKind.GROUP: "One budget shared by all cards of the group"}
    return SharedPage(
        title="What is left of the shared budget",
        bars=policy_bars(remaining.of_group(group, now), now, through=through),
        none="No policy is assigned to this group yet: assign one on the page of the policy.",
        changes=history_of(group, CHANGES),
    )
