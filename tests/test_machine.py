"""What is said on machines where not all of it runs."""

import os
import platform
import sys
from pathlib import Path

import pytest

from authz_project import machine
from authz_project.embedded_postgres import programs
from authz_project.embedded_postgres.errors import EmbeddedPostgresError


@pytest.fixture
def python_3_15(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 15, 0, "final", 0))
    monkeypatch.setattr(platform, "python_version", lambda: "3.15.0")


@pytest.fixture
def musl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))


def test_here_all_of_it_is_installed(tmp_path: Path) -> None:
    assert machine.packages(tmp_path / ".env") == "requirements.lock"


@pytest.mark.parametrize(
    ("fixture", "this"),
    [("python_3_15", "this is Python 3.15.0"), ("musl", "this is a Linux without glibc")],
)
def test_without_the_engine_the_rest_is_installed_for_a_postgresql_of_ones_own(
    fixture: str,
    this: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request.getfixturevalue(fixture)
    monkeypatch.delenv("DATABASE_URL")
    env_file = tmp_path / ".env"
    for text in (None, "DEBUG=true\nDATABASE_URL=\n"):
        if text:
            env_file.write_text(text)
        with pytest.raises(SystemExit, match=f"Python 3.11 to 3.14.*{this}.*set DATABASE_URL"):
            machine.packages(env_file)
    env_file.write_text("DATABASE_URL=postgres://desk@db/desk\n")
    assert machine.packages(env_file) == "requirements-external.lock"
    env_file.unlink()
    monkeypatch.setenv("DATABASE_URL", "postgres://desk@db/desk")
    assert machine.packages(env_file) == "requirements-external.lock"

    monkeypatch.setattr(programs, "PACKAGE", "no_such_package")
    with pytest.raises(EmbeddedPostgresError, match=f"{this}.* Set DATABASE_URL"):
        programs.installed()


def test_windows_and_old_pythons_hear_where_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.unfit() == ""
    with monkeypatch.context() as old:
        old.setattr(sys, "version_info", (3, 10, 1, "final", 0))
        old.setattr(platform, "python_version", lambda: "3.10.1")
        assert machine.unfit() == "Python 3.11 or newer is needed; this is 3.10.1."
    with monkeypatch.context() as windows:
        windows.setattr(os, "name", "nt")
        assert "on Windows use it in WSL" in machine.unfit()
        windows.undo()
