"""Planned versions in words, and those of all policies for the list of what is in force."""

from datetime import datetime
from typing import Any

from django.db.models import F
from django.urls import reverse

from authorizations.admin.concurrent.watched import person
from authorizations.admin.shared.links import link
from authorizations.admin.shared.times import exact_time
from authorizations.models import PlannedVersion, Policy, PolicyVersion


def all_planned(policy: Policy | None) -> list[dict[str, Any]]:
    """Every planned version, of one policy or of all, the soonest to end first."""
    plans = PlannedVersion.objects.open().select_related("version__author", "policy")
    if policy:
        plans = plans.filter(policy=policy)
    soonest = plans.order_by(F("ends_at").asc(nulls_last=True), "begins_at")
    return [{"policy": link(plan.policy), **plan_row(plan)} for plan in soonest]


def plan_row(plan: PlannedVersion) -> dict[str, Any]:
    """A planned version for the templates that list them."""
    version = plan.version
    return {
        "link": link(version, f"Version {version.number}"),
        "times": plan_times(plan.begins_at, plan.ends_at),
        "author": person(version.author) if version.author else "a command",
        "reason": version.reason,
        "cancel": _cancel_url(version),
    }


def plan_times(begins_at: datetime, ends_at: datetime | None) -> str:
    """ "from 1 Dec 2026, 00:00:00 UTC until 15 Dec 2026, 00:00:00 UTC"."""
    until = f" until {exact_time(ends_at)}" if ends_at else ""
    return f"from {exact_time(begins_at)}{until}"


def _cancel_url(version: PolicyVersion) -> str:
    """Where a planned version is cancelled."""
    url = reverse("admin:authorizations_policy_cancel", args=[version.policy_id])
    return f"{url}?version={version.number}"
