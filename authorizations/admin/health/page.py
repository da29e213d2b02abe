"""Health: the checks of `manage.py doctor`, for users who may see stand-in. Shows no secrets."""

from collections import Counter

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from authorizations.models import StandInSwitch
from authorizations.services.webhook import health
from authorizations.services.webhook.health import HealthState

MAY_SEE = "authorizations.view_standinswitch"
_SHOWN = {
    # In the order of the page.
    HealthState.BAD: ("Wrong", "declined"),
    HealthState.WARN: ("Look", "partial"),
    HealthState.OK: ("Fine", "approved"),
}


def health_page(request: HttpRequest) -> HttpResponse:
    """The checks as this server process finds them now."""
    if not request.user.has_perm(MAY_SEE):
        raise PermissionDenied
    found = health.examine()
    worst = next(state for state in _SHOWN if any(check.state is state for check in found))
    counts = Counter(check.state for check in found)
    bad, warn = counts[HealthState.BAD], counts[HealthState.WARN]
    summary = "Nothing is wrong"
    if bad:
        summary = f"{bad} {'thing is' if bad == 1 else 'things are'} wrong"
    if warn:
        summary += f", and {warn} {'needs' if warn == 1 else 'need'} a look"
    context = {
        **admin.site.each_context(request),
        "title": "Health",
        "opts": StandInSwitch._meta,
        "summary": f"{summary}.",
        "tone": _SHOWN[worst][1],
        "checks": [
            {"word": word, "tone": tone, "name": check.name, "sentence": _html(check.sentence)}
            for state, (word, tone) in _SHOWN.items()
            for check in found
            if check.state is state
        ],
    }
    return TemplateResponse(request, "admin/authorizations/health.html", context)


def _html(sentence: str) -> SafeString:
    """The sentence with text in backquotes as code."""
    parts = enumerate(sentence.split("`"))
    return format_html_join(
        "",
        "{}",
        ((format_html("<code>{}</code>", part) if at % 2 else part,) for at, part in parts),
    )
