"""What is in force, on the list for whoever comes on shift and on the pages it concerns."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from authorizations.models import Card, CardGroup, Cardholder, Instruction, Policy
from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.services.policies import exclusions, own_amounts, stops
from authorizations.services.queries.by_end import ByEnd
from authorizations.services.queries.listing import WrongKeyError, page
from tests.admin import pages
from tests.admin.pages import text
from tests.support.desk import Shopper, in_force, republish

pytestmark = pytest.mark.django_db

LIST = "/admin/authorizations/instruction/"
EVERY_CARD = Scope(ScopeKind.PROGRAM, "")
ADA = Scope(ScopeKind.CARD, "ic_ada")
HOLDER = Scope(ScopeKind.CARDHOLDER, "ich_ada")
MONTHLY = {"key": "monthly", "amount": 50_000, "interval": "monthly"}
HOTELS = {"amount": 9_900, "interval": "monthly", "categories": ["hotels_motels_and_resorts"]}


@pytest.fixture
def policy() -> Policy:
    policy = in_force("Team", spending_limits=[MONTHLY, HOTELS])
    Shopper(card_id="ic_ada", cardholder_id="ich_ada").asks(0)
    return policy


def freeze(scope: Scope, reason: str = "Lost", hours: int = 0) -> Instruction:
    until = timezone.now() + timedelta(hours=hours) if hours else None
    return stops.freeze(scope, by=None, reason=reason, until=until)


def own(policy: Policy, scope: Scope = ADA, reason: str = "Trip", **known: Any) -> Instruction:
    key = known.pop("key", "monthly")
    return own_amounts.give(
        scope, policy, key, by=None, reason=reason, **({"amount": 80_000} | known)
    )


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        (ADA, "Frozen"),
        (HOLDER, "Frozen with the cardholder"),
        (Scope(ScopeKind.GROUP, "group"), "Frozen with the group"),
        (EVERY_CARD, "Frozen with every card"),
    ],
)
def test_a_card_that_is_frozen_from_above_is_nowhere_active(
    operator: Client, policy: Policy, scope: Scope, words: str
) -> None:
    group = CardGroup.objects.create(name="Drivers")
    Card.objects.update(group=group)
    Card.objects.create(pk="ic_bob", status=Card.Status.ACTIVE)
    places = {
        "list": pages.list_url(Card),
        "card": pages.change_url(Card.objects.get(pk="ic_ada")),
        "cardholder": pages.change_url(Cardholder.objects.get()),
        "group": pages.change_url(group),
    }
    assert all(words not in badges(operator, url) for url in places.values())
    freeze(Scope(scope.kind, str(group.pk)) if scope.kind is ScopeKind.GROUP else scope)
    for url in places.values():
        assert words in badges(operator, url)
    found = [
        {
            row.pk
            for row in operator.get(f"{pages.list_url(Card)}?state={state}")
            .context["cl"]
            .result_list
        }
        for state in ("frozen", "active")
    ]
    everybody = scope == EVERY_CARD
    assert found == [{"ic_ada", "ic_bob"}, set()] if everybody else [{"ic_ada"}, {"ic_bob"}]


def badges(client: Client, url: str) -> set[str]:
    """The texts on coloured ground."""
    html = client.get(url).content.decode()
    found = re.findall(r'<span class="desk-badge[^>]*>([^<]+)<', html)
    return {words.strip() for words in found}


def test_what_is_undone_on_the_cards_page_leads_back_to_it(
    operator: Client, policy: Policy
) -> None:
    url = pages.change_url(Card.objects.get())
    row = own(policy)
    assert "€800.00 instead of €500.00 a month, for this card (Trip). Lift" in text(
        operator.get(url)
    )
    lift = f"{LIST}{row.pk}/lift/?card=ic_ada"
    assert f'href="{lift}"' in operator.get(url).content.decode()
    asked = text(operator.get(lift))
    assert "the policy's own figure holds again" in asked
    done = operator.post(lift, {"reason": "Back"}, follow=True)
    assert done.redirect_chain[-1][0] == url
    assert "instead of" not in text(done)


def test_what_begins_later_or_sleeps_stands_beside_its_limit_too(
    operator: Client, policy: Policy
) -> None:
    url = pages.change_url(Card.objects.get())
    own(policy, begins=timezone.now() + timedelta(days=2))
    own(policy, HOLDER, amount=None, raise_by=5_000)
    shown = text(operator.get(url))
    assert "€800.00 instead of €500.00 a month, for this card from " in shown
    assert "€50.00 more than €500.00 a month, for this cardholder (Trip)." in shown
    assert "In force for this card" not in shown
    freeze(HOLDER)
    stops.block(EVERY_CARD, {"country": "NL"}, by=None, reason="Audit")
    shown = text(operator.get(url))
    assert shown.count("All cards of the cardholder are frozen") == 1
    assert "In force for this card In force now Country NL is blocked for every card (Audit)." in (
        shown
    )


def test_the_policys_page_says_who_has_what_of_their_own(operator: Client, policy: Policy) -> None:
    for number in range(5):
        own(policy, reason=f"Trip {number}", until=timezone.now() + timedelta(days=9 - number))
    exclusions.leave_out(policy, EVERY_CARD, HOLDER, by=None, reason="Leaves")
    response = operator.get(pages.change_url(policy))
    shown = text(response)
    assert shown.index("(Trip 4).") < shown.index("(Trip 3).") < shown.index("(Trip 2).")
    assert "(Trip 1)." not in shown
    assert "All 5" in shown
    assert "is left out (Leaves)." in shown
    query = f"{LIST}?kind=override&amp;policy={policy.pk}"
    assert query in response.content.decode()
    assert text(operator.get(query.replace("&amp;", "&"))).count("Own amount: Team") == 5


def test_the_list_is_by_end_and_says_what_begins_later(operator: Client, policy: Policy) -> None:
    freeze(ADA, "For good")
    freeze(ADA, "Latest", 9)
    freeze(ADA, "Soonest", 1)
    own(policy, reason="Next week", begins=timezone.now() + timedelta(days=7))
    reasons = [row.reason for row in operator.get(LIST).context["cl"].result_list]
    assert reasons == ["Soonest", "Latest", "Next week", "For good"]
    assert "Begins later" in text(operator.get(LIST))


@pytest.mark.parametrize(
    ("query", "reasons"),
    [
        ("card=ic_ada", {"card", "holder", "all", "own"}),
        ("cardholder=ich_ada", {"holder", "all"}),
        ("group=%s", {"group", "all"}),
        ("policy=%s", {"own"}),
        ("kind=planned", set()),
        ("card=ic_ada&kind=freeze", {"card", "holder", "all"}),
    ],
)
def test_the_list_is_filtered_by_whom_it_concerns(
    operator: Client, policy: Policy, query: str, reasons: set[str]
) -> None:
    group = CardGroup.objects.create(name="Drivers")
    freeze(ADA, "card"), freeze(HOLDER, "holder"), freeze(EVERY_CARD, "all")
    freeze(Scope(ScopeKind.GROUP, str(group.pk)), "group")
    own(policy, reason="own")
    if "%s" in query:
        query %= group.pk if query.startswith("group") else policy.pk
    found = operator.get(f"{LIST}?{query}").context["cl"].result_list
    assert {row.reason for row in found} == reasons


def test_a_replacement_is_not_frozen_or_allowed_anything_with_the_card_it_replaces(
    operator: Client, policy: Policy
) -> None:
    Shopper(card_id="ic_new", cardholder_id="ich_ada", card={"replacement_for": "ic_ada"}).asks(0)
    freeze(ADA, "card"), freeze(HOLDER, "holder"), own(policy, reason="own")
    found = operator.get(f"{LIST}?card=ic_new").context["cl"].result_list
    assert {row.reason for row in found} == {"holder", "own"}


def test_an_own_amount_whose_limit_is_gone_is_not_in_force(
    operator: Client, policy: Policy
) -> None:
    row = own(policy)
    for url in (LIST, pages.change_url(row)):
        assert {"In force", "Asleep"} & badges(operator, url) == {"In force"}
    republish(policy, spending_limits=[HOTELS])
    for url in (LIST, pages.change_url(row)):
        assert {"In force", "Asleep"} & badges(operator, url) == {"Asleep"}


def test_an_own_amount_for_a_replacement_is_one_for_its_chain(
    operator: Client, policy: Policy
) -> None:
    newer = Shopper(card_id="ic_new", cardholder_id="ich_ada", card={"replacement_for": "ic_ada"})
    newer.asks(0)
    address = f"{LIST}own/?scope=card:ic_new&policy={policy.pk}&limit=monthly"
    sent = {"how": "set", "amount": "800", "reason": "Trip"}
    done = operator.post(address, sent, follow=True)
    assert done.redirect_chain == [(pages.change_url(Card.objects.get(pk="ic_new")), 302)]
    assert Instruction.objects.get().scope == "card:ic_ada"
    assert newer.reason(79_900) == "approved"


@pytest.mark.parametrize(
    ("scope", "title"),
    [(ADA, "Freeze: a card"), (HOLDER, "Freeze: a cardholder"), (EVERY_CARD, "Freeze: every card")],
)
def test_the_page_of_an_instruction_is_called_by_words(
    operator: Client, policy: Policy, scope: Scope, title: str
) -> None:
    html = operator.get(pages.change_url(freeze(scope))).content.decode()
    assert f'<h1 title="{title}">{title}</h1>' in html


def test_no_page_shows_the_key_of_a_limit(operator: Client, policy: Policy) -> None:
    [_, hotels] = own_amounts.limits_of(policy)
    row = own(policy, key=hotels.key)
    assert hotels.key.startswith("monthly_")
    for url in (
        LIST,
        pages.change_url(row),
        pages.change_url(Card.objects.get()),
        f"{LIST}{row.pk}/lift/",
    ):
        shown = text(operator.get(url))
        assert "€800.00 instead of €99.00 a month on hotels" in shown
        assert hotels.key not in shown


def test_the_decision_says_who_was_left_out_where_another_policy_grants(
    operator: Client, policy: Policy
) -> None:
    in_force("All", unlimited=True)
    shopper = Shopper(card_id="ic_ada", cardholder_id="ich_ada")
    exclusions.leave_out(policy, EVERY_CARD, HOLDER, by=None, reason="Leaves")
    shopper.asks(900, event_id="evt_granted")
    said = "Team does not apply: this cardholder is left out (Leaves)."
    granted = operator.get("/admin/authorizations/decision/evt_granted/change/")
    assert text(granted).count(said) == 1
    Policy.objects.get(name="All").assignments.all().delete()
    shopper.asks(900, event_id="evt_declined")
    declined = operator.get("/admin/authorizations/decision/evt_declined/change/")
    assert "Team does not apply: this cardholder is left out" in text(declined)
    assert f"<p>{said}</p>" in granted.content.decode()
    assert f"<p>{said}</p>" not in declined.content.decode()


def test_pages_by_end_go_there_and_back() -> None:
    now = timezone.now()
    for hours in (3, 0, 1, 1, 0, 2):
        ends_at = now + timedelta(hours=hours) if hours else None
        Instruction.objects.create(
            kind="freeze", scope="program:", starts_at=now, ends_at=ends_at, reason=str(hours)
        )
    rows = ByEnd(Instruction.objects.all())
    first = page(rows, size=2)
    second = page(rows, size=2, before=first.older)
    third = page(rows, size=2, before=second.older)
    found = [row.reason for part in (first, second, third) for row in part.rows]
    assert found == ["1", "1", "2", "3", "0", "0"]
    assert (third.older, first.newer) == ("", "")
    again = page(rows, size=2, after=third.newer)
    assert [row.pk for row in again.rows] == [row.pk for row in second.rows]
    for key in ("x", "1", ".", "9999999999999999999.1", "1.x"):
        with pytest.raises(WrongKeyError):
            rows.older(key, 1)
