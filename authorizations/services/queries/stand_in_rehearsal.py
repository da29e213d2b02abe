"""What stand-in would do if it were switched on: the last hour's approvals, decided without usage.

Each is decided as its row tells: the policies of that time, with what they allow in stand-in today,
and what was left of each limit then. Caps are taken of in the order of the purchases. One host is
assumed: several share caps and purchases alike.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from authorizations.models import DecidedBy, Decision, Policy, PolicyVersion
from authorizations.rules.decision.controls import AppliedControls, SpendingControls
from authorizations.rules.decision.stand_in import (
    StandInContext,
    WindowHeard,
    decide_without_usage,
    windows_to_hear,
)
from authorizations.rules.decision.values import Window, WindowUsage
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.services.host.versions import controls_of
from authorizations.services.store.decision_row import (
    DAMAGED,
    UnreadableRowError,
    applied_of,
    value_of,
)

LOOKED_AT = 1_000
"""So many of the newest decisions are looked at."""

_HOUR = timedelta(hours=1)
_OF_A_ROW = ("decided_at", "request", "policies", "usage")


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Of `approvals` so many would have been approved; `is_cut` where the hour had more.

    `policies` are in force with limits that have a window, of which so many `with_amounts` say
    what may be spent in stand-in.
    """

    approvals: int
    approved: int
    is_cut: bool
    policies: int
    with_amounts: int


def rehearse(now: datetime) -> Rehearsal:
    """Rows that can't be read count as declined, as stand-in declines what it can't look up."""
    newest = Decision.objects.order_by("-webhook_request_id")[:LOOKED_AT].values("pk")
    since = now - _HOUR
    approvals = list(
        Decision.objects.filter(
            pk__in=newest, decided_by=DecidedBy.DESK, approved=True, decided_at__gte=since
        )
        .order_by("webhook_request_id")
        .only(*_OF_A_ROW)
    )
    oldest = Decision.objects.filter(pk__in=newest).order_by("webhook_request_id").first()
    count = Decision.objects.filter(pk__in=newest).count()
    today = _in_force()
    policies = dict(PolicyVersion.objects.values_list("pk", "policy_id"))
    of_version = {version: today[it] for version, it in policies.items() if it in today}
    taken: dict[Window, int] = defaultdict(int)
    return Rehearsal(
        approvals=len(approvals),
        approved=sum(_is_approved(row, of_version, taken) for row in approvals),
        is_cut=count == LOOKED_AT and oldest is not None and oldest.decided_at >= since,
        policies=sum(_has_windows(controls) for controls in today.values()),
        with_amounts=sum(
            _has_windows(controls) and bool(controls.stand_in_amount and controls.stand_in_cap)
            for controls in today.values()
        ),
    )


def _in_force() -> dict[int, SpendingControls]:
    """What policies say today, by their ids."""
    current = dict(
        Policy.objects.exclude(current_version=None).values_list("current_version", "pk")
    )
    found = controls_of(current)
    return {policy: found[version][1] for version, policy in current.items() if version in found}


def _has_windows(controls: SpendingControls) -> bool:
    return any(limit.interval != "per_authorization" for limit in controls.spending_limits)


def _is_approved(
    row: Decision, of_version: dict[int, SpendingControls], taken: dict[Window, int]
) -> bool:
    """Takes of the caps what it approves."""
    try:
        request = value_of(AuthorizationRequest, row.request, "request")
        usage = dict(value_of(list[tuple[Window, WindowUsage]], row.usage, "usage"))
        applied = _as_today(applied_of(row.policies), of_version)
    except (UnreadableRowError, *DAMAGED):
        return False
    began_at = request.merchant if request.ordinal else None
    circumstances = StandInContext(began_at=began_at)
    windows = windows_to_hear(request, circumstances, applied)
    heard = tuple(
        (window, WindowHeard(used=usage.get(window), taken=taken[window])) for window in windows
    )
    decision = decide_without_usage(request, replace(circumstances, heard=heard), applied)
    if decision.approved:
        for window in windows:
            taken[window] += decision.amount
    return decision.approved


def _as_today(
    applied: Iterable[AppliedControls], of_version: dict[int, SpendingControls]
) -> tuple[AppliedControls, ...]:
    """With what the policies of these versions allow in stand-in today."""
    return tuple(
        replace(
            one,
            controls=replace(
                one.controls, stand_in_amount=now.stand_in_amount, stand_in_cap=now.stand_in_cap
            ),
        )
        if (now := of_version.get(one.version_id))
        else one
        for one in applied
    )
