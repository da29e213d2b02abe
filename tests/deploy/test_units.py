"""What systemd says of the units."""

import os
import re
import shutil
import subprocess
from itertools import chain
from pathlib import Path

import pytest

from authorizations.models import ProofRun
from tests.deploy.serving import DEPLOY

ANALYZE = shutil.which("systemd-analyze")
UNITS = sorted((DEPLOY / "systemd").iterdir())


@pytest.mark.skipif(ANALYZE is None, reason="systemd is not here")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_no_fault(unit: Path, tmp_path: Path) -> None:
    assert ANALYZE
    for one in UNITS:
        # The program is elsewhere on this machine; each instance gets a name.
        text = re.sub(
            r"(/opt/desk|%f)/(\.venv/bin/\w+|deploy/start)", "/bin/true", one.read_text("utf-8")
        )
        for instance in ("webhook", "admin"):
            (tmp_path / _named(one, instance)).write_text(text, "utf-8")
    name = _named(unit)
    done = subprocess.run(
        [ANALYZE, "verify", str(tmp_path / name)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def _named(unit: Path, instance: str = "webhook") -> str:
    """With the name of an instance, where it is a template."""
    return unit.name.replace("@.", f"@{instance}.")


NEEDS = ("Requires", "Requisite", "BindsTo", "PartOf", "Upholds", "Wants", "After", "Sockets")
"""By which one unit can keep another from starting or from staying, or lets it wait."""


def _settings(unit: Path) -> dict[str, list[str]]:
    """All values of each setting; a line that ends in a backslash goes on in the next."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text("utf-8").replace("\\\n", " ").splitlines():
        if line and line[0] not in "#;[":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def _needs_database(name: str) -> bool:
    """Whether a unit is PostgreSQL, or runs a command of ours that asks it something."""
    ours = {_named(unit): unit for unit in UNITS}
    if name not in ours:
        return "postgres" in name
    return any("manage.py" in line for line in _settings(ours[name]).get("ExecStart", []))


def test_units_that_ask_the_database_are_told_from_others() -> None:
    asking = {_named(unit) for unit in UNITS if _needs_database(_named(unit))}
    assert asking == {"desk-migrate@webhook.service", "desk-nightly.service", "desk-upkeep.service"}
    assert _needs_database("postgresql@15-main.service")
    assert not _needs_database("network.target")


def test_nothing_the_webhook_needs_or_waits_for_needs_the_database() -> None:
    ours = {_named(unit): unit for unit in UNITS}
    waiting, seen = ["desk@webhook.service"], set[str]()
    while waiting:
        one = waiting.pop()
        seen.add(one)
        assert not _needs_database(one), f"desk@webhook depends on {one}"
        settings = _settings(ours[one]) if one in ours else {}
        named = chain.from_iterable(settings.get(key, []) for key in NEEDS)
        needed = {word.replace("%i", "webhook") for line in named for word in line.split()}
        waiting += needed - seen
        # What runs before the server itself could hold it up as well.
        assert not settings.keys() & {"ExecStartPre", "ExecCondition"}
    assert "desk@webhook.socket" in seen
    # Nor is it tied to it from the other side.
    for unit in UNITS:
        if _needs_database(_named(unit)):
            tied = _settings(unit)
            assert not {"RequiredBy", "UpheldBy", "Conflicts", "Before"} & tied.keys(), unit.name


def test_the_webhook_is_started_again_however_often_it_failed() -> None:
    settings = _settings(DEPLOY / "systemd" / "desk@.service")
    assert settings["Restart"] == ["always"]
    assert settings["StartLimitIntervalSec"] == ["0"]


@pytest.mark.parametrize("instance", ["webhook", "admin"])
def test_systemd_holds_the_socket_where_nginx_asks(instance: str) -> None:
    settings = _settings(DEPLOY / "systemd" / f"desk@{instance}.socket")
    [address] = settings["ListenStream"]
    nginx = (DEPLOY / "nginx" / "desk.conf").read_text("utf-8")
    assert f"upstream desk_{instance} {{\n    server {address} " in nginx
    assert _settings(DEPLOY / "systemd" / "desk@.service")["Sockets"] == ["desk@%i.socket"]


def test_the_spool_is_where_it_outlives_everything() -> None:
    text = (DEPLOY / "systemd" / "desk@.service").read_text("utf-8")
    assert "SPOOL_DIR=%S/desk/spool" in text
    assert "StateDirectory=desk desk/spool" in text


def test_the_record_is_proved_every_night_by_all_commands_under_its_own_role() -> None:
    text = (DEPLOY / "systemd" / "desk-nightly.service").read_text("utf-8")
    assert "EnvironmentFile=/etc/desk/record.env" in text
    [line] = re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)
    assert {command for command in ProofRun.Command if command in line} == set(ProofRun.Command)
    timer = (DEPLOY / "systemd" / "desk-nightly.timer").read_text("utf-8")
    assert re.search(r"^OnCalendar=\*-\*-\* ", timer, re.MULTILINE)


@pytest.mark.parametrize(
    ("key", "first", "said"),
    [
        ("rk_live_1", ["reconcile --since 31d"], ""),
        ("", [], "reconcile is left out: STRIPE_API_KEY is not set.\n"),
    ],
)
@pytest.mark.parametrize("failing", ["reconcile", "verify_record"])
def test_what_fails_at_night_stops_nothing_else_and_is_told(
    tmp_path: Path, key: str, first: list[str], said: str, failing: str
) -> None:
    """The line itself, run by a shell, with commands that only say that they were called."""
    text = (DEPLOY / "systemd" / "desk-nightly.service").read_text("utf-8")
    [line] = re.findall(r"^ExecStart=/bin/sh -c '(.+)'$", text, re.MULTILINE)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$@" >> calls\n[ "$2" != {failing} ]\n')
    python.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-c", line.replace("$$", "$")],
        cwd=tmp_path,
        env=os.environ | {"STRIPE_API_KEY": key},
        capture_output=True,
        text=True,
        check=False,
    )
    proofs = ("verify_record", "verify_books", "redecide --all")
    called = [*first, *(f"{proof} --since 2d --processes 1" for proof in proofs)]
    assert (tmp_path / "calls").read_text().splitlines() == [f"manage.py {it}" for it in called]
    assert done.stdout == said
    assert done.returncode == int(any(it.startswith(failing) for it in called))
