"""The page that leaves somebody out of an assignment, and where that is shown and undone."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.http import urlencode

from authorizations.models import Card, CardGroup, Cardholder, Instruction, Policy
from authorizations.services.policies import exclusions
from tests.admin import pages
from tests.admin.pages import messages, text
from tests.support.desk import Shopper, in_force

pytestmark = pytest.mark.django_db


@pytest.fixture
def team() -> CardGroup:
    Shopper(card_id="ic_1", cardholder_id="ich_1").asks(0)
    group = CardGroup.objects.create(name="Field team")
    Card.objects.update(group=group)
    return group


@pytest.fixture
def policy(team: CardGroup) -> Policy:
    limits = [{"amount": 1_000, "interval": "daily"}]
    return in_force("Team", spending_limits=limits, to={"group": team})


def page(policy: Policy, **who: str) -> str:
    query = {"policy": policy.pk, "assigned": policy.assignments.get().scope} | who
    return f"{reverse('admin:authorizations_instruction_exclude')}?{urlencode(query)}"


SENT = {"where": "card", "card": "ic_1", "reason": "On a trip"}


def test_somebody_is_left_out_after_saying_which_cards_lose_their_grant(
    operator: Client, policy: Policy
) -> None:
    asked = text(operator.get(page(policy)))
    assert "still counts in the budget that the others share" in asked
    first = operator.post(page(policy), SENT)
    assert "Leave 1 card without a grant" in text(first)
    assert not Instruction.objects.exists()
    done = operator.post(page(policy), SENT | {"leaves_without": "1"}, follow=True)
    assert "Team no longer applies there, from the next purchase on." in messages(done)
    assert "•••• 0005 of Ada Lovelace is left out (operations: On a trip)." in text(done)
    row = exclusions.in_force().get()
    assert (row.scope, row.reason) == ("card:ic_1", "On a trip")


def test_the_cards_page_leads_there_and_shows_it_with_the_way_back(
    operator: Client, policy: Policy
) -> None:
    in_force("All", unlimited=True)
    card = Card.objects.get()
    shown = operator.get(pages.change_url(card)).content.decode()
    assert page(policy, card="ic_1").replace("&", "&amp;") in shown
    done = operator.post(page(policy, card="ic_1"), SENT, follow=True)
    assert done.redirect_chain[-1][0] == pages.change_url(card)
    assert "Team does not apply: this card is left out (operations: On a trip)." in text(done)
    row = exclusions.in_force().get()
    lift = reverse("admin:authorizations_instruction_lift", args=[row.pk])
    assert lift in done.content.decode()
    operator.post(lift, {"reason": "Back"})
    assert not exclusions.in_force().exists()
    assert "left out" not in text(operator.get(pages.change_url(card)))


def test_lifting_says_first_who_may_spend_again(operator: Client, policy: Policy) -> None:
    operator.post(page(policy), SENT | {"leaves_without": "1"})
    row = exclusions.in_force().get()
    lift = reverse("admin:authorizations_instruction_lift", args=[row.pk])
    assert "Let 1 card spend" in text(operator.post(lift, {"reason": "Back"}))
    assert exclusions.in_force().exists()
    operator.post(lift, {"reason": "Back", "lets_spend": "1"})
    assert not exclusions.in_force().exists()


def test_the_list_of_what_is_in_force_has_it_and_finds_it(operator: Client, policy: Policy) -> None:
    operator.post(page(policy), SENT | {"leaves_without": "1"})
    url = reverse("admin:authorizations_instruction_changelist")
    assert "Left out of Team, assigned to a card group" in text(
        operator.get(f"{url}?kind=exclusion")
    )
    assert "Left out of Team" not in text(operator.get(f"{url}?kind=freeze"))


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({"where": "card", "reason": "x"}, "Choose a card."),
        ({"where": "group", "reason": "x"}, "Select a valid choice"),
        (SENT | {"reason": ""}, "Give a reason"),
        (SENT | {"until": "2020-01-01T00:00"}, "This time is past"),
    ],
)
def test_what_makes_no_sense_is_refused(
    operator: Client, policy: Policy, sent: dict[str, Any], sentence: str
) -> None:
    assert sentence in text(operator.post(page(policy), sent))
    assert not Instruction.objects.exists()


def test_only_who_may_instruct_may_leave_out(
    operator: Client, auditor: Client, policy: Policy
) -> None:
    assert auditor.get(page(policy)).status_code == 403
    assert operator.get(page(policy).replace("group%3A", "card%3A")).status_code == 404
    holder = Cardholder.objects.get()
    policy.assignments.update(group=None, cardholder=holder)
    assert "Cardholder" not in str(operator.get(page(policy)).context["form"].fields.keys())
