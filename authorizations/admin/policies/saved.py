"""What saving a policy tells: what became what, what is in force now, and what may be a slip."""

import json
from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.utils.html import format_html

from authorizations.admin.policies.assigned import target_words
from authorizations.admin.policies.coverage import cards_without_limit
from authorizations.admin.policies.versions import differences_url, version_changes
from authorizations.models import Assignment, PolicyVersion
from authorizations.rules.document import controls, warnings
from authorizations.services.publish import Published

TOLD = 4
"""So many changes are told one by one."""


def tell_what_was_saved(
    request: HttpRequest, before: PolicyVersion | None, published: Published, formsets: Any
) -> None:
    version = published.version
    changes = [*map(str, version_changes(before, version)), *_assigned(formsets)]
    messages.success(request, _told(changes, before, published))
    for formset in formsets:
        for card in getattr(formset, "moved", ()):
            messages.info(
                request,
                f"{card} replaces another card: the policy is assigned to the first card of "
                f"its chain, {card.root_id}, and so to all of them.",
            )
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


def _assigned(formsets: Any) -> Iterator[str]:
    for formset in formsets:
        if formset.model is Assignment:
            come = [*formset.new_objects, *(row for row, _ in formset.changed_objects)]
            yield from (f"Now applies to {target_words(row)}" for row in come)
            gone = formset.deleted_objects
            yield from (f"No longer applies to {target_words(row)}" for row in gone)
