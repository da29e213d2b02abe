"""Merchants are matched by their folded names; what was decided by another rule stays decided."""

import json

import pytest

from authorizations.models import Decision, Policy, PolicyVersion, Usage
from authorizations.rules.decision.decide import decide
from authorizations.rules.decision.values import PurchaseContext
from authorizations.rules.policy.document import controls
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.services.host import versions as version_cache
from authorizations.services.runtime import codec
from authorizations.services.store.decision_row import applied_of
from authorizations.services.verify.redecide import redecide
from authorizations.wire import answer
from simulator.stripe.sample_merchants import MERCHANTS, SampleMerchant
from tests.support.damage import damage
from tests.support.desk import Shopper, in_force
from tests.support.verification import differences

pytestmark = pytest.mark.django_db

DAY: dict[str, object] = {"interval": "daily"}
AT_CASINOS = [{"amount": 5_000, **DAY, "merchants": ["Casino du Lac"]}, {"amount": 90_000, **DAY}]


def shop(name: str) -> SampleMerchant:
    return MERCHANTS[0]._replace(name=name)


CASINO = shop("CASINO  DU LAC*1234")


def test_a_blocked_merchant_is_declined_however_the_network_writes_it() -> None:
    in_force(
        blocked_merchants=["Casino du Lac", {"begins_with": "Taxi Lumière"}, {"is": "Łódź Café"}],
        spending_limits=[{"amount": 100_000, **DAY}],
    )
    names = ("CASINO  DU LAC*1234", "TAXI LUMIERE PARIS", "LODZ CAFE")
    reasons = [Shopper().reason(1_000, merchant=shop(name)) for name in names]
    assert reasons == ["merchant_not_allowed"] * 3
    assert Shopper().reason(1_000, merchant=shop("NEW LODZ CAFE")) == "approved"


def test_a_limit_on_a_merchant_counts_its_purchases_however_the_network_writes_it() -> None:
    in_force(spending_limits=AT_CASINOS)
    assert Shopper().reason(3_000, merchant=CASINO) == "approved"
    assert Shopper().reason(3_000, merchant=shop("Casino du Lac")) == "amount_limit_exceeded"
    assert Shopper().reason(2_000, merchant=shop("CASINO DU LAC")) == "approved"
    assert differences() == []


def _decided_by_the_first_rule(decision: Decision) -> Decision:
    """The row as it would have been written before names were folded."""
    policies = [{k: v for k, v in row.items() if k != "matching"} for row in decision.policies]
    request = codec.value(AuthorizationRequest, decision.request)
    again = decide(
        request, codec.value(PurchaseContext, decision.context), applied_of(policies), {}
    )
    text = answer.render(
        approved=again.approved, amount=None, decision=decision.pk, reason=again.reason
    ).decode()
    trace = json.loads(codec.to_json(codec.plain_trace(again.trace)))
    reason = again.reason or ""
    damage(decision, approved=again.approved, reason=reason, approved_amount=again.amount)
    damage(decision, policies=policies, trace=trace, answer=text)
    damage(decision.webhook_request, answer_body=text)
    decision.refresh_from_db()
    return decision


def test_a_decision_made_by_the_first_rule_is_made_again_by_it() -> None:
    in_force(blocked_merchants=["Casino du Lac"])
    Shopper().asks(0, event_id="evt_declined", merchant=CASINO)
    declined = Decision.objects.get(pk="evt_declined")
    assert [policy["matching"] for policy in declined.policies] == [2]
    assert not declined.approved
    assert redecide("evt_declined") == []

    before = _decided_by_the_first_rule(declined)
    version_cache._cache.clear()
    assert before.approved
    assert redecide("evt_declined") == []


def test_a_decision_by_a_rule_that_is_not_known_here_is_named() -> None:
    in_force(blocked_merchants=["Casino du Lac"])
    Shopper().asks(0, event_id="evt_it")
    decision = Decision.objects.get(pk="evt_it")
    damage(decision, policies=[{**decision.policies[0], "matching": 99}])
    assert [difference.what for difference in redecide("evt_it")] == ["matching"]


def _remembered_by_the_first_rule(policy: Policy, now: Usage) -> Usage:
    """The sum a limit kept before names were folded: nothing, as none of them matched."""
    version = PolicyVersion.objects.get(policy=policy)
    limit = controls(json.loads(version.content), matching=1).spending_limits[0]
    columns = {field.attname: getattr(now, field.attname) for field in Usage._meta.concrete_fields}
    columns |= {"filter_key": limit.filter.key, "filter": limit.filter.text}
    return Usage.objects.create(**columns | {"amount": 0, "refunded_amount": 0, "count": 0})


def test_a_sum_remembered_by_the_first_rule_is_kept_right_and_used_no_more() -> None:
    policy = in_force(spending_limits=AT_CASINOS)
    Shopper().asks(3_000, merchant=CASINO)
    now = Usage.objects.exclude(filter="").get()
    before = _remembered_by_the_first_rule(policy, now)
    assert before.filter_key != now.filter_key
    assert differences() == []
    assert Shopper().reason(2_001, merchant=CASINO) == "amount_limit_exceeded"
    # The first rule knows this spelling only, and goes on counting it as long as it is remembered.
    assert Shopper().reason(2_000, merchant=shop("Casino du Lac")) == "approved"
    amounts = {row.filter_key: row.amount for row in Usage.objects.exclude(filter="")}
    assert amounts == {before.filter_key: 2_000, now.filter_key: 5_000}
    assert differences() == []
