"""`doctor`: what is wrong is said in sentences, and by its status."""

import os
import socket
import subprocess
import sys
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from authorizations.services.webhook import health
from authorizations.services.webhook.health import HealthCheck, HealthState


def ended(monkeypatch: pytest.MonkeyPatch, *states: HealthState) -> tuple[str, str]:
    """What was printed, and the error, of checks in these states."""
    checks = [HealthCheck(f"Part {place}", one, "So it is.") for place, one in enumerate(states)]
    monkeypatch.setattr(health, "examine", lambda: checks)
    out = StringIO()
    try:
        call_command("doctor", stdout=out)
    except CommandError as problem:
        return out.getvalue(), f"{problem} ({problem.returncode})"
    return out.getvalue(), ""


def test_what_is_wrong_ends_it_with_1_and_what_needs_a_look_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said, error = ended(monkeypatch, HealthState.OK, HealthState.WARN)
    assert said == "fine   Part 0: So it is.\nlook   Part 1: So it is.\nNothing is wrong.\n"
    assert error == ""
    said, error = ended(monkeypatch, HealthState.BAD, HealthState.OK)
    assert said == "wrong  Part 0: So it is.\nfine   Part 1: So it is.\n"
    assert error == "1 of 2 are wrong: Part 0. (1)"


def test_it_speaks_where_every_other_command_is_refused(tmp_path: Any) -> None:
    """Nothing is set but a database that is not there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    secret = "whsec_shown_to_nobody"
    unset = ("SECRET_KEY", "ALLOWED_HOSTS", "STRIPE_API_KEY", "STRIPE_LIVEMODE")
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor"],
        cwd=settings.BASE_DIR,
        env={
            **os.environ,
            **dict.fromkeys(unset, ""),
            "DJANGO_SETTINGS_MODULE": "authz_project.settings",
            "DATABASE_URL": f"postgres://desk:{secret}@127.0.0.1:{port}/cards",
            "STRIPE_WEBHOOK_SECRET": secret,
            "SPOOL_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "wrong  Settings: SECRET_KEY is not set. Set it to" in done.stdout
    assert "wrong  Settings: ALLOWED_HOSTS is not set. Set it to" in done.stdout
    assert f"wrong  Database: The database cards at 127.0.0.1:{port} can't be used" in done.stdout
    assert f"fine   Spool: Answers can be kept in {tmp_path}." in done.stdout
    assert "are wrong: Settings, Database." in done.stderr
    assert "Traceback" not in done.stderr
    assert secret not in done.stdout + done.stderr
