"""Limits on attempts as operators set them, see what is left of them, and what they froze."""

from html import unescape

import pytest
from django.test import Client

from authorizations.models import Card, Decision, Instruction, Policy
from tests.admin import pages
from tests.admin.pages import added, as_shown, errors
from tests.support.desk import Shopper, in_force, says

pytestmark = pytest.mark.django_db

LIMITS = "spending_limits"
LIST = "/admin/authorizations/instruction/"
ADA = Shopper(card_id="ic_ada", cardholder_id="ich_ada")
TRIES = {
    "key": "tries",
    "attempts": 3,
    "interval": "all_time",
    "then_freeze_minutes": 90,
}


@pytest.fixture
def policy() -> Policy:
    return in_force("Team", unlimited=True, spending_limits=[TRIES])


def shown(client: Client, row: Card | Decision) -> str:
    return unescape(client.get(pages.change_url(row)).content.decode())


def test_a_freeze_of_no_minutes_is_no_freeze_for_good(operator: Client, policy: Policy) -> None:
    url = pages.change_url(policy)
    sent = as_shown(operator, url) | {f"{LIMITS}-0-then_freeze_minutes": "0"}
    assert list(errors(operator.post(url, sent))) == [f"{LIMITS}-0-then_freeze_minutes"]
    assert says(policy)[LIMITS][0]["then_freeze_minutes"] == 90


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ({}, {}),
        ({"declined_only": "on"}, {"declined_only": True}),
        ({"then_freeze": "on"}, {"then_freeze": True}),
        (
            {"then_freeze": "on", "then_freeze_minutes": "1440"},
            {"then_freeze_minutes": 1_440},
        ),
    ],
)
def test_a_limit_is_set_on_the_page_of_the_policy(
    operator: Client, typed: dict[str, str], kept: dict[str, object]
) -> None:
    policy = in_force("Travel", spending_limits=[{"amount": 50_000, "interval": "monthly"}])
    url = pages.change_url(policy)
    row = {"attempts": "5", "interval": "rolling", "rolling_length": "2", "rolling_unit": "hours"}
    sent = added(as_shown(operator, url), LIMITS, **row, **typed)
    operator.post(url, sent, follow=True)
    limit = says(policy)[LIMITS][1]
    assert (limit["attempts"], limit["hours"]) == (5, 2)
    freezing = ("declined_only", "then_freeze", "then_freeze_minutes")
    assert {key: limit[key] for key in freezing if key in limit} == kept
    # Saved again as it is shown, nothing changes.
    before = says(policy)
    operator.post(url, as_shown(operator, url), follow=True)
    assert says(policy) == before


def test_minutes_without_a_freeze_are_asked_about(operator: Client, policy: Policy) -> None:
    url = pages.change_url(policy)
    row = {"attempts": "5", "interval": "daily", "then_freeze_minutes": "60"}
    answer = operator.post(url, added(as_shown(operator, url), LIMITS, **row))
    assert "Switch the freeze on, or leave this empty." in str(errors(answer))


def test_the_card_shows_how_many_attempts_were_made(operator: Client, policy: Policy) -> None:
    assert [ADA.reason(0) for _ in range(2)] == ["approved"] * 2
    html = shown(operator, Card.objects.get())
    assert "All-time limit of 3 attempts" in html
    assert "2 of 3 attempts" in html


def test_the_attempt_that_reached_it_leads_to_the_freeze_and_back(
    operator: Client, policy: Policy
) -> None:
    assert [ADA.reason(0) for _ in range(4)] == ["approved"] * 3 + ["card_frozen"]
    [row] = Instruction.objects.all()
    reached = Decision.objects.get(pk=row.terms["decision"])
    html = shown(operator, reached)
    assert "This attempt reached the limit of 3 attempts in all (Team): the card is" in html
    assert pages.change_url(row) in html
    listed = unescape(operator.get(LIST).content.decode())
    assert "A limit on attempts" in listed
    assert pages.change_url(reached) in listed
    assert "3 attempts in all (Team)" in listed
    operator.post(f"{LIST}{row.pk}/lift/", {"reason": "It was Ada"})
    assert ADA.reason(0) == "approved"


def test_a_decline_says_how_many_were_made(operator: Client) -> None:
    in_force("Team", unlimited=True, spending_limits=[TRIES | {"then_freeze_minutes": None}])
    assert [ADA.reason(0) for _ in range(4)] == ["approved"] * 3 + ["attempt_limit_exceeded"]
    html = shown(operator, Decision.objects.latest("position"))
    assert "all-time limit of 3 attempts exceeded by 1" in html
    assert "This card has been tried too often for now. Please try again later." in html


def test_a_card_gets_its_own_number(operator: Client, policy: Policy) -> None:
    ADA.asks(0)
    url = f"{LIST}own/?scope=card:ic_ada&policy={policy.pk}&limit=tries"
    assert "Number of attempts" in operator.get(url).content.decode()
    answer = operator.post(url, {"how": "set", "amount": "5", "reason": "Trip"}, follow=True)
    html = unescape(answer.content.decode())
    assert "All-time limit of 5 attempts" in html
    assert "5 attempts instead of 3 attempts" in html
    assert "5 attempts instead of" in operator.get(LIST).content.decode()


def test_an_own_number_does_not_sleep_where_the_limit_stays(
    operator: Client, policy: Policy
) -> None:
    ADA.asks(0)
    url = f"{LIST}own/?scope=card:ic_ada&policy={policy.pk}&limit=tries"
    operator.post(url, {"how": "set", "amount": "5", "reason": "Event"})
    change = pages.change_url(policy)
    sent = as_shown(operator, change) | {f"{LIMITS}-0-attempts": "4"}
    assert operator.post(change, sent).status_code == 302
    assert policy.versions.count() == 2
    gone = operator.post(change, as_shown(operator, change) | {f"{LIMITS}-0-DELETE": "on"})
    assert "1 own amount sleeps" in str(errors(gone))
