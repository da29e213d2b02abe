"""How much is read of a card with many purchases for its limits on attempts."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from authorizations.models import Authorization
from authorizations.rules.basics.controls import Interval, LimitControl
from authorizations.services.store import limited_attempts, plans, statements
from authorizations.services.store.limited_attempts import AttemptsSought, LimitedAttempts
from authorizations.services.store.plans import Plan, drive
from authorizations.services.store.window_sums import AT_ONCE
from tests.support.desk import NOON, Shopper, in_force

COPIES = """
INSERT INTO authorizations_authorization
SELECT made.*
FROM authorizations_authorization AS one, generate_series(1, 30000) AS n
CROSS JOIN LATERAL jsonb_populate_record(one, jsonb_build_object(
    'id', one.id || '_' || n, 'created', to_timestamp(%(at)s + n / 30),
    'attempt', CASE WHEN n %% 10000 = 0 THEN 'declined' ELSE 'approved' END
)) AS made
"""

pytestmark = pytest.mark.django_db


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A card with 30,000 attempts in 1,000 seconds, three declined; rows that are read, in all."""
    in_force(unlimited=True)
    Shopper().asks(1)
    with connection.cursor() as cursor:
        cursor.execute(COPIES, {"at": NOON})
        cursor.execute("ANALYZE authorizations_authorization")
    scanned: list[float] = []

    def explained(text: str, **parameters: Any) -> Plan[list[tuple[Any, ...]]]:
        with connection.cursor() as cursor:
            cursor.execute(statements.SETTINGS, {"patience": None})
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {text}", parameters)
            [(plan,)] = cursor.fetchall()
        found = plan if isinstance(plan, list) else json.loads(plan)
        scanned.append(sum(scans(found[0]["Plan"])))
        return (yield from plans_ask(text, **parameters))

    plans_ask = plans.ask
    monkeypatch.setattr(plans, "ask", explained)
    return scanned


def scans(plan: dict[str, Any]) -> Iterator[float]:
    """The rows of authorizations that a plan reads."""
    if plan.get("Relation Name") == Authorization._meta.db_table:
        assert plan["Node Type"] != "Seq Scan"
        removed = plan.get("Rows Removed by Filter", 0)
        yield (plan["Actual Rows"] + removed) * plan["Actual Loops"]
    for part in plan.get("Plans", ()):
        yield from scans(part)


def counted(attempts: int, *, declined_only: bool) -> LimitedAttempts:
    limit = LimitControl(
        Interval.ALL_TIME, attempts=attempts, declined_only=declined_only, key="tries"
    )
    asked = LimitedAttempts(1, limit, "1:tries", NOON, NOON + 100_000)
    [[found]] = drive(limited_attempts.read([AttemptsSought("iauth_new", "ic_1", [asked])]))
    return found


def test_no_more_attempts_are_read_than_the_limit_counts(busy: list[float]) -> None:
    found = counted(5, declined_only=False)
    assert (len(found.times), found.is_complete) == (5, True)
    assert found.times == tuple(sorted(found.times, reverse=True))
    assert found.times[0] == NOON + 1_000
    assert busy == [pytest.approx(5, abs=1)]


def test_declined_attempts_are_found_among_any_number_of_approved_ones(busy: list[float]) -> None:
    found = counted(5, declined_only=True)
    assert found.times == (NOON + 1_000, NOON + 666, NOON + 333)
    assert found.is_complete
    assert busy == [pytest.approx(3, abs=1)]


def test_attempts_that_do_not_count_are_read_up_to_a_maximum(busy: list[float]) -> None:
    Authorization.objects.update(refused_by="1:tries")
    found = counted(5, declined_only=False)
    assert (found.times, found.is_complete) == ((), False)
    assert busy == [pytest.approx(AT_ONCE + 1, abs=1)]
