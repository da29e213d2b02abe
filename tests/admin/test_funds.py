"""Funds as operators give them: beside the bar, with a reference, listed for ever."""

import time
from html import unescape

import pytest
from django.test import Client
from django.utils.http import urlencode

from authorizations.models import Card, CardGroup, FundEntry, Policy, PotSum
from tests.admin import pages
from tests.support.desk import Shopper, in_force, says

pytestmark = pytest.mark.django_db

LIST = "/admin/authorizations/fundentry/"
ADA = Shopper(card_id="ic_ada", cardholder_id="ich_ada", at=int(time.time()) + 86_400)
LIMITS = [{"key": "pot", "funds": True}]


@pytest.fixture
def policy() -> Policy:
    found = in_force("Team", unlimited=False, spending_limits=LIMITS)
    assert ADA.reason(100) == "funds_exceeded"
    return found


def enter_url(policy: Policy, scope: str = "card:ic_ada", limit: str = "pot") -> str:
    query = urlencode([("scope", scope), ("policy", str(policy.pk)), ("limit", limit)])
    return f"{LIST}enter/?{query}"


def card_page(client: Client) -> str:
    return unescape(client.get(pages.change_url(Card.objects.get())).content.decode())


def typed(amount: str, **other: str) -> dict[str, str]:
    return {"how": "add", "amount": amount, "reference": "PO-17", "reason": "Week 49"} | other


def test_an_operator_adds_money_beside_the_bar_and_takes_some_out(
    operator: Client, policy: Policy
) -> None:
    page = card_page(operator)
    assert enter_url(policy) in page
    assert "Add or take money" in page
    declines = operator.get("/admin/authorizations/decision/").content.decode()
    assert 'desk-badge--partial">Not enough funds' in declines
    assert "nothing left of €0.00 added" in page
    answer = operator.post(enter_url(policy), typed("2,000.00"), follow=True)
    assert "€2,000.00 added, from the next purchase on." in unescape(answer.content.decode())
    assert ADA.reason(158_790) == "approved"
    page = card_page(operator)
    assert "Funds of €2,000.00" in page
    assert "€412.10 left of €2,000.00 added" in page
    answer = operator.post(enter_url(policy), typed("412.11", how="take", reference="PO-18"))
    assert "Only €412.10 is left: take that or less." in unescape(answer.content.decode())
    operator.post(enter_url(policy), typed("412.10", how="take", reference="PO-18"))
    assert "nothing left of €1,587.90 added" in card_page(operator)

    listed = unescape(operator.get(LIST).content.decode())
    for words in ("+€2,000.00", "\N{MINUS SIGN}€412.10", "PO-17", "PO-18", "Week 49", "Team"):
        assert words in listed
    entry = FundEntry.objects.earliest("pk")
    shown = unescape(operator.get(f"{LIST}{entry.pk}/change/").content.decode())
    assert "+€2,000.00" in shown
    assert "200000" not in shown


def test_what_is_typed_wrong_says_so_and_enters_nothing(operator: Client, policy: Policy) -> None:
    for wrong, sentence in [
        (typed(""), "Give an amount."),
        (typed("-5"), "Amounts can't be negative"),
        (typed("0"), "not 0"),
        (typed("five"), "amount"),
        (typed("5", reference=""), "Give a reference, such as an order's number."),
        (typed("5", reason=""), "Give a reason: others will ask why."),
    ]:
        answer = operator.post(enter_url(policy), wrong)
        assert answer.status_code == 200
        assert sentence in unescape(answer.content.decode())
    operator.post(enter_url(policy), typed("5"))
    twice = operator.post(enter_url(policy), typed("5"))
    assert "These funds have an entry 'PO-17' already" in unescape(twice.content.decode())
    assert PotSum.objects.get().amount == 500


