"""Time-outs outside the program fit the budget of an answer, and texts say what it is.

How its own parts fit together is asserted where they stand, in runtime/budget.py.
"""

import re

import pytest

from authorizations.services.runtime import metrics
from authorizations.services.webhook import database_roles
from authz_project.serving import process, supervisor
from tests.deploy.serving import PROJECT

# Tests patch the budget: what it is stands in its text.
BUDGET = {
    name: int(number.replace("_", ""))
    for line in (PROJECT / "authorizations/services/runtime/budget.py").read_text().splitlines()
    if (said := re.fullmatch(r"([A-Z_, ]+) = ([0-9_, ]+)", line))
    for name, number in zip(said[1].split(", "), said[2].split(", "), strict=True)
}


def text(path: str) -> str:
    return (PROJECT / path).read_text()


def test_the_setting_begins_with_the_budget_s_own_share() -> None:
    share = BUDGET["DECISION_MS"]
    assert f'matching("DECISION_BUDGET_MS", "{share}"' in text("authz_project/settings.py")
    assert f"#DECISION_BUDGET_MS={share}\n" in text(".env.example")


def test_nobody_in_front_gives_up_before_stripe_does() -> None:
    assert BUDGET["STRIPE_MS"] < supervisor.SILENT_S * 1000
    assert BUDGET["STRIPE_MS"] / 1000 < process.GRACE_S < supervisor.GRACE_S
    nginx = text("deploy/nginx/desk.conf")
    reading = [int(seconds) for seconds in re.findall(r"proxy_read_timeout (\d+)s;", nginx)]
    assert reading
    assert min(reading) * 1000 > BUDGET["STRIPE_MS"]
    [connecting] = re.findall(r"proxy_connect_timeout (\d+)s;", nginx)
    assert int(connecting) * 1000 < BUDGET["STRIPE_MS"] - BUDGET["NETWORK_MS"]


def test_the_roles_of_the_database_give_up_as_the_budget_says() -> None:
    settings = {
        name: int(value.removesuffix("ms"))
        for name, value in database_roles.WEBHOOK_SETTINGS.items()
        if value.endswith("ms")
    }
    assert settings == {
        "lock_timeout": settings["lock_timeout"],  # which tests patch
        "statement_timeout": BUDGET["STATEMENT_TIMEOUT_MS"],
        "idle_in_transaction_session_timeout": BUDGET["IDLE_TIMEOUT_MS"],
        "client_connection_check_interval": BUDGET["CLIENT_CHECK_MS"],
    }


def test_metrics_tell_how_many_answers_were_within_each_bound() -> None:
    bounds = {BUDGET[f"{name}_MS"] / 1000 for name in ("DECISION", "ANSWER", "STRIPE")}
    assert bounds <= set(metrics._seconds._upper_bounds)
    assert metrics._seconds._upper_bounds == sorted(metrics._seconds._upper_bounds)


@pytest.mark.parametrize(
    ("path", "sentence", "name", "per_unit"),
    [
        ("docs/going-live.md", r"after ([0-9.]+) seconds, then, once three", "DECISION_MS", 1000),
        (
            "docs/stand-in.md",
            r"waits for ([0-9]+) ms and is then answered",
            "BRIEF_LOCK_WAIT_MS",
            1,
        ),
        (
            ".env.example",
            r"with less than ([0-9]+) ms left to decide, stand-in",
            "LEAST_FOR_DATABASE_MS",
            1,
        ),
    ],
)
def test_texts_say_the_budget(path: str, sentence: str, name: str, per_unit: int) -> None:
    [said] = re.findall(sentence, " ".join(text(path).replace("\n#", "\n").split()))
    assert float(said) * per_unit == BUDGET[name]
