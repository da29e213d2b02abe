"""Shows what stand-in would do: the last hour's approvals, decided again without the database.

Each is decided from its row: by the policies of that time, with the stand-in settings they have
today, and by what remained of each limit then. Caps are used up in the order of the purchases. One
host is assumed; with several, each has its share of caps and purchases.
"""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from authorizations.models import DecidedBy, Decision, Policy, PolicyVersion
from authorizations.rules.decision.controls import SpendingControls
from authorizations.rules.decision.stand_in import (
    HostWindow,
    StandInContext,
    decide_without_usage,
    windows_needed,
)
from authorizations.rules.decision.values import Window, WindowUsage
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.services.host.versions import controls_of
from authorizations.services.runtime.codec import DAMAGED
from authorizations.services.store.decision_row import (
    UnreadableRowError,
    applied_of,
    value_of,
)

LOOKED_AT = 1_000
"""Maximum decisions that are read, the newest ones."""

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The number of `approvals`, and how many of them stand-in would have `approved`.

    `is_cut`: the hour had more decisions than are read. `policies` is the number of policies in
    force with limits that have a window; `with_amounts` of them have emergency limits.
    """

    approvals: int
    approved: int
    is_cut: bool
    policies: int
    with_amounts: int


def rehearse(now: datetime) -> Rehearsal:
    """Rehearse for the hour before `now`. Rows that can't be read count as declined."""
    newest = Decision.objects.order_by("-webhook_request_id")[:LOOKED_AT].values("pk")
    since = now - _HOUR
    approvals = list(
        Decision.objects.filter(
            pk__in=newest, decided_by=DecidedBy.DESK, approved=True, decided_at__gte=since
        )
        .order_by("webhook_request_id")
        .only("decided_at", "request", "policies", "usage")
    )
    oldest = Decision.objects.filter(pk__in=newest).order_by("webhook_request_id").first()
    count = Decision.objects.filter(pk__in=newest).count()
    in_force = Policy.objects.versions_in_force()
    controls = controls_of(in_force.values())
    today = {policy: controls[it][1] for policy, it in in_force.items() if it in controls}
    policies = dict(PolicyVersion.objects.values_list("pk", "policy_id"))
    by_version = {version: today[it] for version, it in policies.items() if it in today}
    used: dict[Window, int] = defaultdict(int)
    return Rehearsal(
        approvals=len(approvals),
        approved=sum(_is_approved(row, by_version, used) for row in approvals),
        is_cut=count == LOOKED_AT and oldest is not None and oldest.decided_at >= since,
        policies=sum(_has_windows(controls) for controls in today.values()),
        with_amounts=sum(
            _has_windows(controls) and bool(controls.stand_in_amount and controls.stand_in_cap)
            for controls in today.values()
        ),
    )


def _has_windows(controls: SpendingControls) -> bool:
    return any(limit.interval != "per_authorization" for limit in controls.spending_limits)


def _is_approved(
    row: Decision, by_version: dict[int, SpendingControls], used: dict[Window, int]
) -> bool:
    """Whether stand-in would approve it; adds what it approves to `used`.

    `by_version` has today's controls of the policy that each version belongs to.
    """
    try:
        request = value_of(AuthorizationRequest, row.request, "request")
        usage = dict(value_of(list[tuple[Window, WindowUsage]], row.usage, "usage"))
        applied = []
        for one in applied_of(row.policies):
            if now := by_version.get(one.version_id):
                controls = replace(
                    one.controls, stand_in_amount=now.stand_in_amount, stand_in_cap=now.stand_in_cap
                )
                applied.append(replace(one, controls=controls))
            else:
                applied.append(one)
    except (UnreadableRowError, *DAMAGED):
        return False
    context = StandInContext(began_at=request.merchant if request.request_index else None)
    windows = windows_needed(request, context, tuple(applied))
    known = tuple(
        (window, HostWindow(used=usage.get(window), taken=used[window])) for window in windows
    )
    decision = decide_without_usage(request, replace(context, windows=known), tuple(applied))
    if decision.approved:
        for window in windows:
            used[window] += decision.amount
    return decision.approved
