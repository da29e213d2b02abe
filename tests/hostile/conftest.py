"""One server for all of them, on a database that other processes see."""

from collections.abc import Iterator

import pytest
from django.db.models import Sum
from pytest_django.plugin import DjangoDbBlocker

from authorizations.models import RejectedMinute
from tests.conftest import empty_the_database
from tests.hostile.exchange import answered
from tests.hostile.watch import REJECTED
from tests.support.desk import in_force
from tests.support.server import Server, running


@pytest.fixture(scope="package")
def server(
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """Answers with a policy in force that approves up to 100.00 EUR at a time."""
    with django_db_blocker.unblock():
        limit = {"amount": 10_000, "interval": "per_authorization"}
        in_force("Hostile", spending_limits=[limit])
        try:
            answered.clear()
            with running(tmp_path_factory.mktemp("gunicorn") / "log") as server:
                yield server
            # Once a second and when a server is stopped: none is lost.
            counted = RejectedMinute.objects.aggregate(sum=Sum("count"))["sum"] or 0
            assert counted >= sum(answered[cause] for cause in REJECTED)
        finally:
            empty_the_database()
