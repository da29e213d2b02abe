"""What a check says."""

from dataclasses import dataclass
from enum import StrEnum


class HealthState(StrEnum):
    """How something is: as it should be, to be looked at, or wrong."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """`sentence` says how it is and, unless that is well, what to do."""

    name: str
    state: HealthState
    sentence: str
