"""The page of overdue holds. It only reports them: nothing is released automatically."""

from datetime import datetime
from typing import NamedTuple

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from authorizations.admin.shared.explained import readable
from authorizations.admin.shared.links import UNKNOWN, card_words, link, link_or_id
from authorizations.admin.shared.times import exact_time
from authorizations.models import Authorization
from authorizations.rules.basics.money import format_money
from authorizations.rules.purchases.horizons import LONG_DAYS, USUAL_DAYS, horizon_days
from authorizations.services.lifecycle.stale_holds import held_amount, oldest_overdue

MAX_LINES = 100
"""Maximum holds on the page."""


class HoldLine(NamedTuple):
    """An overdue hold; `since` links to the purchase, `release_url` to the form to release it."""

    since: str
    age: str
    overdue: str
    held: str
    merchant: str
    card: str
    release_url: str


def holds_page(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    rows = list(oldest_overdue(now).prefetch_related("card")[: MAX_LINES + 1])
    context = {
        **admin.site.each_context(request),
        "title": "Overdue holds",
        "opts": Authorization._meta,
        "lines": [_hold_line(row, now) for row in rows[:MAX_LINES]],
        "is_cut": len(rows) > MAX_LINES,
        "usual_days": USUAL_DAYS,
        "long_days": LONG_DAYS,
        "may_release": request.user.has_perm("authorizations.change_authorization"),
        "list_url": f"{reverse('admin:authorizations_authorization_changelist')}?held=past",
    }
    return TemplateResponse(request, "admin/authorizations/holds.html", context)


def _hold_line(row: Authorization, now: datetime) -> HoldLine:
    days = (now - row.created).days
    overdue = days - horizon_days(row.category_code)
    unit = "day" if overdue == 1 else "days"
    held = readable(lambda: held_amount(row))
    release = reverse("admin:authorizations_authorization_release", args=[quote(row.pk)])
    return HoldLine(
        since=link(row, exact_time(row.created)),
        age=f"{days} days",
        overdue=f"{overdue} {unit} overdue" if overdue else "since today",
        held="Can't be read" if held is None else format_money(held, row.currency),
        merchant=row.merchant_name or UNKNOWN,
        card=link_or_id(row, "card", card_words),
        release_url=f"{release}?from=holds",
    )
