"""The page with the differences between any two versions of a policy."""

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from authorizations.admin.policies.versions import author, version_changes
from authorizations.admin.shared.times import exact_time
from authorizations.admin.shared.types import ModelAdmin
from authorizations.models import Policy


def differences_page(
    admin: ModelAdmin[Policy], request: HttpRequest, object_id: str
) -> HttpResponse:
    """`?from=2&to=5`; the defaults are the last version and the one before it."""
    policy = admin.get_object(request, object_id)
    if not admin.has_view_or_change_permission(request, policy):
        raise PermissionDenied
    if policy is None:
        raise Http404
    versions = list(policy.versions.select_related("author").order_by("-number"))
    by_number = {str(version.number): version for version in versions}
    after = by_number.get(request.GET.get("to", ""), versions[0] if versions else None)
    one_before = next((it for it in versions if after and it.number < after.number), after)
    before = by_number.get(request.GET.get("from", ""), one_before)
    context = {
        **admin.admin_site.each_context(request),
        "title": "Differences between versions",
        "opts": admin.opts,
        "original": policy,
        "options": [
            (it.number, f"Version {it.number}, {exact_time(it.created_at)}, {author(it)}")
            for it in versions
        ],
        "before": before,
        "after": after,
        "changes": version_changes(before, after) if before and after else (),
    }
    return TemplateResponse(request, "admin/authorizations/policy_differences.html", context)
