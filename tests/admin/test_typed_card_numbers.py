"""A card number that staff type or paste anywhere is nowhere in the database afterwards."""

from collections.abc import Iterator

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from authorizations.models import (
    Authorization,
    Card,
    CardGroup,
    Cardholder,
    Decision,
    Finding,
    Policy,
    PolicyVersion,
    StandInSwitch,
)
from authorizations.rules.policy.document import normalize
from authorizations.services.policies import freeze
from tests.admin import pages
from tests.admin.conftest import Login
from tests.support.desk import Shopper, in_force
from tests.support.lifecycle import Told

pytestmark = pytest.mark.django_db

TYPED = "lost 4242-4242.4242 4242"
KEPT = "lost 4242-42**.**** 4242"
FORMS = ("4242424242424242", "4242-4242.4242 4242")


def everything() -> Iterator[str]:
    """Each table as text; only what Django keeps of sessions is scrambled anyway."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t")  # noqa: S608
            yield f"{table}: {cursor.fetchone()[0]}"


@pytest.fixture(autouse=True)
def number_is_nowhere() -> Iterator[None]:
    yield
    for table in everything():
        assert not any(form in table for form in FORMS), table


@pytest.fixture
def purchase() -> Authorization:
    in_force(spending_limits=[{"amount": 50_000, "interval": "monthly"}])
    Shopper().asks(10_000)
    return Authorization.objects.get()


def test_in_reasons_for_freezing(operator: Client, purchase: Authorization) -> None:
    card = Card.objects.get()
    url = pages.change_url(card).replace("change", "freeze")
    operator.post(url, {"reason": TYPED})
    card.refresh_from_db()
    assert (card.frozen, card.frozen_reason) == (True, KEPT)
    freeze.unfreeze([card.pk], by=User.objects.get(), reason=TYPED)


@pytest.mark.parametrize(
    ("action", "typed"), [("release", {}), ("adjust", {"amount": "1.00", "direction": "take"})]
)
def test_in_reasons_for_what_is_booked_by_hand(
    operator: Client, purchase: Authorization, action: str, typed: dict[str, str]
) -> None:
    url = reverse(f"admin:authorizations_authorization_{action}", args=[quote(purchase.pk)])
    sent = operator.get(url).context["form"].initial | typed | {"reason": TYPED}
    operator.post(url, sent)
    entry = purchase.ledger.first()
    assert entry
    assert entry.reason == KEPT


def test_in_a_policys_name_and_in_the_reason_for_saving_it(operator: Client) -> None:
    policy = in_force(spending_limits=[{"amount": 50_000, "interval": "monthly"}])
    url = pages.change_url(policy)
    sent = pages.as_shown(operator, url) | {"name": TYPED, "reason": TYPED}
    operator.post(url, sent)
    assert Policy.objects.get().name == KEPT
    version = PolicyVersion.objects.latest("pk")
    assert (version.number, version.reason) == (2, KEPT)
    assert KEPT in version.content


def test_in_the_merchants_of_a_policy_but_for_network_ids() -> None:
    written = [{"contains": TYPED}, {"is": TYPED}, TYPED, {"network_id": "4242424242424241"}]
    found = normalize({"name": "Test", "blocked_merchants": written})["blocked_merchants"]
    kept = [{"network_id": "4242424242424241"}, {"is": KEPT}, {"contains": KEPT}, KEPT]
    assert sorted(map(str, found)) == sorted(map(str, kept))


def test_in_names_and_descriptions(operator: Client, login: Login) -> None:
    operator.post(pages.add_url(CardGroup), {"name": TYPED, "description": TYPED})
    group = CardGroup.objects.get()
    assert (group.name, group.description) == (KEPT, KEPT)
    operator.post(pages.add_url(Cardholder), {"id": "ich_9", "name": TYPED})
    assert Cardholder.objects.get().name == KEPT
    Cardholder.objects.update(name=TYPED)
    Cardholder.objects.bulk_create([Cardholder(id="ich_10", name=TYPED)])
    assert {holder.name for holder in Cardholder.objects.all()} == {KEPT}
    user = User.objects.get()
    url = pages.change_url(user)
    boss = login("superuser")
    boss.post(url, pages.as_shown(boss, url) | {"first_name": TYPED, "last_name": TYPED})
    user.refresh_from_db()
    assert (user.first_name, user.last_name) == (KEPT, KEPT)


def test_in_what_was_done_about_a_finding(operator: Client) -> None:
    in_force(spending_limits=[{"amount": 50_000, "interval": "monthly"}])
    told = Told(5_000)
    told.asks()
    told.captures(9_000)
    finding = Finding.objects.get()
    operator.post(reverse("admin:authorizations_finding_see"), {"id": finding.pk, "note": TYPED})
    assert finding.changes.get(what="seen").note == KEPT


def test_in_the_reason_for_switching_stand_in(operator: Client) -> None:
    operator.post(f"{pages.list_url(StandInSwitch)}switch/", {"on": "on", "reason": TYPED})
    assert StandInSwitch.objects.get().reason == KEPT


def test_in_what_an_export_was_searched_for(auditor: Client, purchase: Authorization) -> None:
    url = f"{pages.list_url(Decision)}export/"
    answer = auditor.post(url, {"format": "csv"}, query_params={"q": "4242424242424242"})
    assert answer.status_code == 200
