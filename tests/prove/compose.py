"""What compose.yaml says, as far as the desk's own file goes: what is run, and in which order.

Whatever is written there that this does not know is an error: nothing of it may go untried.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_VARIABLE = re.compile(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}")
_DURATION = re.compile(r"(\d+)(ms|s|m)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_OF_ENGINES = {"build", "cap_drop", "image", "init", "ports", "restart", "security_opt", "shm_size"}
"""What only an engine can do, or what the trial does for every service alike."""


class ComposeError(Exception):
    """The file asks for a variable that is not set, or says what is not known here."""


@dataclass(frozen=True)
class Healthcheck:
    """`test` is a command without a shell; times are in seconds."""

    test: Sequence[str]
    interval_s: float
    timeout_s: float
    retries: int
    start_period_s: float


@dataclass(frozen=True)
class Service:
    """One of the file's; `depends_on` says, by name, what each of these must have come to."""

    name: str
    image: str
    is_read_only: bool
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    tmpfs: Sequence[str] = ()
    volumes: Mapping[str, str] = field(default_factory=dict)
    depends_on: Mapping[str, str] = field(default_factory=dict)
    healthcheck: Healthcheck | None = None
    stop_grace_s: float = 10.0
    profiles: Sequence[str] = ()


def services(path: Path, variables: Mapping[str, str]) -> list[Service]:
    """All services, each after those it depends on; `variables` are what `.env` holds.

    Raises:
        ComposeError: as `docker compose` would refuse the file.
    """
    read = _filled(yaml.safe_load(path.read_text("utf-8")), variables)
    found = {name: _service(name, told) for name, told in read["services"].items()}
    ordered: list[Service] = []
    while len(ordered) < len(found):
        names = {service.name for service in ordered}
        ready = [s for s in found.values() if s.name not in names and s.depends_on.keys() <= names]
        if not ready:
            raise ComposeError("Services depend on each other, or on one that is not there.")
        ordered += ready
    return ordered


def _service(name: str, told: dict[str, Any]) -> Service:
    told = {key: value for key, value in told.items() if key not in _OF_ENGINES} | {
        "image": told["image"]
    }
    checked = told.pop("healthcheck", None)
    volumes = dict(reversed(volume.split(":")) for volume in told.pop("volumes", []))
    service = Service(
        name,
        told.pop("image"),
        told.pop("read_only", False),
        command=told.pop("command", ()),
        environment={key: str(value) for key, value in told.pop("environment", {}).items()},
        tmpfs=told.pop("tmpfs", ()),
        volumes=volumes,
        depends_on={on: how["condition"] for on, how in told.pop("depends_on", {}).items()},
        healthcheck=_healthcheck(checked) if checked else None,
        stop_grace_s=_seconds(told.pop("stop_grace_period", "10s")),
        profiles=told.pop("profiles", ()),
    )
    if told:
        raise ComposeError(f"{name}: {', '.join(told)} is not known to this trial.")
    return service


def _healthcheck(told: dict[str, Any]) -> Healthcheck:
    how, *test = told["test"]
    if how != "CMD":
        raise ComposeError(f"A health check of the kind {how} is not known to this trial.")
    times = {key: _seconds(told[key]) for key in ("interval", "timeout", "start_period")}
    return Healthcheck(
        test, times["interval"], times["timeout"], told["retries"], times["start_period"]
    )


def _seconds(told: str) -> float:
    found = _DURATION.fullmatch(told)
    if not found:
        raise ComposeError(f"{told!r} is no duration.")
    return int(found[1]) * _UNITS[found[2]]


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, variables) for each in value]
    return (
        _VARIABLE.sub(lambda name: _value(name, variables), value)
        if isinstance(value, str)
        else value
    )


def _value(name: re.Match[str], variables: Mapping[str, str]) -> str:
    found = variables.get(name[1], "")
    if not found and name[2] == ":?":
        raise ComposeError(f"{name[1]} is not set: {name[3]}.")
    return found or (name[3] if name[2] == ":-" else "")
