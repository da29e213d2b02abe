"""The first page: figures that lead to what was counted, and words where there is none."""

import re
import time
from datetime import datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from authorizations.admin.home.cards import FigureCard
from authorizations.models import Authorization, Decision, Policy
from authorizations.models import Card as CardRow
from authorizations.wire.endpoints import listen_command
from authorizations.wire.signature import sign
from simulator.stripe.sample_merchants import MERCHANTS
from simulator.stripe.samples import to_bytes
from tests.admin import pages
from tests.admin.conftest import Login
from tests.support.damage import damage
from tests.support.desk import Shopper, deliver, deliver_forged, in_force

pytestmark = pytest.mark.django_db

HOME = "/admin/"
CASINO = next(merchant for merchant in MERCHANTS if merchant.category == "betting_casino_gambling")


@pytest.fixture
def policy() -> Policy:
    limit = {"amount": 300_000, "interval": "monthly", "currency": "eur"}
    return in_force(
        blocked_categories=["betting_casino_gambling"],
        partial_approval=True,
        spending_limits=[limit, limit | {"amount": 90_000, "currency": "jpy"}],
    )


@pytest.fixture
def purchases(policy: Policy) -> None:
    """Today: three approved and one declined in euro, one approved in yen.

    The third gets what is left of the limit: 48,950 cents.
    """
    for amount in (1_000, 250_050, 60_000):
        Shopper().asks(amount, is_amount_controllable=True)
    Shopper().asks(7_000, merchant=CASINO)
    Shopper(card_id="ic_jpy", card={"currency": "jpy"}).asks(5_000, currency="jpy")


def page(client: Client, url: str = HOME) -> Any:
    response = client.get(url)
    assert response.status_code == 200
    return response


def cards(response: Any) -> dict[str, FigureCard]:
    return {card.title: card for card in response.context["cards"]}


def listed(client: Client, url: str) -> int:
    """How many decisions a link leads to."""
    return len(client.get(url).context["cl"].result_list)


def asked(url: str) -> dict[str, str]:
    """What a link asks of the list."""
    parts = urlsplit(url)
    assert parts.path == "/admin/authorizations/decision/"
    return {name: value for name, [value] in parse_qs(parts.query).items()}


def test_figures_are_of_today_and_money_of_the_most_used_currency(
    purchases: None, operator: Client
) -> None:
    shown = cards(page(operator))
    assert shown["Decisions"].figure == "5"
    assert [note.text for note in shown["Decisions"].notes] == ["4 approved", "1 declined"]
    assert shown["Decline rate"].figure == "20.0%"
    assert shown["Approved in EUR"].figure == "€3,000.00"
    assert shown["Declined in EUR"].figure == "€70.00"
    assert [note.text for note in shown["Approved in EUR"].notes] == ["¥5,000"]
    assert re.fullmatch(r"about [\d.]+ ms", shown["Decision time"].figure)


def test_another_currency_can_be_chosen(purchases: None, auditor: Client) -> None:
    [note] = cards(page(auditor))["Approved in EUR"].notes
    shown = page(auditor, note.url)
    assert cards(shown)["Approved in JPY"].figure == "¥5,000"
    titles = [chart.title for chart in shown.context["charts"]]
    assert titles == ["Decisions by hour", "Money by hour, in JPY"]
    assert "Approved in EUR" in cards(page(auditor, f"{HOME}?currency=xyz"))


def test_every_figure_leads_to_the_decisions_it_counts(purchases: None, operator: Client) -> None:
    shown = cards(page(operator))
    assert listed(operator, shown["Decisions"].url) == 5
    approved, declined = shown["Decisions"].notes
    assert (listed(operator, approved.url), listed(operator, declined.url)) == (4, 1)
    assert listed(operator, shown["Decline rate"].url) == 1
    assert listed(operator, shown["Approved in EUR"].url) == 3
    assert listed(operator, shown["Declined in EUR"].url) == 1


