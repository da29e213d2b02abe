"""Deciding again finds every change of what a decision rests on, and names it."""

from typing import Any

import pytest

from authorizations.models import Authorization, Decision, PolicyVersion, WebhookRequest
from authorizations.services.host import versions as version_cache
from authorizations.services.verify.redecide import redecide, redecide_all, versions
from tests.support.damage import damage, remove
from tests.support.desk import NOON, Shopper, deliver, in_force
from tests.support.verification import redecided

pytestmark = pytest.mark.django_db


@pytest.fixture
def decision() -> Decision:
    """An approval close to its limits, with some usage before it."""
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    Shopper().asks(3_000)
    Shopper().asks(4_000, event_id="evt_it")
    return Decision.objects.get(pk="evt_it")


def found() -> list[str]:
    """What differs, as a process of its own finds it: nothing is cached."""
    version_cache._cache.clear()
    return [difference.what for difference in redecide("evt_it")]


def test_every_kind_of_decision_comes_out_as_recorded(settings: Any) -> None:
    in_force("One", partial_approval=True, spending_limits=[{"amount": 9_000, "interval": "daily"}])
    in_force("Two", spending_limits=[{"count": 6, "interval": "rolling", "hours": 2}])
    shopper = Shopper()
    purchase = shopper.purchase(2_000)
    shopper.asks(purchase, event_id="evt_approved")
    shopper.asks(purchase.increment(1_000, approved=2_000, at=NOON + 5), event_id="evt_increment")
    shopper.asks(50_000, event_id="evt_partial", is_amount_controllable=True)
    shopper.asks(50_000, event_id="evt_declined")
    shopper.asks(0, event_id="evt_nothing")
    contradiction = shopper.purchase(5, authorization_id=purchase.authorization_id, currency="usd")
    shopper.asks(contradiction, event_id="evt_contradiction")
    broken = shopper.event(shopper.purchase(100), event_id="evt_malformed")
    broken["data"]["object"]["pending_request"] = None
    deliver(broken)
    settings.STRIPE_LIVEMODE = True
    shopper.asks(100, event_id="evt_test_mode")
    reasons = set(Decision.objects.values_list("reason", flat=True))
    assert {"", "malformed_request", "wrong_mode", "conflicting_event"} < reasons
    assert Decision.objects.filter(is_partial=True).exists()
    assert redecided() == []
    assert sum(piece.number for piece in redecide_all()) == 8 + 2


def test_a_rolling_limit_s_next_room_comes_out_as_recorded() -> None:
    in_force(spending_limits=[{"amount": 5_000, "interval": "rolling", "hours": 1}])
    Shopper(at=NOON).asks(4_000)
    Shopper(at=NOON + 60).asks(4_000, event_id="evt_it")
    figures = Decision.objects.get(pk="evt_it").trace[-1]["figures"]
    assert figures["available_at"] == NOON + 3_600
    assert found() == []


def test_the_beginning_of_a_limit_s_months_and_what_it_leaves_out_come_out_as_recorded() -> None:
    own = {"amount": 5_000, "interval": "monthly", "month_starts": 16, "except_countries": ["DE"]}
    in_force(spending_limits=[own, {"amount": 9_000, "interval": "yearly"}])
    Shopper().asks(1_000)
    Shopper().asks(4_500, event_id="evt_it")
    trace = Decision.objects.get(pk="evt_it").trace
    figures = [check["figures"] for check in trace if "figures" in check]
    assert [it.get("begins") for it in figures] == [[1, 16], None]
    assert found() == []
    in_force(spending_limits=[own | {"month_starts": 17, "except_countries": ["FR"]}])
    assert found() == []


