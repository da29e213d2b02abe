"""When the demo is loaded, and who may not have it."""

from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from pytest_django import Settings

from authorizations.models import (
    Decision,
    Policy,
)
from tests.support.desk import Shopper

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _development(settings: Settings) -> None:
    settings.DEBUG = True


def load_demo() -> str:
    out = StringIO()
    call_command("load_demo", stdout=out)
    return out.getvalue()


@pytest.mark.django_db(transaction=True)
def test_the_terminal_is_left_to_what_a_newcomer_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    load_demo()
    assert not [record for record in caplog.records if "Decision" in record.getMessage()]
    Shopper().asks(100, "evt_afterwards")
    assert "Decision evt_afterwards" in caplog.text


def test_a_database_with_a_policy_of_somebody_s_own_is_left_alone() -> None:
    Policy.objects.create(name="Mine")
    load_demo()
    assert not User.objects.exists()


def test_outside_development_it_refuses_and_says_what_to_do(settings: Settings) -> None:
    settings.DEBUG = False
    with pytest.raises(CommandError, match="DEBUG=true"):
        load_demo()
    assert not User.objects.exists()


def test_when_something_fails_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("simulator.demo.freeze", fail)  # the last thing that it does
    with pytest.raises(RuntimeError):
        load_demo()
    assert not User.objects.exists()
    assert not Policy.objects.exists()
    assert not Decision.objects.exists()
