"""The proofs as `manage.py` runs them: each transaction of a command is attributed to a person."""

import pytest

from authorizations.services.runtime.actor import acting
from tests.support.desk import in_force
from tests.support.lifecycle import Told
from tests.support.verification import assert_clean


@pytest.mark.django_db(transaction=True)
def test_they_run_while_changes_are_attributed() -> None:
    in_force(spending_limits=[{"amount": 5_000, "interval": "daily"}])
    bought = Told(1_000)
    bought.buys()
    with acting(command="verify_record", os_user="auditor"):
        assert_clean()
