"""The messages after saving a policy: its changes, the version in force, and warnings."""

import json

from django.contrib import messages
from django.http import HttpRequest
from django.utils.html import format_html

from authorizations.admin.policies.coverage import cards_without_limit
from authorizations.admin.policies.versions import differences_url, version_changes
from authorizations.admin.stops.planned import plan_times
from authorizations.models import PolicyVersion
from authorizations.rules.policy.document import controls, warnings
from authorizations.services.policies.publish import Published

MAX_CHANGES = 4
"""Maximum changes in the message; the rest are behind a link."""


def add_messages(request: HttpRequest, before: PolicyVersion | None, published: Published) -> None:
    """Add the messages; `before` is the version that was in force."""
    version = published.version
    changes = [*map(str, version_changes(before, version))]
    if hasattr(version, "plan"):
        times = plan_times(version.plan.begins_at, version.plan.ends_at)
        force = f"Version {version.number} is planned {times}."
    elif published.is_new:
        force = f"Version {version.number} is in force from the next purchase on."
    else:
        force = f"Nothing changed in the rules: version {version.number} stays in force."
    text = " ".join([*(f"{change}." for change in changes[:MAX_CHANGES]), force])
    if before and len(changes) > MAX_CHANGES:
        url, more = differences_url(version.policy_id, before, version), len(changes) - MAX_CHANGES
        text = format_html(
            '{} <a href="{}" class="underline">See {} more changes.</a>', text, url, more
        )
    messages.success(request, text)
    value = controls(json.loads(version.content))
    for problem in warnings(value):
        messages.warning(request, problem.message)
    if sentence := cards_without_limit(version.policy_id, value):
        messages.warning(request, sentence)
