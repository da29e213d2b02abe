"""The result of a health check."""

from dataclasses import dataclass
from enum import StrEnum


class HealthState(StrEnum):
    """Whether something is right, needs attention, or is wrong."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A result; `sentence` says how things are and, unless the state is OK, what to do."""

    name: str
    state: HealthState
    sentence: str