def test_the_pot_of_a_group_or_of_its_member_is_filled_from_the_page_of_a_card(
    operator: Client, policy: Policy
) -> None:
    group = CardGroup.objects.create(name="Drivers")
    Card.objects.update(group=group)
    in_force("Shared", spending_limits=LIMITS, to={"group": group})
    to = {"group": group, "each": "cardholder"}
    own = in_force("Own", spending_limits=LIMITS, to=to)
    member = f"member:{group.pk}:ich_ada"
    page = card_page(operator)
    assert enter_url(own, member) in page
    assert enter_url(Policy.objects.get(name="Shared"), f"group:{group.pk}") in page
    asked = unescape(operator.get(enter_url(own, member)).content.decode())
    assert "For Ada Lovelace in Drivers, by policy Own" in asked
    operator.post(enter_url(own, member), typed("5"))
    assert PotSum.objects.get().scope == member
    listed = unescape(operator.get(LIST).content.decode())
    assert "Ada Lovelace</a> in <a" in listed
    query = enter_url(own, member).partition("?")[2]
    assert operator.get(f"/admin/authorizations/instruction/own/?{query}").status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "monthly"},
        {"scope": "card:ic_nobody"},
        {"scope": "program:"},
        {"scope": "nothing"},
    ],
)
def test_an_address_that_names_nothing_is_not_found(
    operator: Client, policy: Policy, query: dict[str, str]
) -> None:
    assert operator.get(enter_url(policy, **query)).status_code == 404


@pytest.mark.parametrize(
    ("currency", "sentences"),
    [
        ("jpy", ["In JPY.", "Such as ¥1,250"]),
        ("kwd", ["In KWD.", "Such as KWD 1,250.000"]),
    ],
)
def test_the_page_says_in_which_currency_an_amount_is(
    operator: Client, currency: str, sentences: list[str]
) -> None:
    amount = {"key": "most", "amount": 5_000, "interval": "monthly"}
    policy = in_force("Team", currency=currency, spending_limits=[*LIMITS, amount])
    ADA.asks(0)
    query = enter_url(policy, limit="most").partition("?")[2]
    for url in (enter_url(policy), f"/admin/authorizations/instruction/own/?{query}"):
        page = unescape(operator.get(url).content.decode())
        assert [one for one in sentences if one not in page] == []
    refused = operator.post(enter_url(policy), typed("1.2345"))
    assert "decimals" in unescape(refused.content.decode())
    operator.post(enter_url(policy), typed("1,250"))
    assert FundEntry.objects.get().amount == {"jpy": 1_250, "kwd": 1_250_000}[currency]


def test_auditors_read_funds_and_enter_none(auditor: Client, policy: Policy) -> None:
    assert "Add or take money" not in card_page(auditor)
    assert auditor.get(enter_url(policy)).status_code == 403
    assert auditor.get(LIST).status_code == 200


def test_a_pot_has_no_own_amount_and_a_limit_no_funds(operator: Client, policy: Policy) -> None:
    query = enter_url(policy).partition("?")[2]
    own = operator.post(
        f"/admin/authorizations/instruction/own/?{query}",
        {"how": "set", "amount": "5", "reason": "x"},
    )
    assert "add money to them" in unescape(own.content.decode())


def test_the_policys_page_offers_funds_as_a_period(operator: Client, policy: Policy) -> None:
    url = pages.change_url(policy)
    html = operator.get(url).content.decode()
    assert "Funds, which are added by hand" in html
    assert 'name="spending_limits-0-key" value="pot"' in html
    sent = pages.as_shown(operator, url)
    assert sent["spending_limits-0-interval"] == "funds"
    operator.post(url, sent | {"partial_approval": "on"}, follow=True)
    assert says(policy)["partial_approval"] is True
    [limit] = says(policy)["spending_limits"]
    assert (limit["key"], limit["funds"]) == ("pot", True)


def test_a_limits_written_key_stays_when_its_policy_is_saved_on_the_page(operator: Client) -> None:
    policy = in_force(
        "Keyed", spending_limits=[{"key": "trips", "amount": 5_000, "interval": "monthly"}]
    )
    url = pages.change_url(policy)
    html = operator.get(url).content.decode()
    assert 'name="spending_limits-0-key" value="trips"' in html
    sent = pages.as_shown(operator, url)
    operator.post(url, sent | {"spending_limits-0-amount": "60.00"}, follow=True)
    [limit] = says(policy)["spending_limits"]
    assert (limit["key"], limit["amount"]) == ("trips", 6_000)
