"""The house stays tidy: what each room shows of itself."""

import ast
import importlib
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

ROOT = Path(settings.BASE_DIR)
SERVICES = ROOT / "authorizations" / "services"
WINGS = sorted(path.name for path in SERVICES.iterdir() if (path / "__init__.py").exists())
WING = re.compile(r"authorizations\.services\.(\w+)(?:\.(\w+))?")


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """The wings that a file imports from, each with the module it takes."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (found := WING.match(node.module or "")):
            for name in [found[2]] if found[2] else [alias.name for alias in node.names]:
                yield found[1], name


def test_the_first_page_of_a_wing_names_what_others_use_of_it_and_no_more() -> None:
    used: dict[str, set[str]] = defaultdict(set)
    for package in ("authorizations", "authz_project"):
        for path in (ROOT / package).rglob("*.py"):
            for wing, module in imported(path):
                if not path.is_relative_to(SERVICES / wing):
                    used[wing].add(module)
    named = {
        wing: set(importlib.import_module(f"authorizations.services.{wing}").__all__)
        for wing in WINGS
    }
    assert len(WINGS) >= 12
    assert {wing: used[wing] for wing in WINGS} == named


def test_a_server_loads_nothing_of_the_simulator_but_that_it_is_installed(tmp_path: Path) -> None:
    loads = (
        "import sys, authz_project.wsgi, authz_project.asgi, authorizations.admin\n"
        "print(*sorted(name for name in sys.modules if name.split('.')[0] == 'simulator'))"
    )
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "SPOOL_DIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", loads],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["simulator", "simulator.apps"], done.stderr


def test_a_class_name_exists_once_in_the_package() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in (ROOT / "authorizations").rglob("*.py"):
        if "migrations" in path.parts:
            continue
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and node.name != "Command":  # Django's own name
                places[node.name].append(str(path.relative_to(ROOT)))
    assert len(places) > 250
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
