"""deploy/desk: commands of a deployed desk, with the settings of its servers and no others."""

import os
import pwd
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import get_commands

from tests.deploy.serving import DEPLOY, PROJECT

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")

# What is run in the place of the desk's Python: it says how it was called.
TELL = """#!/bin/sh
echo "words=$*"; echo "place=$(pwd)"; echo "who=$(id -u):$(id -g)"; echo "umask=$(umask)"; env
"""
RUN = """
import sys
from pathlib import Path
program, folder, user, project, *words = sys.argv[1:]
sys.path.insert(0, project)
desk = {"__name__": "desk", "__file__": program}
exec(compile(Path(program).read_text(), program, "exec"), desk)
desk |= {"SETTINGS": Path(folder), "PROJECT": Path(folder), "USER": user}
desk["PYTHON"] = Path(folder) / "python"
desk["main"](words)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A machine's settings, and a Python that tells."""
    python = tmp_path / "python"
    python.write_text(TELL)
    python.chmod(0o755)
    (tmp_path / "desk.env").write_text(
        "# of all\nSECRET_KEY='of all'\nSPOOL_DIR=/var/lib/desk/spool\nDATABASE_URL=\n"
    )
    for role in ("owner", "webhook", "admin", "record"):
        (tmp_path / f"{role}.env").write_text(f"DATABASE_URL=postgres://desk_{role}@h/desk\n")
    for above in (tmp_path, *tmp_path.parents):
        if above.is_relative_to("/tmp") and above.stat().st_mode & 0o001 == 0:
            above.chmod(0o711)
    return tmp_path


def run(folder: Path, *words: str, user: str = "nobody") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN, DEPLOY / "desk", folder, user, PROJECT, *words],
        env={"PATH": os.defpath, "TERM": "dumb", "DATABASE_URL": "of the shell", "PGHOST": "h"},
        capture_output=True,
        text=True,
        check=False,
    )


def told(heard: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert heard.returncode == 0, heard.stderr
    return dict(line.split("=", 1) for line in heard.stdout.splitlines())


@only_root
def test_a_command_runs_as_the_servers_do(folder: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    heard = run(folder, "replay_spool", "--verbosity", "2")
    variables = told(heard)
    assert variables["words"] == "manage.py replay_spool --verbosity 2"
    assert variables["who"] == f"{nobody.pw_uid}:{nobody.pw_gid}"
    assert (variables["place"], variables["umask"]) == (str(folder), "0077")
    assert variables["SECRET_KEY"] == "of all"
    assert variables["SPOOL_DIR"] == "/var/lib/desk/spool"
    assert variables["DATABASE_URL"] == "postgres://desk_record@h/desk"
    assert variables["TERM"] == "dumb"
    assert "PGHOST" not in variables


@only_root
@pytest.mark.parametrize(
    ("words", "role"),
    [
        (["migrate"], "owner"),
        (["createsuperuser"], "admin"),
        (["verify_books", "--since", "2d"], "record"),
        (["--as", "webhook", "check"], "webhook"),
    ],
)
def test_each_command_logs_in_as_the_role_that_may_do_its_work(
    folder: Path, words: list[str], role: str
) -> None:
    heard = run(folder, *words)
    assert told(heard)["DATABASE_URL"] == f"postgres://desk_{role}@h/desk"


def test_every_command_that_is_given_a_role_exists() -> None:
    roles = runpy.run_path(str(DEPLOY / "desk"))["ROLES"]
    assert {name for commands in roles.values() for name in commands} <= {*get_commands()}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--as", "postgres", "migrate"], "--as takes one of: owner, webhook, admin, record."),
        (["--as"], "--as takes one of: owner, webhook, admin, record."),
        ([], "COMMAND [ARGUMENTS]"),
    ],
)
def test_what_is_asked_wrongly_is_answered_by_what_to_write(
    folder: Path, words: list[str], sentence: str
) -> None:
    refused = run(folder, *words)
    assert refused.returncode == 1
    assert sentence in refused.stderr


def test_settings_that_cannot_be_read_are_refused_without_their_values(folder: Path) -> None:
    (folder / "owner.env").write_text("DATABASE_URL = postgres://desk_owner:secret@h/desk\n")
    refused = run(folder, "migrate")
    assert refused.returncode == 1
    assert refused.stderr.startswith("line 1 of owner.env: write NAME=value, without white space")
    assert "secret" not in refused.stderr
    (folder / "owner.env").unlink()
    assert f"{folder / 'owner.env'} is missing" in run(folder, "migrate").stderr


def test_a_user_that_is_not_there_is_named(folder: Path) -> None:
    assert (
        "There is no user nobody-at-all here" in run(folder, "check", user="nobody-at-all").stderr
    )