def test_every_bar_leads_to_the_decisions_it_counts(purchases: None, operator: Client) -> None:
    reasons, categories, countries = page(operator).context["rankings"]
    [reason], [category], [country] = reasons.bars, categories.bars, countries.bars
    assert (reason.text, reason.figure) == ("Merchant category not allowed", "1")
    assert asked(reason.url)["reason"] == "category_not_allowed"
    assert (category.text, category.figure) == ("Bakeries", "€3,000.00")
    assert asked(category.url)["category"] == "bakeries"
    assert (country.text, country.share) == ("France", "100%")
    assert asked(country.url)["country"] == "FR"
    assert [listed(operator, bar.url) for bar in (reason, category, country)] == [1, 3, 3]


def test_what_stripe_did_not_tell_is_shown_but_leads_nowhere(
    policy: Policy, operator: Client
) -> None:
    Shopper().asks(500, merchant=MERCHANTS[0]._replace(category="", mcc="", country=""))
    _, categories, countries = page(operator).context["rankings"]
    for ranking in (categories, countries):
        [bar] = ranking.bars
        assert (bar.text, bar.figure, bar.url) == ("Unknown", "€5.00", "")


def test_every_column_leads_to_its_hour(purchases: None, operator: Client) -> None:
    counts, money = page(operator).context["charts"]
    [column], [of_money] = counts.filled, money.filled
    stack = column.stack
    assert (stack.approved, stack.declined) == (4, 1)
    assert (of_money.approved, of_money.declined) == ("€3,000.00", "€70.00")
    now = timezone.localtime()
    assert asked(stack.url) == {"hour": f"{now:%Y-%m-%dT%H}:00"}
    urls = (stack.url, stack.approved_url, stack.declined_url, of_money.stack.approved_url)
    assert [listed(operator, url) for url in urls] == [5, 4, 1, 3]


def test_days_lead_to_their_day(purchases: None, operator: Client) -> None:
    row = Decision.objects.first()
    assert row
    damage(row, decided_at=timezone.now() - timedelta(days=3))
    counts, _ = page(operator, f"{HOME}?period=7d").context["charts"]
    assert len(counts.columns) == 7
    earlier, today = counts.filled
    day = str(timezone.localdate() - timedelta(days=3))
    assert asked(earlier.stack.url) == {"from": day, "to": day}
    assert [listed(operator, it.stack.url) for it in (earlier, today)] == [1, 4]
    assert len(page(operator, f"{HOME}?period=30d").context["charts"][0].columns) == 30


def test_the_hour_that_comes_twice_is_told_apart(purchases: None, operator: Client) -> None:
    operator.cookies["desk_time_zone"] = "Europe/Paris"
    # 02:30 in summer and in winter time.
    before, after = (datetime.fromisoformat(f"2026-10-25T0{hour}:30+00:00") for hour in (0, 1))
    with pytest.MonkeyPatch.context() as patch:
        first, second, *others = Decision.objects.all()
        damage(first, decided_at=before)
        for row in (second, *others):
            damage(row, decided_at=after)
        patch.setattr(timezone, "now", lambda: after)
        counts, _ = page(operator).context["charts"]
        assert len(counts.columns) == 25
        summer, winter = counts.filled
        assert (summer.stack.name, winter.stack.name) == (
            "02:00 to 02:00 CEST",
            "02:00 to 03:00 CET",
        )
        assert [listed(operator, it.stack.url) for it in (summer, winter)] == [1, 4]


def test_the_page_is_in_the_zone_of_its_reader(purchases: None, operator: Client) -> None:
    at = datetime.fromisoformat("2026-11-18T20:00+00:00")
    for row in Decision.objects.all():
        damage(row, decided_at=at)
    operator.cookies["desk_time_zone"] = "Asia/Kathmandu"  # 01:45 of the next day
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timezone, "now", lambda: at)
        shown = page(operator)
    assert "Thursday 19 November 2026" in shown.content.decode()
    [column] = shown.context["charts"][0].filled
    assert asked(column.stack.url) == {"hour": "2026-11-19T01:00"}


