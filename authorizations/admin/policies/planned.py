"""Planned versions of policies on their pages and lists, and the page that cancels one."""

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from authorizations.admin.policies.assignments import policy_of
from authorizations.admin.policies.versions import version_changes
from authorizations.admin.shared import asking
from authorizations.admin.shared.asking import UnconfirmedError
from authorizations.admin.shared.links import staff
from authorizations.admin.shared.reasons import ReasonForm
from authorizations.admin.shared.times import exact_time
from authorizations.admin.stops.planned import plan_row, plan_times
from authorizations.models import PlannedVersion, Policy
from authorizations.rules.policy.differences import LABELS
from authorizations.rules.policy.tenures import Tenure, changes_after, in_force_at
from authorizations.services.cards import grants
from authorizations.services.policies import planned

MAY_PLAN = "authorizations.change_policy"


def with_plans(policies: QuerySet[Policy]) -> QuerySet[Policy]:
    """Policies with their plans, so that lists ask for those of all rows at once."""
    plans = PlannedVersion.objects.open().select_related("version__author")
    return policies.prefetch_related(Prefetch("plans", plans, to_attr="open_plans"))


def turn_words(policy: Policy) -> str:
    """What is in force and what follows: "4 until 15 Dec 2026, 00:00:00 UTC, then 3"; or "3"."""
    now, tenures = timezone.now(), planned.tenures(policy)
    present = in_force_at(tenures, now)
    following = changes_after(tenures, now)
    if not following:
        return str(present.number) if present else ""
    at, after = following[0]
    return f"{_number(present)} until {exact_time(at)}, then {_number(after)}"


def _number(tenure: Tenure | None) -> str:
    return str(tenure.number) if tenure else "none"


def beside_words(policy: Policy, *, is_planned: bool) -> str:
    """What publishing a version does to those that are planned, and they to it; "" without any."""
    now = timezone.now()
    found = []
    for plan in policy.listed_plans:
        name = (
            f"Version {plan.version.number} is planned {plan_times(plan.begins_at, plan.ends_at)}"
        )
        if is_planned:
            found.append(f"{name}: of both the one that begins last is in force.")
        elif plan.begins_at <= now:
            found.append(f"{name}: the one that you save replaces it at once, and for good.")
        elif plan.ends_at:
            found.append(f"{name}: the one that you save yields to it then, and returns.")
        else:
            found.append(f"{name}: the one that you save yields to it then.")
    return " ".join(found)


def planned_rows(policy: Policy) -> list[dict[str, Any]]:
    """Each planned version for the policy's page, with what it changes of the one without plan."""
    return [
        {
            **plan_row(plan),
            # It keeps the name that its policy had when it was planned, and renames nothing.
            "changes": [
                edit
                for edit in version_changes(policy.current_version, plan.version)
                if edit.what != LABELS["name"]
            ],
            "is_first": policy.current_version is None,
        }
        for plan in policy.listed_plans
    ]


def cancel_page(request: HttpRequest, object_id: int) -> HttpResponse:
    """Ask why, and about the cards that it concerns, then cancel the version of the address."""
    policy = policy_of(request, object_id, MAY_PLAN)
    plans = {
        str(plan.version.number): plan
        for plan in policy.plans.select_related("version").order_by("version")
    }
    found = plans.get(request.GET.get("version", ""))
    if found is None:
        raise Http404
    number = found.version.number
    form = asking.form(request, ReasonForm)
    back = reverse("admin:authorizations_policy_change", args=[policy.pk])
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                granted = grants.of_policy(policy)
                done = planned.cancel(
                    found.version, by=staff(request), reason=form.cleaned_data["reason"]
                )
                changed = grants.policy_changed(policy, granted, grants.of_policy(policy))
                asking.require(request, gained=changed.gained, lost=changed.lost)
        except UnconfirmedError as unconfirmed:
            asking.ask(request, unconfirmed)
            form = asking.form(request, ReasonForm)
        else:
            if done:
                messages.success(request, f"Version {number} is no longer planned.")
            else:
                messages.info(request, "Nothing to do: it is not planned any more.")
            return HttpResponseRedirect(back)
    times = plan_times(found.begins_at, found.ends_at)
    then = "Cancelled, it decides nothing from the next purchase on."
    if found.begins_at > timezone.now():
        then = "Cancelled, it never comes into force."
    return asking.page(
        request,
        form,
        about=Policy,
        original=policy,
        title="Cancel a planned version",
        button="Cancel it",
        effect=f"Version {number} of {policy.name} is planned {times}. {then}",
        back=back,
    )
