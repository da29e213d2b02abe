"""Publishing: a document comes into force, and the same again does not."""

import hashlib
import json

import pytest

from authorizations.models import Policy, PolicyVersion
from authorizations.rules.policy.document import InvalidPolicyError, canonical_json
from authorizations.services.policies.files import compare
from authorizations.services.policies.publish import publish
from tests.support.desk import in_force, says

pytestmark = pytest.mark.django_db

MONTHLY = {"amount": 50_000, "interval": "monthly"}


@pytest.fixture
def older() -> Policy:
    """Of a time when there was no rule about wallets."""
    said = {**says(in_force("Today", spending_limits=[MONTHLY])), "name": "Travel"}
    del said["allowed_wallets"]
    content = canonical_json(said)
    policy = Policy.objects.create(name="Travel")
    policy.current_version = PolicyVersion.objects.create(
        policy=policy,
        number=1,
        content=content.decode(),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    policy.save()
    return policy


def test_the_document_of_a_version_is_what_was_published_in_its_normal_form() -> None:
    document = {"name": " Travel ", "currency": "EUR", "spending_limits": [MONTHLY]}
    version = publish(document, author=None).version
    said = says(version.policy)
    assert (version.policy.name, said["name"], said["currency"]) == ("Travel", "Travel", "eur")
    assert list(said["spending_limits"][0])[:3] == ["amount", "currency", "interval"]
    assert canonical_json(said).decode() == version.content


def test_a_rule_made_since_a_version_says_nothing_in_it(older: Policy) -> None:
    assert says(older)["allowed_wallets"] == []


def test_what_means_the_same_as_an_older_version_makes_none(older: Policy) -> None:
    assert not publish(says(older), author=None).is_new
    assert not compare(json.dumps({"policies": [says(older)]}))
    assert publish(says(older) | {"allowed_wallets": ["apple_pay"]}, author=None).is_new
    assert says(older)["allowed_wallets"] == ["apple_pay"]


def test_a_policy_is_renamed_by_what_it_says() -> None:
    policy = in_force("Travel")
    publish(says(policy) | {"name": "Journeys"}, author=None, policy=policy)
    policy.refresh_from_db()
    assert (policy.name, policy.versions.count()) == ("Journeys", 2)


def test_what_cannot_work_changes_nothing() -> None:
    policy = in_force("Travel")
    for document in ({"name": "Travel", "time_zone": "Nowhere"}, {"name": "New", "currency": "x"}):
        with pytest.raises(InvalidPolicyError):
            publish(document, author=None)
    assert list(Policy.objects.values_list("name", "current_version__number")) == [("Travel", 1)]
    assert policy.versions.count() == 1
