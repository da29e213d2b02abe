"""Freezing and blocking as operators do it: by a page, with a reason, undone in one click."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from authorizations.models import (
    Card,
    CardGroup,
    Cardholder,
    Decision,
    Instruction,
    Lifting,
    Policy,
)
from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.services.policies import stops
from simulator.stripe.sample_merchants import MERCHANTS
from tests.admin import pages
from tests.support.desk import Shopper, in_force

pytestmark = pytest.mark.django_db

LIST = "/admin/authorizations/instruction/"
FREEZE, BLOCK = f"{LIST}freeze/", f"{LIST}block/"
ADA = Shopper(card_id="ic_ada", cardholder_id="ich_ada")
UBER = MERCHANTS[0]._replace(name="Uber *Trip", country="NL", network_id="1234567890")


@pytest.fixture(autouse=True)
def known() -> None:
    in_force(spending_limits=[{"amount": 100_000, "interval": "monthly"}])
    assert ADA.reason(100) == "approved"


def sent(client: Client, url: str, **fields: object) -> str:
    return client.post(url, fields, follow=True).content.decode()


def test_an_operator_freezes_a_cardholder_and_lifts_it_again(operator: Client) -> None:
    form = operator.get(f"{FREEZE}?cardholder=ich_ada").context["form"]
    assert (form["where"].value(), form["cardholder"].value()) == ("cardholder", "ich_ada")
    html = sent(operator, FREEZE, where="cardholder", cardholder="ich_ada", reason="Phone lost")
    assert "Frozen from the next purchase on." in html
    assert "Phone lost" in html
    assert ADA.reason(100) == "card_frozen"
    [row] = Instruction.objects.all()
    assert (row.scope, row.author_name, row.ends_at) == ("cardholder:ich_ada", "operations", None)

    card = operator.get(pages.change_url(Card.objects.get())).content.decode()
    assert "Everything is declined: All cards of the cardholder are frozen (operations" in card
    holder = operator.get("/admin/authorizations/cardholder/ich_ada/change/").content.decode()
    assert "All cards of the cardholder are frozen (operations: Phone lost)." in holder

    html = sent(operator, f"{LIST}{row.pk}/lift/", reason="Phone found")
    assert "Lifted: the policies decide again" in html
    assert "Nothing is in force beside the policies" in html
    assert ADA.reason(100) == "approved"
    again = sent(operator, f"{LIST}{row.pk}/lift/", reason="Twice")
    assert "Nothing to do: it was lifted already, or has ended." in again
    ended = operator.get(f"{LIST}?state=ended").content.decode()
    assert "Phone lost" in ended
    assert "Lifted" in ended
    page = operator.get(pages.change_url(row)).content.decode()
    assert "By operations: Phone found" in page


def test_a_merchant_is_blocked_from_the_decision_that_shows_it(operator: Client) -> None:
    ADA.asks(100, event_id="evt_uber", merchant=UBER)
    page = operator.get(pages.change_url(Decision.objects.get(pk="evt_uber"))).content.decode()
    link = f"{BLOCK}?network_id=1234567890&decision=evt_uber"
    assert link.replace("&", "&amp;") in page
    assert "1234567890" in operator.get(link).content.decode()
    fields = {"manner": "network_id", "merchant": "1234567890", "where": "program"}
    done = operator.post(link, fields | {"reason": "Fraud"}, follow=True)
    assert "Blocked from the next purchase on." in done.content.decode()
    assert done.redirect_chain == [(pages.change_url(Decision.objects.get(pk="evt_uber")), 302)]
    assert "Block: merchant network id 1234567890" in operator.get(LIST).content.decode()
    assert ADA.reason(100, merchant=UBER) == "blocked"
    assert ADA.reason(100) == "approved"
    decided = Decision.objects.filter(reason="blocked").get()
    explained = operator.get(pages.change_url(decided)).content.decode()
    assert "is blocked for every card (operations: Fraud)" in explained


def test_a_block_for_one_group_names_the_group(operator: Client) -> None:
    group = CardGroup.objects.create(name="Drivers")
    Card.objects.update(group=group)
    html = sent(operator, BLOCK, country="NL", where="group", group=group.pk, reason="Audit")
    assert "Block: country NL" in html
    assert "Drivers" in html
    assert ADA.reason(100, merchant=UBER) == "blocked"
    card = operator.get(pages.change_url(Card.objects.get())).content.decode()
    assert "Country NL is blocked for the card group (operations: Audit)." in card


@pytest.mark.parametrize(
    ("url", "fields", "sentence"),
    [
        (FREEZE, {"where": "cardholder"}, "Choose a cardholder."),
        (FREEZE, {"where": "program", "cardholder": "ich_ada"}, "not both"),
        (
            FREEZE,
            {"where": "card", "card": "ic_ada", "cardholder": "ich_ada"},
            "Leave this empty: you chose a card above.",
        ),
        (FREEZE, {}, "Choose what to freeze."),
        (FREEZE, {"where": "program", "reason": " "}, "Give a reason: others will ask why."),
        (FREEZE, {"where": "program", "until": "2020-01-01T00:00"}, "This time is past"),
        (FREEZE, {"where": "program", "until": "soon"}, "Choose a day and a time"),
        (FREEZE, {"where": "program", "until": "9999-12-31T00:00"}, "too far away"),
        (FREEZE, {"where": "program", "reason": "a\tb"}, "Leave out line breaks"),
        (FREEZE, {"where": "group", "group": "abc"}, "Select a valid choice."),
        (FREEZE, {"where": "card", "card": "\0"}, "Null characters are not allowed."),
        (BLOCK, {"where": "program"}, "Name a merchant, a category or a country: one of them."),
        (BLOCK, {"where": "program", "country": "NL", "category": "bakeries"}, "one of them."),
        (BLOCK, {"where": "program", "country": "ZZ"}, "Choose one of the list."),
        (BLOCK, {"where": "group", "country": "NL"}, "Choose a card group."),
        (
            BLOCK,
            {"where": "program", "manner": "network_id", "merchant": "Café"},
            "Copy the network id from a purchase",
        ),
        (
            BLOCK,
            {"where": "program", "manner": "network_id", "merchant": "Casino du Lac"},
            "“Casino du Lac” has no digits, unlike a network id: choose how the name is matched.",
        ),
    ],
)
def test_what_is_not_clear_is_asked_again_and_nothing_is_lost(
    operator: Client, url: str, fields: dict[str, str], sentence: str
) -> None:
    html = sent(operator, url, **{"reason": "Because it must be", "manner": "network_id"} | fields)
    assert sentence in html
    assert not Instruction.objects.exists()
    if fields.get("reason") is None:
        assert "Because it must be" in html


def test_an_end_is_typed_in_the_readers_time_and_holds_until_then(operator: Client) -> None:
    soon = (timezone.localtime() + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M")
    sent(operator, FREEZE, where="program", until=soon, reason="Audit")
    [row] = Instruction.objects.all()
    assert row.ends_at
    assert timezone.localtime(row.ends_at).strftime("%Y-%m-%dT%H:%M") == soon


def test_every_page_says_that_the_program_is_frozen_until_it_is_not(
    operator: Client, auditor: Client
) -> None:
    sent(operator, FREEZE, where="program", reason="Attack")
    for client, address in ((operator, "/admin/"), (auditor, "/admin/authorizations/policy/")):
        assert (
            "All cards of the program are frozen (operations: Attack)."
            in client.get(address).content.decode()
        )
    home = operator.get("/admin/").content.decode()
    assert "1 freeze in force." in home
    sent(operator, f"{LIST}{Instruction.objects.get().pk}/lift/", reason="Over")
    assert "are frozen" not in operator.get("/admin/").content.decode()


def test_auditors_see_what_is_in_force_and_change_nothing(
    operator: Client, auditor: Client
) -> None:
    sent(operator, FREEZE, where="program", reason="Attack")
    html = auditor.get(LIST).content.decode()
    assert "Attack" in html
    assert "Block a merchant" not in html
    lift = reverse("admin:authorizations_instruction_lift", args=[Instruction.objects.get().pk])
    for url in (FREEZE, BLOCK, lift):
        assert auditor.post(url, {"where": "program", "reason": "No"}).status_code == 403
    assert not Lifting.objects.exists()


def test_two_who_lift_at_once_lift_once(operator: Client, staff: Callable[[str], User]) -> None:
    colleague = staff("superuser")
    sent(operator, FREEZE, where="program", reason="Attack")
    [row] = Instruction.objects.all()
    Lifting.objects.create(
        instruction=row, author=colleague, lifted_at=timezone.now(), reason="First"
    )
    html = sent(operator, f"{LIST}{row.pk}/lift/", reason="Second")
    assert "it was lifted already" in html
    assert Lifting.objects.get().reason == "First"


@pytest.mark.parametrize("query", ["group=abc", "group=7", "card=ic_none", "cardholder=ich_none"])
def test_an_address_that_names_nobody_asks_for_one(operator: Client, query: str) -> None:
    assert operator.get(f"{FREEZE}?{query}").status_code == 200
    assigned = f"policy={Policy.objects.get().pk}&assigned=program:"
    assert operator.get(f"{LIST}exclude/?{assigned}&{query}").status_code == 200


def test_what_is_frozen_from_a_page_leads_back_to_it(operator: Client) -> None:
    holder = pages.change_url(Cardholder.objects.get())
    address = f"{FREEZE}?cardholder=ich_ada"
    assert f'href="{holder}"' in operator.get(address).content.decode()
    fields = {"where": "cardholder", "cardholder": "ich_ada", "reason": "On leave"}
    done = operator.post(address, fields, follow=True)
    assert done.redirect_chain == [(holder, 302)]
    assert "All cards of the cardholder are frozen (operations: On leave)." in pages.text(done)


def test_a_card_number_in_a_reason_is_masked(operator: Client) -> None:
    sent(operator, FREEZE, where="program", reason="Stolen 4242 4242 4242 4242")
    assert "4242 4242 4242" not in Instruction.objects.get().reason


def test_the_list_costs_the_same_for_one_row_and_for_many(
    operator: Client, staff: Callable[[str], User], django_assert_max_num_queries: Any
) -> None:
    author = staff("superuser")
    for number in range(12):
        group = CardGroup.objects.create(name=f"Team {number}")
        Cardholder.objects.create(pk=f"ich_{number}", name=f"Holder {number}")
        for kind, id_ in (
            (ScopeKind.GROUP, str(group.pk)),
            (ScopeKind.CARDHOLDER, f"ich_{number}"),
        ):
            stops.freeze(Scope(kind, id_), by=author, reason="Audit")
    operator.get(LIST)
    with django_assert_max_num_queries(11):
        html = operator.get(LIST).content.decode()
    assert html.count("Holder ") >= 12
    assert html.count("Team ") >= 12


EVERY_CARD = Scope(ScopeKind.PROGRAM, "")


def test_blocks_with_an_end_do_not_hide_from_the_banner_that_the_program_is_frozen(
    operator: Client,
) -> None:
    soon = timezone.now() + timedelta(hours=1)
    stops.freeze(EVERY_CARD, by=None, reason="Attack")
    for country in ("NL", "FR", "DE", "ES"):
        stops.block(EVERY_CARD, {"country": country}, by=None, reason="Trial", until=soon)
    assert "All cards of the program are frozen" in operator.get("/admin/").content.decode()


def test_home_counts_freezes_beside_however_many_blocks(operator: Client) -> None:
    stops.freeze(EVERY_CARD, by=None, reason="Attack")
    for number in range(101):
        stops.block(EVERY_CARD, {"country": "NL"}, by=None, reason=f"Trial {number}")
    html = operator.get("/admin/").content.decode()
    assert "99+ blocks in force" in html
    assert "1 freeze in force" in html


def test_who_may_not_lift_is_offered_no_link_to_it(operator: Client, auditor: Client) -> None:
    row = stops.freeze(EVERY_CARD, by=None, reason="Attack")
    for url in (LIST, pages.change_url(row)):
        assert "/lift/" in operator.get(url).content.decode()
        assert "/lift/" not in auditor.get(url).content.decode()
