"""A policy is copied, and one is assigned from the page of a card."""

import pytest
from django.test import Client

from authorizations.admin.policies.duplicating import DuplicateForm
from authorizations.models import Assignment, Card, Policy
from tests.admin import pages
from tests.support.desk import Shopper, in_force, says

pytestmark = pytest.mark.django_db

LIMITS = [{"amount": 50_000, "interval": "monthly"}, {"count": 5, "interval": "daily"}]


@pytest.fixture
def policy() -> Policy:
    return in_force("Travel", spending_limits=LIMITS, blocked_merchant_countries=["KP"])


def test_a_copy_has_the_limits_and_rules_and_is_assigned_to_nobody(
    operator: Client, policy: Policy
) -> None:
    page = operator.get(pages.change_url(policy)).content.decode()
    url = f"/admin/authorizations/policy/{policy.pk}/duplicate/"
    assert url in page
    assert operator.get(url).context["form"]["name"].value() == "Copy of Travel"
    answer = operator.post(url, {"name": "Travel abroad"}, follow=True)
    copy = Policy.objects.get(name="Travel abroad")
    assert "Copied. It applies to no card until you assign it." in answer.content.decode()
    assert answer.redirect_chain[-1][0] == pages.change_url(copy)
    assert says(copy) == says(policy) | {"name": "Travel abroad"}
    assert not copy.assignments.exists()
    assert copy.versions.get().reason == "Copy of Travel, version 1"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("Travel", "Another policy has this name"), (" ", "Give the policy a name.")],
)
def test_a_copy_needs_a_name_of_its_own(
    operator: Client, policy: Policy, name: str, sentence: str
) -> None:
    url = f"/admin/authorizations/policy/{policy.pk}/duplicate/"
    assert sentence in operator.post(url, {"name": name}).content.decode()
    assert Policy.objects.count() == 1


def test_a_policy_is_assigned_from_the_page_of_a_card_after_asking(
    operator: Client, policy: Policy
) -> None:
    Assignment.objects.all().delete()
    shopper = Shopper(card_id="ic_ada", cardholder_id="ich_ada")
    assert shopper.reason(100) == "no_policy"
    card = Card.objects.get()
    url = "/admin/authorizations/policy/assign/?card=ic_ada"
    assert url in operator.get(pages.change_url(card)).content.decode()
    asked = operator.post(url, {"policy": policy.pk}).content.decode()
    assert "Not saved yet" in asked
    assert not Assignment.objects.exists()
    answer = operator.post(url, {"policy": policy.pk, "lets_spend": "1"}, follow=True)
    assert answer.redirect_chain[-1][0] == pages.change_url(card)
    assert Assignment.objects.get().scope == "card:ic_ada"
    assert shopper.reason(100) == "approved"


def test_what_is_copied_without_a_version_is_named(operator: Client) -> None:
    empty = Policy.objects.create(name="Empty")
    operator.post(f"/admin/authorizations/policy/{empty.pk}/duplicate/", {"name": "Full"})
    assert Policy.objects.get(name="Full").versions.get().reason == "Copy of Empty"


@pytest.mark.parametrize("key", ["abc", "\0"])
def test_what_cannot_be_a_key_is_no_choice(operator: Client, policy: Policy, key: str) -> None:
    Shopper(card_id="ic_ada", cardholder_id="ich_ada").asks(100)
    url = "/admin/authorizations/policy/assign/?card=ic_ada"
    answer = operator.post(url, {"policy": key})
    assert "policy" in answer.context["form"].errors
    url = f"/admin/authorizations/policy/{policy.pk}/assign/"
    answer = operator.post(url, {"groups": key, "cards": "\0"})
    assert {"groups", "cards"} <= answer.context["form"].errors.keys()
    assert Assignment.objects.count() == 1


def test_no_policy_is_assigned_to_a_card_that_is_not_there(operator: Client) -> None:
    assert operator.get("/admin/authorizations/policy/assign/?card=ic_none").status_code == 404
    assert operator.get("/admin/authorizations/policy/assign/").status_code == 404


def test_a_name_that_somebody_else_gave_meanwhile_is_no_copy_onto_their_policy(
    operator: Client, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"/admin/authorizations/policy/{policy.pk}/duplicate/"
    theirs = Policy.objects.create(name="Travel abroad")
    monkeypatch.setattr(DuplicateForm, "clean_name", lambda form: form.cleaned_data["name"])
    html = operator.post(url, {"name": "Travel abroad"}).content.decode()
    assert "Another policy has this name" in html
    assert not theirs.versions.exists()
