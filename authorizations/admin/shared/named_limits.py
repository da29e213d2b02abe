"""The policies and limits that rows name by id and key: pages show them in words."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from authorizations.models import Policy
from authorizations.rules.basics.controls import LimitControl
from authorizations.services.host.versions import controls_of


class NamedLimits(NamedTuple):
    """The present names of policies by their ids, and their limits by id and key."""

    policies: Mapping[int, str]
    limits: Mapping[tuple[int, str], LimitControl]


def named_limits(policies: Iterable[int]) -> NamedLimits:
    """The names of the policies with these ids, and the limits of their versions in force."""
    if not (ids := set(policies)):
        return NamedLimits({}, {})
    rows = Policy.objects.filter(pk__in=ids)
    in_force = list(rows.in_force().values_list("pk", "name", "in_force_id"))  # type: ignore[misc]
    names = {policy: name for policy, name, _ in in_force}
    if names.keys() != ids:
        names = dict(rows.values_list("pk", "name"))
    versions = {policy: version for policy, _, version in in_force}
    controls = controls_of(versions.values())
    limits = {
        (policy, limit.key): limit
        for policy, version_id in versions.items()
        for limit in controls[version_id][1].limits
    }
    return NamedLimits(names, limits)
