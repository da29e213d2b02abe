"""Every search box finds names however they are typed, and however the network writes them."""

from random import Random
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.test import Client

from authorizations.models import (
    Authorization,
    Card,
    CardGroup,
    Cardholder,
    Decision,
    DigestMark,
    Finding,
    HistoryEntry,
    MerchantName,
    Policy,
    PolicyVersion,
    Transaction,
)
from authorizations.services.digest import statements, update
from simulator.stripe.sample_merchants import MERCHANTS
from simulator.stripe.sample_transactions import force_capture
from tests.admin import pages
from tests.admin.conftest import Login, make_staff
from tests.support.desk import NOON, Shopper, deliver, in_force
from tests.support.lifecycle import Told, card_of

pytestmark = pytest.mark.django_db

SHOP = MERCHANTS[0]._replace(name="CAFE  LUMIÈRE*12")
HERS = ("Inès", "INES  Mor", "moreau")
ITS = ("Café Lumière", "cafe lumiere", "LUMIE\N{COMBINING GRAVE ACCENT}RE*12")


@pytest.fixture(scope="module", autouse=True)
def _shopped(one_transaction: None) -> None:
    """Inès pays more at the café than was approved; so does somebody else somewhere else."""
    in_force("Déjeuners d\N{RIGHT SINGLE QUOTATION MARK}affaires", spending_limits=[])
    CardGroup.objects.create(name="Équipe Øst")
    for shopper, shop in (
        (Shopper(name="Inès Moreau"), SHOP),
        (Shopper(name="Bo", card_id="ic_2", cardholder_id="ich_2"), MERCHANTS[1]),
    ):
        told = Told(1_000, shopper, merchant=shop)
        told.buys()
        told.captures(5_000)


@pytest.fixture(scope="module")
def operators_session(one_transaction: None) -> str:
    client = Client()
    client.force_login(make_staff("Operations"))
    return client.cookies["sessionid"].value


@pytest.fixture
def operator(operators_session: str) -> Client:
    client = Client()
    client.cookies["sessionid"] = operators_session
    return client


def rows(client: Client, model: type[Model], term: str) -> list[Any]:
    """What is found; how a list shows it, others ask."""
    response = pages.unrendered(client, pages.list_url(model), {"q": term})
    return list(response.context_data["cl"].result_list)


def digested() -> None:
    """As the digest's own process does it, which does nothing within a test's transaction."""
    last = update.last_drawn()
    update.add((statements.NAMES, statements.LISTED), 0, last)
    DigestMark.objects.update_or_create(pk=1, defaults={"digested": last})


@pytest.mark.parametrize("is_digested", [False, True])
@pytest.mark.parametrize("term", [*HERS, *ITS])
@pytest.mark.parametrize("model", [Decision, Authorization, Transaction, Finding])
def test_purchases_are_found_by_who_paid_and_where(
    operator: Client, model: type[Model], term: str, is_digested: bool
) -> None:
    if is_digested:
        digested()
    found = rows(operator, model, term)
    assert found
    assert {row.card_id for row in found} == {"ic_1"}


def test_the_digest_has_the_names_of_purchases_and_transactions_without_a_decision() -> None:
    chance = Random(1)
    deliver(
        force_capture(card_of(Shopper()), amount=700, at=NOON, chance=chance, merchant=MERCHANTS[2])
    )
    digested()
    names = set(MerchantName.objects.values_list("name", flat=True))
    assert names == {shop.name for shop in (SHOP, MERCHANTS[1], MERCHANTS[2])}


@pytest.mark.parametrize(
    ("model", "term"),
    [
        *((Card, term) for term in HERS),
        *((Cardholder, term) for term in HERS),
        (Policy, "dejeuners D'AFFAIRES"),
        (PolicyVersion, "dejeuners D'AFFAIRES"),
        (CardGroup, "equipe ost"),
        (HistoryEntry, "dejeuners"),
        (HistoryEntry, "ÉQUIPE"),
    ],
)
def test_people_policies_and_groups_are_found_by_their_folded_names(
    operator: Client, model: type[Model], term: str
) -> None:
    found = rows(operator, model, term)
    assert len(found) in ({1, 2, 3} if model is HistoryEntry else {1})


@pytest.mark.parametrize("term", ["Trésorerie", "tresorerie", "TRESO"])
def test_roles_are_found_by_their_folded_names(login: Login, term: str) -> None:
    Group.objects.create(name="Trésorerie")
    assert [str(row) for row in rows(login("superuser"), Group, term)] == ["Trésorerie"]


@pytest.mark.parametrize("term", ["zoe", "LØVE", "Zoé"])
def test_colleagues_are_found_by_their_folded_names(login: Login, term: str) -> None:
    User.objects.create(username="z", first_name="Zoë", last_name="Løve")
    assert [user.username for user in rows(login("superuser"), User, term)] == ["z"]


@pytest.mark.parametrize("term", ["\N{ACUTE ACCENT}", "%", "_", "zzz"])
@pytest.mark.parametrize("model", [Card, Cardholder, Policy, Authorization, Transaction, Decision])
def test_a_term_that_is_in_no_name_finds_nothing(
    operator: Client, model: type[Model], term: str
) -> None:
    digested()
    assert rows(operator, model, term) == []
