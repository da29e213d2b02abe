"""Deciding again and counting again find nothing, unless somebody went behind the guards."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from authorizations.models import Decision, LedgerEntry, PolicyVersion, Usage, WebhookRequest
from authorizations.rules.policy.document import InvalidPolicyError
from authorizations.services.policies.files import compare, export_policies, import_policies
from tests.support.desk import NOON, Shopper, deliver, in_force
from tests.support.verification import differences, redecided

pytestmark = pytest.mark.django_db


@pytest.fixture
def busy_day() -> None:
    """Approvals, partial ones, increments, declines, a repeat, and requests that can't be read."""
    in_force(
        partial_approval=True,
        blocked_merchant_countries=["DE"],
        spending_limits=[
            {"amount": 10_000, "interval": "monthly"},
            {"count": 3, "interval": "rolling", "minutes": 60},
            {"amount": 5_000, "interval": "weekly", "countries": ["FR"]},
        ],
    )
    shopper = Shopper()
    purchase = shopper.purchase(2_000)
    event = shopper.event(purchase)
    deliver(event)
    deliver(event)
    shopper.asks(purchase.increment(500, approved=2_000, at=NOON))
    shopper.asks(9_000, is_amount_controllable=True)
    shopper.asks(0)
    for _ in range(3):
        shopper.asks(100)
    broken = shopper.event(shopper.purchase(100))
    broken["data"]["object"]["pending_request"] = None
    deliver(broken)


def unguarded(sql: str) -> None:
    """What only somebody with the owner's rights could do."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(sql)
        cursor.execute("SET session_replication_role = origin")


def test_every_decision_comes_out_the_same_from_its_row_alone(busy_day: None) -> None:
    assert Decision.objects.count() >= 7
    assert redecided() == []


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE authorizations_decision SET approved_amount = 1 WHERE approved AND amount > 0",
        "UPDATE authorizations_decision SET trace = '[]' WHERE trace::text <> '[]'",
        "UPDATE authorizations_decision SET context = '{\"card_frozen\": true}' WHERE amount > 0",
    ],
)
def test_a_decision_changed_behind_the_guards_is_found(busy_day: None, damage: str) -> None:
    unguarded(damage)
    assert redecided()
    with pytest.raises((CommandError, SystemExit)):
        call_command("redecide", "--all")


def test_usage_and_ledger_agree(busy_day: None) -> None:
    assert Usage.objects.exists()
    assert differences() == []


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE authorizations_ledgerentry SET amount = amount + 1",
        "UPDATE authorizations_usage SET amount = amount + 1 WHERE currency <> ''",
        "UPDATE authorizations_authorization SET counted_amount = counted_amount + 1",
    ],
)
def test_a_sum_changed_behind_the_guards_is_found(busy_day: None, damage: str) -> None:
    unguarded(damage)
    assert differences()
    with pytest.raises((CommandError, SystemExit)):
        call_command("verify_books")


@pytest.mark.parametrize("model", [WebhookRequest, Decision, LedgerEntry, PolicyVersion])
@pytest.mark.parametrize("how", ["UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_the_database_itself_refuses_to_change_the_record(
    busy_day: None, model: type, how: str
) -> None:
    table = model._meta.db_table  # type: ignore[attr-defined]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            cursor.execute(how.format(table))


def test_exporting_and_importing_again_changes_nothing(busy_day: None) -> None:
    written = json.dumps(export_policies())
    assert not compare(written)
    import_policies(written)
    assert PolicyVersion.objects.count() == 1


def test_an_imported_change_is_a_new_version_and_all_or_nothing(busy_day: None) -> None:
    file = export_policies()
    file["policies"][0]["refunds_restore"] = False
    import_policies(json.dumps(file))
    assert PolicyVersion.objects.count() == 2
    file["policies"][0]["refunds_restore"] = True
    file["policies"].append({"name": "Wrong", "spending_limits": [{"amount": -1}]})
    with pytest.raises(InvalidPolicyError) as refused:
        import_policies(json.dumps(file))
    assert "policies[1].spending_limits[0].amount" in str(refused.value)
    assert PolicyVersion.objects.count() == 2