@pytest.mark.parametrize(
    ("days", "period", "words"), [(2, "7d", "the last 7 days"), (20, "30d", "the last 30 days")]
)
def test_the_page_opens_on_the_shortest_period_that_has_decisions_and_says_so(
    purchases: None, operator: Client, days: int, period: str, words: str
) -> None:
    for row in Decision.objects.all():
        damage(row, decided_at=timezone.now() - timedelta(days=days))
    shown = page(operator)
    text = " ".join(shown.content.decode().split())
    assert f"No decisions today yet, so these are {words}." in text
    assert shown.context["shown"].period.length == period
    assert cards(shown)["Decisions"].figure == "5"
    told = " ".join(page(operator, f"{HOME}?period={period}").content.decode().split())
    assert "No decisions today yet" not in told  # asked for, it needs no reason


def test_decisions_of_today_are_what_the_page_opens_on(purchases: None, operator: Client) -> None:
    shown = page(operator)
    assert shown.context["shown"].period.length == "today"
    assert "No decisions today" not in shown.content.decode()


def test_where_all_decisions_are_older_the_page_leads_to_the_latest(
    purchases: None, operator: Client
) -> None:
    for row in Decision.objects.all():
        damage(row, decided_at=timezone.now() - timedelta(days=40))
    shown = page(operator)
    assert "No decisions today" in shown.content.decode()
    assert shown.context["shown"].period.length == "today"


def test_a_day_without_decisions_leads_to_the_latest(purchases: None, operator: Client) -> None:
    for row in Decision.objects.all():
        damage(row, decided_at=timezone.now() - timedelta(days=2))
    shown = page(operator, f"{HOME}?period=today")
    text = shown.content.decode()
    assert "No decisions today" in text
    assert "desk-chart" not in text
    assert shown.context["shown"].week() == f"{HOME}?period=7d"


def test_before_the_first_decision_the_page_says_how_to_get_one(operator: Client) -> None:
    text = page(operator).content.decode()
    assert listen_command() in text
    assert "manage.py simulate" in text
    assert "Every purchase will be declined" in text
    in_force()
    assert "Every purchase will be declined" not in page(operator).content.decode()


def test_before_the_first_decision_cards_without_a_grant_are_told_already(
    operator: Client,
) -> None:
    CardRow.objects.create(id="ic_new")
    text = page(operator).content.decode()
    assert "1 card without a grant" in text
    assert listen_command() in text
    in_force()
    assert "without a grant" not in page(operator).content.decode()


def test_who_may_not_see_decisions_is_told_so_and_what_they_can_open(
    purchases: None, login: Login
) -> None:
    nobody = login("")
    text = page(nobody).content.decode()
    assert "€" not in text
    assert "Ask an administrator" in text
    user = User.objects.get(username="nobody")
    user.user_permissions.add(Permission.objects.get(codename="view_card"))
    text = page(nobody).content.decode()
    assert "Ask an administrator" not in text
    assert 'href="/admin/authorizations/card/"' in text


def test_what_needs_attention_is_said_with_the_page_to_go_to(
    purchases: None, policy: Policy, operator: Client
) -> None:
    Authorization.objects.update(created=timezone.now())  # else they end up on the page one day
    assert page(operator).context["attention"] == []
    policy.assignments.all().delete()
    Shopper().asks(100)
    for _ in range(2):
        deliver_forged(b"{}")
    ungranted, declined, rejected, unassigned = page(operator).context["attention"]
    assert ungranted.what == "2 cards without a grant"
    assert ungranted.url == "/admin/authorizations/card/?grant=without"
    listed = operator.get(ungranted.url).context["cl"].result_list
    assert {card.pk for card in listed} == {"ic_1", "ic_jpy"}
    assert declined.what == "1 purchase declined"
    assert asked(declined.url)["reason"] == "no_policy"
    assert rejected.what == "2 messages refused"
    assert rejected.url == "/admin/authorizations/rejectedrequest/"
    assert unassigned.what == "Test"
    assert unassigned.url == f"/admin/authorizations/policy/{policy.pk}/change/"


