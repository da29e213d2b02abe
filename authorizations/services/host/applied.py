"""The controls that apply to a card, from the assignments of its scopes."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from authorizations.rules.basics.controls import (
    SCOPE_ORDER,
    Exclusion,
    Override,
    Pot,
    Scope,
    measured_scope,
    scope_key,
    scope_of,
)
from authorizations.rules.basics.copies import changed
from authorizations.rules.decision.controls import AppliedControls, with_own
from authorizations.services.host.instructions import (
    NOT_OF_POLICIES,
    Told,
    of_policies,
    pots_of,
)
from authorizations.services.host.versions import Reader, controls_of, from_database


class PolicyInForce(NamedTuple):
    """A version in force at a scope, by its key; `each` as of controls.measured_scope."""

    scope: str
    version_id: int
    each: str = ""


class Instructed(NamedTuple):
    """What is instructed `at` scopes, by their keys, pots among it.

    Own amounts and exclusions are those of `scopes`. `versions` has the version in force by policy.
    """

    at: Mapping[str, Sequence[Told]]
    scopes: Sequence[str] = ()
    versions: Mapping[int, int] = {}


_NOTHING = Instructed({})


class Applied(NamedTuple):
    """The policies that apply, narrowest scope first, and the exclusions that leave out others.

    `shares_cap`: one of these others has a cap for stand-in, maybe of a budget that this card's
    purchases count in all the same.
    """

    policies: tuple[AppliedControls, ...]
    exclusions: tuple[Exclusion, ...] = ()
    shares_cap: bool = False


def applied_to(
    card: Scope,
    cardholder_id: str,
    policies: Sequence[PolicyInForce],
    instructed: Instructed = _NOTHING,
    *,
    read: Reader = from_database,
) -> Applied:
    """The controls in force for a card and its cardholder.

    `card` is the root of the card's chain. `read` loads the versions that this process has not
    cached. Raises KeyError if it doesn't find a version.
    """
    told, scopes, versions = instructed
    own = [one for key in scopes for one in told.get(key, ())] if told else []
    overrides, excluding = of_policies(own, versions) if own else NOT_OF_POLICIES
    exclusions: tuple[Exclusion, ...] = ()
    shares_cap = False
    if excluding:
        policies, exclusions, shares_cap = _without_left_out(policies, excluding, read)
    contents = controls_of((version_id for _, version_id, _ in policies), read)
    applied = []
    for key, version_id, each in policies:
        scope = scope_of(key)
        measured = measured_scope(scope, each, card, cardholder_id)
        number, controls = contents[version_id]
        amounts: tuple[Override, ...] = ()
        funds: tuple[Pot, ...] = ()
        if version_id in overrides:
            # Limits on attempts measure the card, so that any of its scopes' own figures holds.
            of_card = {limit.key for limit in controls.attempt_limits}
            amounts = tuple(
                one
                for one in overrides[version_id]
                if one.limit in of_card or one.reaches(measured)
            )
        if told and (there := told.get(scope_key(measured))):
            funds = pots_of(there, versions).get(version_id, ())
        controls = with_own(controls, amounts, funds)
        applied.append(
            AppliedControls(scope, measured, version_id, number, controls, amounts, funds)
        )
    applied.sort(key=lambda policy: (SCOPE_ORDER[policy.scope.kind], policy.version_id))
    return Applied(tuple(applied), exclusions, shares_cap)


def _without_left_out(
    policies: Sequence[PolicyInForce],
    exclusions: Mapping[tuple[str, int], Sequence[Exclusion]],
    read: Reader,
) -> tuple[Sequence[PolicyInForce], tuple[Exclusion, ...], bool]:
    """The policies that apply, and the exclusions that leave out the others, each with its name.

    The last is as of Applied.shares_cap.
    """
    left_out = [one for one in policies if (one.scope, one.version_id) in exclusions]
    if not left_out:
        return policies, (), False
    contents = controls_of((one.version_id for one in left_out), read)
    found = [
        changed(exclusion, policy=contents[one.version_id][1].name)
        for one in left_out
        for exclusion in exclusions[one.scope, one.version_id]
    ]
    applying = [one for one in policies if one not in left_out]
    shares_cap = any(controls.stand_in_cap for _, controls in contents.values())
    return applying, tuple(sorted(found, key=lambda one: one.id)), shares_cap
