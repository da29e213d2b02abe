"""What saving a policy tells: what became what, what is in force now, and what may be a slip."""

import json

from django.contrib import messages
from django.http import HttpRequest
from django.utils.html import format_html

from authorizations.admin.policies.coverage import cards_without_limit
from authorizations.admin.policies.versions import differences_url, version_changes
from authorizations.models import PolicyVersion
from authorizations.rules.policy.document import controls, warnings
from authorizations.services.policies.publish import Published

TOLD = 4
"""So many changes are told one by one."""


def tell_what_was_saved(
    request: HttpRequest, before: PolicyVersion | None, published: Published
) -> None:
    version = published.version
    changes = [*map(str, version_changes(before, version))]
    messages.success(request, _told(changes, before, published))
    value = controls(json.loads(version.content))
    for problem in warnings(value):
        messages.warning(request, problem.message)
    if sentence := cards_without_limit(version.policy_id, value):
        messages.warning(request, sentence)


def _told(changes: list[str], before: PolicyVersion | None, published: Published) -> str:
    """ "Monthly limit: €500.00 → €1,250.00. Version 3 is in force from the next purchase on."."""
    version = published.version
    if published.is_new:
        force = f"Version {version.number} is in force from the next purchase on."
    else:
        force = f"Nothing changed in the rules: version {version.number} stays in force."
    text = " ".join([*(f"{change}." for change in changes[:TOLD]), force])
    if len(changes) <= TOLD or before is None:
        return text
    url, more = differences_url(version.policy_id, before, version), len(changes) - TOLD
    return format_html(
        '{} <a href="{}" class="underline">See {} more changes.</a>', text, url, more
    )