def test_a_field_that_could_not_be_read_needs_attention(
    purchases: None, policy: Policy, operator: Client
) -> None:
    event = Shopper().event(Shopper().purchase(100))
    event["data"]["object"]["merchant_data"]["category_code"] = 7995
    deliver(event)
    [item] = [it for it in page(operator).context["attention"] if "declined" in it.what]
    assert item.what == "1 purchase declined"
    assert item.more.startswith("A field that a policy checks could not be read")
    assert asked(item.url)["reason"] == "field_unreadable"
    row = Decision.objects.get(reason="field_unreadable")
    text = pages.text(operator.get(pages.change_url(row)))
    assert "Not readable merchant category code" in text
    assert "The merchant category code arrived in an unreadable form" in text


def test_a_clock_that_lags_is_said_once_whoever_may_see_requests(
    purchases: None, operator: Client, login: Login, settings: Any
) -> None:
    shopper = Shopper()
    body = to_bytes(shopper.event(shopper.purchase(100)))
    signed = sign(body, settings.STRIPE_WEBHOOK_SECRETS[0], int(time.time()) + 90)
    deliver(body, **{"Stripe-Signature": signed})
    [item] = [it for it in page(operator).context["attention"] if "Clock" in it.what]
    assert item.what in ("Clock 89 seconds behind", "Clock 88 seconds behind")
    assert item.url == "/admin/authorizations/webhookrequest/"
    assert not [it for it in page(login("")).context.get("attention", []) if "Clock" in it.what]


def test_test_requests_of_connected_accounts_are_no_work_at_a_live_desk(
    purchases: None, policy: Policy, operator: Client, settings: Any
) -> None:
    settings.STRIPE_LIVEMODE = True
    for number in range(2):
        event = Shopper().event(Shopper().purchase(100))
        deliver(event | {"account": f"acct_{number}"})
    assert not [it for it in page(operator).context["attention"] if "mode" in it.more]
    Shopper().asks(100)  # of this very account: some webhook points to the wrong desk
    shown = page(operator).context
    [item] = [it for it in shown["attention"] if "mode" in it.more]
    assert item.what == "1 purchase declined"
    assert asked(item.url)["reason"] == "wrong_mode"
    [rate] = [card.figure for card in shown["cards"] if card.title == "Decline rate"]
    assert rate.startswith("20")
    assert [bar.figure for bar in shown["rankings"][0].bars] == ["1"]


def test_what_one_may_not_see_needs_none_of_ones_attention(
    purchases: None, policy: Policy, login: Login
) -> None:
    policy.assignments.all().delete()
    deliver_forged(b"{}")
    client = login("")
    user = User.objects.get(username="nobody")
    user.user_permissions.add(Permission.objects.get(codename="view_decision"))
    shown = page(client)
    assert shown.context["state"] == "figures"
    assert shown.context["attention"] == []


def test_the_chart_is_also_a_table_for_whoever_cannot_see_it(
    purchases: None, operator: Client
) -> None:
    text = unescape(page(operator).content.decode())
    tables = re.findall(r"<table.*?</table>", text, re.DOTALL)
    assert len(tables) == 2
    assert "€3,000.00" in tables[1]
    # Pictures are passed over by keyboards and screen readers.
    drawn = re.findall(
        r'<div class="desk-chart" aria-hidden="true">.*?</svg>\s*</div>', text, re.DOTALL
    )
    assert len(drawn) == 2
    for picture in drawn:
        assert picture.count("<a ") == picture.count('tabindex="-1"') > 24


def test_it_takes_few_statements_however_much_there_is(purchases: None, operator: Client) -> None:
    for period in ("today", "30d"):
        with CaptureQueriesContext(connection) as queries:
            page(operator, f"{HOME}?period={period}")
        assert len(queries) <= 23  # five of them to count cards for a second at most
