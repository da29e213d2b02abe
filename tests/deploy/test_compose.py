"""compose.yaml and what the image is made of, read; `make prove TRIALS=container` runs them."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings

from tests.prove import compose

PROJECT = Path(settings.BASE_DIR)
HERE = PROJECT / "deploy" / "container"
SECRETS = [
    "SECRET_KEY",
    *(f"{name}_PASSWORD" for name in ("POSTGRES", "WEBHOOK", "ADMIN", "RECORD")),
]
OF_ENTRYPOINTS = {
    "INSTANCE",
    "ADDRESS",
    *(f"{name}_PASSWORD" for name in ("WEBHOOK", "ADMIN", "RECORD")),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One with the program that writes the secrets."""
    shutil.copy2(HERE / "secrets", tmp_path)
    return tmp_path


def with_secrets(folder: Path) -> dict[str, str]:
    """What is in .env once they were written."""
    subprocess.run([folder / "secrets"], check=True, cwd="/")
    return dict(line.split("=", 1) for line in (folder / ".env").read_text().splitlines())


@pytest.fixture
def services(folder: Path) -> dict[str, compose.Service]:
    found = compose.services(HERE / "compose.yaml", with_secrets(folder))
    return {service.name: service for service in found}


def ours() -> dict[str, Any]:
    read = yaml.safe_load((HERE / "compose.yaml").read_text())["services"]
    return {name: told for name, told in read.items() if name != "database"}


def test_secrets_are_written_once_for_their_owner_alone(folder: Path) -> None:
    mine = "# mine\nSECRET_KEY=as-it-was"
    (folder / ".env").write_text(mine)
    (folder / ".env").chmod(0o600)
    first = folder / ".env"
    subprocess.run([folder / "secrets"], check=True, cwd="/")
    written = first.read_text()
    assert written.startswith(mine)
    assert all(re.search(rf"^{name}=.{{6,}}$", written, re.MULTILINE) for name in SECRETS)
    subprocess.run([folder / "secrets"], check=True, cwd="/")
    assert first.read_text() == written
    first.unlink()
    values = with_secrets(folder)
    assert first.stat().st_mode & 0o777 == 0o600
    assert len({values[name] for name in SECRETS}) == len(SECRETS)


@pytest.mark.parametrize("missing", [*SECRETS, "STRIPE_WEBHOOK_SECRET"])
def test_nothing_starts_without_a_secret(folder: Path, missing: str) -> None:
    variables = with_secrets(folder)
    del variables[missing]
    with pytest.raises(compose.ComposeError, match=f"{missing} is not set: run ./secrets"):
        compose.services(HERE / "compose.yaml", variables)


def test_every_service_of_the_image_runs_with_as_little_as_it_needs() -> None:
    for name, told in ours().items():
        assert told["image"] == "authorization-desk", name
        assert told["read_only"] is True, name
        assert told["cap_drop"] == ["ALL"], name
        assert told["security_opt"] == ["no-new-privileges:true"], name
        assert "env_file" not in told, name  # each is told what it needs, and nothing else
    for told in ours().values():
        assert all(port.startswith("127.0.0.1:") for port in told.get("ports", ()))


def test_each_logs_into_the_database_as_its_own_role(services: dict[str, compose.Service]) -> None:
    roles = {
        name: service.environment["DATABASE_URL"].partition("://")[2].partition(":")[0]
        for name, service in services.items()
        if name != "database"
    }
    assert roles == {
        "migrate": "postgres",
        "webhook": "desk_webhook",
        "admin": "desk_admin",
        "upkeep": "desk_admin",
        "record": "desk_record",
    }
    password = services["database"].environment["POSTGRES_PASSWORD"]
    for name in ("webhook", "admin", "upkeep", "record"):
        assert password not in str(services[name].environment), name


def test_what_they_are_told_is_what_the_program_reads(services: dict[str, compose.Service]) -> None:
    described = set(
        re.findall(r"^#?([A-Z_]+)=", (PROJECT / ".env.example").read_text(), re.MULTILINE)
    )
    for name, service in services.items():
        if name != "database":
            assert service.environment.keys() <= described | OF_ENTRYPOINTS, name


def test_what_is_not_known_to_the_trial_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "compose.yaml"
    path.write_text("services: {one: {image: x, privileged: true}}")
    with pytest.raises(compose.ComposeError, match="privileged"):
        compose.services(path, {})


def test_only_what_is_named_gets_into_the_image() -> None:
    lines = (PROJECT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "**"
    named = [rule[1:] for rule in rules if rule.startswith("!")]
    assert all((PROJECT / name).exists() for name in named)
    assert not [name for name in named if name.startswith((".", "tests", "docs"))]
