"""What people and platforms type by habit works, or says in one sentence what to do instead."""

import os
import shlex
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from authorizations.management.commands.runserver import python

ROOT = Path(settings.BASE_DIR)


def test_manage_py_test_says_how_the_tests_run() -> None:
    with pytest.raises(CommandError, match="`make test` sets everything up"):
        call_command("test")


@pytest.mark.parametrize("arguments", [[], ["authorizations", "--parallel", "--keepdb", "-v2"]])
def test_so_does_it_whatever_options_it_gets(arguments: list[str]) -> None:
    done = run("manage.py", "test", *arguments)
    assert done.returncode == 1
    assert "`make test` sets everything up" in done.stderr
    assert "Ran 0 tests" not in done.stdout + done.stderr


def test_collectstatic_has_nothing_to_do_and_says_so() -> None:
    out = StringIO()
    call_command("collectstatic", "--noinput", "--clear", stdout=out)
    assert out.getvalue().startswith("Nothing to collect")


def test_the_interpreter_is_named_as_one_types_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "executable", str(ROOT / ".venv" / "bin" / "python"))
    assert python() == ".venv/bin/python"
    monkeypatch.setattr(sys, "executable", "/opt/my pythons/python3")
    assert shlex.split(python()) == ["/opt/my pythons/python3"]


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A module whose command prints what no ASCII output can show."""
    command = tmp_path / "odd.py"
    command.write_text(
        "import sys, manage\n"
        "sys.argv = ['manage.py', 'help']\n"
        "manage.execute_from_command_line = lambda _: print('€5.00 → Zoë')\n"
        "manage.main()\n"
    )
    return command


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("ascii", "\\u20ac5.00 \\u2192 Zo\\xeb"), ("utf-8", "€5.00 → Zoë"), ("latin-1", "\\u20ac")],
)
def test_an_output_that_can_not_show_a_character_shows_its_number(
    odd: Path, encoding: str, shown: str
) -> None:
    done = run(str(odd), PYTHONIOENCODING=encoding, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout


def run(*command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        encoding=variables.get("PYTHONIOENCODING", "utf-8"),
        check=False,
    )