def test_later_versions_of_a_policy_change_nothing_about_earlier_decisions(
    decision: Decision,
) -> None:
    in_force(spending_limits=[{"amount": 1, "interval": "daily"}])
    assert found() == []


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"approved_amount": 3_999}, ["approved_amount"]),
        ({"is_partial": True}, ["is_partial"]),
        (
            {"approved": False, "approved_amount": 0, "reason": "card_frozen"},
            ["approved", "approved_amount", "reason"],
        ),
        ({"answer": "{}"}, ["answer"]),
        ({"amount": 4_001}, ["amount"]),
        ({"currency": "usd"}, ["currency"]),
        ({"card": "ic_other"}, ["card_id"]),
        ({"authorization": "iauth_other"}, ["authorization", "authorization_id"]),
        ({"trace": []}, ["length of the trace"]),
        ({"trace_version": 2}, ["trace_version"]),
        ({"usage": []}, ["usage"]),
        ({"request": {"event_id": "evt_it"}}, ["request"]),
        ({"context": None}, ["context"]),
        ({"policies": []}, ["approved", "approved_amount", "reason"]),
        ({"policies": [{"version": 1}]}, ["policies"]),
        ({"webhook_request": 10**9}, ["webhook request"]),
    ],
)
def test_a_changed_column_is_named(
    decision: Decision, columns: dict[str, Any], what: list[str]
) -> None:
    names = {"card": "card_id", "authorization": "authorization_id"}
    names["webhook_request"] = "webhook_request_id"
    damage(decision, **{names.get(name, name): value for name, value in columns.items()})
    named = found()
    assert set(what) <= set(named)


def test_a_changed_figure_in_the_trace_is_named_with_its_place(decision: Decision) -> None:
    place = next(i for i, check in enumerate(decision.trace) if check.get("figures"))
    decision.trace[place]["figures"]["used"] = 0
    damage(decision, trace=decision.trace)
    [difference] = redecide("evt_it")
    assert difference.what == f"trace[{place}]"
    assert "'used': 3000" in str(difference)


def test_a_changed_figure_of_usage_changes_what_comes_out(decision: Decision) -> None:
    decision.usage[0][1]["amount"] = 9_000
    damage(decision, usage=decision.usage)
    assert {"approved", "approved_amount", "reason", "answer"} < set(found())


def test_a_version_changed_in_place_changes_what_comes_out_and_no_longer_has_its_hash(
    decision: Decision,
) -> None:
    version = PolicyVersion.objects.get()
    damage(version, content=version.content.replace("10000", "10"))
    assert "approved" in found()
    [difference] = [found for piece in versions() for found in piece.differences]
    assert (difference.where, difference.what) == (f"policy version {version.pk}", "SHA-256")


def test_a_version_that_is_gone_or_renumbered_is_named(decision: Decision) -> None:
    version = PolicyVersion.objects.get()
    damage(version, number=7)
    assert found() == [f"number of policy version {version.pk}"]


def test_an_authorization_that_is_gone_is_named(decision: Decision) -> None:
    Authorization.objects.filter(pk=decision.authorization_id).delete()
    assert found() == ["authorization"]


def test_a_request_that_is_gone_is_named(decision: Decision) -> None:
    remove(decision.webhook_request)
    assert found() == ["webhook request"]


def malformed() -> WebhookRequest:
    event = Shopper().event(Shopper().purchase(100), event_id="evt_it")
    event["data"]["object"]["card"] = None
    deliver(event)
    return Decision.objects.get(pk="evt_it").webhook_request


def test_a_malformed_request_that_can_be_read_after_all_is_named() -> None:
    good = Shopper().event(Shopper().purchase(100), event_id="evt_good")
    deliver(good)
    damage(malformed(), body=WebhookRequest.objects.get(event_id="evt_good").body)
    assert any("the request can be read" in str(found) for found in redecide("evt_it"))


def test_a_malformed_request_whose_problem_is_another_is_named() -> None:
    malformed()
    damage(Decision.objects.get(pk="evt_it"), problem="something else")
    [difference] = redecide("evt_it")
    assert "data.object.card" in str(difference)


def test_every_decision_is_read_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    in_force()
    for place in range(7):
        Shopper().asks(100, event_id=f"evt_{place}")
    damage(Decision.objects.get(pk="evt_3"), approved_amount=5)
    damage(Decision.objects.get(pk="evt_6"), approved_amount=5)
    monkeypatch.setattr("authorizations.services.verify.redecide._SIZE", 2)
    assert {difference.where for difference in redecided()} == {"evt_3", "evt_6"}
