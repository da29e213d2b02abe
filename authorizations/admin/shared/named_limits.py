"""The limits that rows name by policy and key: pages show them in words, as keys are for files."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from authorizations.models import Policy
from authorizations.rules.basics.controls import LimitControl
from authorizations.services.host.versions import controls_of

NamedLimits: TypeAlias = Mapping[tuple[str, str], LimitControl]
"""Limits by the name of their policy and their key."""


def named_limits(policies: Iterable[str]) -> NamedLimits:
    """The limits of the versions in force of the policies with these names, in two queries."""
    if not (names := set(policies)):
        return {}
    in_force = Policy.objects.filter(name__in=names).in_force()
    versions = dict(in_force.values_list("name", "in_force_id"))  # type: ignore[misc]
    controls = controls_of(versions.values())
    return {
        (name, limit.key): limit
        for name, version_id in versions.items()
        for limit in controls[version_id][1].limits
    }
