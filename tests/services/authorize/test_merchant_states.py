"""A rule on the merchant's state, from Stripe's event to the record and what pages say of it."""

import pytest

from authorizations.models import Decision
from authorizations.services.verify.redecide import redecide
from tests.support.desk import Shopper, deliver, in_force
from tests.support.verification import contradictions

pytestmark = pytest.mark.django_db


def answered(event_id: str, state: object) -> str:
    event = Shopper().event(Shopper().purchase(1_000), event_id)
    event["data"]["object"]["merchant_data"]["state"] = state
    return str(deliver(event).json()["metadata"]["reason"])


def test_a_purchase_elsewhere_is_declined_and_decided_again_alike() -> None:
    in_force("West", allowed_merchant_states=["CA", "OR"])
    assert answered("evt_here", "ca") == "approved"
    assert answered("evt_there", "NY") == "merchant_state_not_allowed"
    assert answered("evt_not_told", None) == "merchant_state_not_allowed"
    assert answered("evt_odd", ["CA"]) == "field_unreadable"
    row = Decision.objects.get(pk="evt_there")
    [check] = [check for check in row.trace if not check["passed"]]
    assert (check["found"], check["limit"]) == ("NY", {"allowed": ["CA", "OR"]})
    for event_id in ("evt_here", "evt_there", "evt_not_told", "evt_odd"):
        assert redecide(event_id) == []
    assert contradictions() == []
