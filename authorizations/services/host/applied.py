"""The controls that apply to a card, from the assignments of its scopes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from authorizations.rules.basics.controls import (
    SCOPE_ORDER,
    Exclusion,
    Override,
    Pot,
    Scope,
    measured_scope,
    scope_of,
)
from authorizations.rules.decision.controls import AppliedControls, with_overrides, with_pots
from authorizations.services.host.versions import Reader, controls_of, from_database

NO_EXCLUSIONS: Mapping[tuple[str, int], Sequence[Exclusion]] = {}
NO_OVERRIDES: Mapping[int, Sequence[Override]] = {}
PotsOf: TypeAlias = Callable[[Scope], Mapping[int, Sequence[Pot]]]
"""The pots of a scope that is measured, by the version whose limits they are for."""


def no_pots(_: Scope) -> Mapping[int, Sequence[Pot]]:
    return {}


class PolicyInForce(NamedTuple):
    """A version in force at a scope, by its key; `each` as of controls.measured_scope."""

    scope: str
    version_id: int
    each: str = ""


def without_left_out(
    policies: Sequence[PolicyInForce],
    exclusions: Mapping[tuple[str, int], Sequence[Exclusion]],
    read: Reader = from_database,
) -> tuple[Sequence[PolicyInForce], tuple[Exclusion, ...]]:
    """The policies that apply, and the exclusions that leave out the others, each with its name.

    `exclusions` are those of a purchase's scopes, as instructions.exclusions_of has them; `read` is
    as of `applied_controls`.
    """
    left_out = [one for one in policies if (one.scope, one.version_id) in exclusions]
    if not left_out:
        return policies, ()
    versions = controls_of((one.version_id for one in left_out), read)
    found = [
        replace(exclusion, policy=versions[one.version_id][1].name)
        for one in left_out
        for exclusion in exclusions[one.scope, one.version_id]
    ]
    applying = [one for one in policies if one not in left_out]
    return applying, tuple(sorted(found, key=lambda one: one.id))


def applied_controls(
    policies: Sequence[PolicyInForce],
    card: Scope,
    cardholder_id: str,
    *,
    read: Reader = from_database,
    overrides: Mapping[int, Sequence[Override]] = NO_OVERRIDES,
    pots: PotsOf = no_pots,
) -> tuple[AppliedControls, ...]:
    """The controls in force for a card and its cardholder, narrowest scope first.

    `card` is the root of the card's chain. `read` loads the versions that this process has not
    cached. `overrides` are the scopes' own amounts, by the version whose limits they change, and
    `pots` their funds. Raises KeyError if `read` doesn't find a version.
    """
    versions = controls_of((version_id for _, version_id, _ in policies), read)
    applied = []
    for key, version_id, each in policies:
        scope = scope_of(key)
        measured = measured_scope(scope, each, card, cardholder_id)
        number, controls = versions[version_id]
        # Limits on attempts measure the card, so that any of its scopes' own figures holds.
        of_card = {limit.key for limit in controls.attempt_limits}
        own = [
            one
            for one in overrides.get(version_id, ())
            if one.limit in of_card or one.reaches(measured)
        ]
        policy = AppliedControls(scope, measured, version_id, number, controls)
        funds = pots(measured).get(version_id, ())
        applied.append(with_pots(with_overrides(policy, own), funds))
    return tuple(
        sorted(applied, key=lambda policy: (SCOPE_ORDER[policy.scope.kind], policy.version_id))
    )
