"""A field in a form that can't be read, from the door to the record."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from authorizations.models import Decision
from authorizations.services.runtime import metrics
from authorizations.services.verify.redecide import redecide
from tests.support.desk import Shopper, deliver, in_force
from tests.support.verification import contradictions

pytestmark = pytest.mark.django_db

DAILY: dict[str, Any] = {"amount": 100_000, "interval": "daily"}


def answered(event_id: str, *path: str, value: object) -> str:
    """The reason of the answer to an ordinary purchase with one value of the body replaced."""
    event = Shopper().event(Shopper().purchase(1_000), event_id)
    *parents, last = path
    place: Any = event["data"]["object"]
    for parent in parents:
        place = place[parent]
    place[last] = value
    return str(deliver(event).json()["metadata"]["reason"])


def counted(field: str) -> float:
    registry: CollectorRegistry = metrics.REGISTRY
    return registry.get_sample_value("desk_unreadable_fields_total", {"field": field}) or 0


@pytest.mark.django_db(transaction=True)  # counted once it is committed
def test_a_score_written_otherwise_declines_where_a_policy_asks_for_it() -> None:
    score = ("pending_request", "network_risk_score")
    in_force("Asks nothing")
    before = counted("network_risk_score")
    assert answered("evt_unasked", *score, value="99") == "approved"
    in_force("Risk", max_network_risk_score=80)
    for place, value in enumerate(("99", 100, 99.5)):
        event_id = f"evt_{place}"
        assert answered(event_id, *score, value=value) == "field_unreadable"
        row = Decision.objects.get(pk=event_id)
        assert row.request is not None
        assert row.request["unreadable"] == ["network_risk_score"]
        [check] = [check for check in row.trace if not check["passed"]]
        assert (check["policy"], check["found"]) == ("Risk", ["network_risk_score"])
        assert redecide(event_id) == []
    assert answered("evt_not_told", *score, value=None) == "approved"
    assert answered("evt_5", *score, value=80) == "approved"
    assert counted("network_risk_score") == before + 4
    assert contradictions() == []


@pytest.mark.parametrize("code", [7995, "7995 "])
def test_a_category_code_written_otherwise_slips_past_no_limit(code: object) -> None:
    """€0.00 a day on betting; a code nobody can read might be just that."""
    in_force(spending_limits=[DAILY, {"amount": 0, "interval": "daily", "categories": ["7995"]}])
    path = ("merchant_data", "category_code")
    assert answered("evt_1", *path, value=code) == "field_unreadable"
    assert answered("evt_2", *path, value="7995") == "amount_limit_exceeded"
    assert answered("evt_3", *path, value=None) == "approved"
