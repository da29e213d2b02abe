"""Reads a decision's row back into the values it was made of."""

import json
from typing import Any

import msgspec

from authorizations.rules.basics.controls import scope_of
from authorizations.rules.decision.controls import (
    AppliedControls,
    SpendingControls,
    with_own,
)
from authorizations.services.host.versions import controls_of
from authorizations.services.runtime import codec
from authorizations.services.store.rows import PolicyRow


class UnreadableRowError(Exception):
    """A part of the row that the decision rested on is missing or damaged."""

    def __init__(self, what: str, kept: object, found: object = "readable") -> None:
        super().__init__(what)
        self.what = what
        self.kept = kept
        self.found = found


def value_of(kind: Any, data: Any, what: str) -> Any:
    """Convert parsed JSON of a row to a value of this kind. Raises UnreadableRowError."""
    try:
        return codec.value(kind, data)
    except msgspec.ValidationError as problem:
        raise UnreadableRowError(what, problem) from None


def applied_of(data: Any) -> tuple[AppliedControls, ...]:
    """The policies the decision was made by, from their versions. Raises UnreadableRowError."""
    policies: list[PolicyRow] = value_of(list[PolicyRow], data, "policies")
    versions: dict[tuple[int, int], tuple[int, SpendingControls]] = {}
    for matching in {policy.matching for policy in policies}:
        try:
            found = controls_of((policy.version for policy in policies), matching=matching)
        except json.JSONDecodeError:
            raise  # a version's content
        except ValueError as unknown:
            raise UnreadableRowError("matching", matching, unknown) from None
        versions |= {(version, matching): controls for version, controls in found.items()}
    for policy in policies:
        number, _ = versions.get((policy.version, policy.matching), (None, None))
        if number != policy.number:
            what = f"number of policy version {policy.version}"
            raise UnreadableRowError(what, policy.number, number)
    applied = []
    for policy in policies:
        number, controls = versions[policy.version, policy.matching]
        applied.append(
            AppliedControls(
                scope_of(policy.scope),
                scope_of(policy.measured),
                policy.version,
                number,
                with_own(controls, policy.overrides, policy.pots),
                tuple(policy.overrides),
                tuple(policy.pots),
                tuple(policy.attempts),
            )
        )
    return tuple(applied)
