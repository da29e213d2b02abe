"""Overdue holds: an alarm, for nothing here releases a hold by itself."""

from datetime import datetime
from typing import NamedTuple

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from authorizations.admin.shared.explained import readable
from authorizations.admin.shared.links import card_words, known_or_id, link
from authorizations.admin.shared.times import exact_time
from authorizations.models import Authorization
from authorizations.rules.basics.money import format_money
from authorizations.rules.purchases.horizons import LONG_DAYS, USUAL_DAYS, horizon_days
from authorizations.services.lifecycle.stale_holds import held_amount, oldest_past

SHOWN = 100


class HoldLine(NamedTuple):
    """A hold; `since` leads to its page, `release_url` to where it is released."""

    since: str
    age: str
    over: str
    held: str
    merchant: str
    card: str
    release_url: str


def holds_page(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    rows = list(oldest_past(now).prefetch_related("card")[: SHOWN + 1])
    context = {
        **admin.site.each_context(request),
        "title": "Overdue holds",
        "opts": Authorization._meta,
        "lines": [_line(row, now) for row in rows[:SHOWN]],
        "is_cut": len(rows) > SHOWN,
        "usual_days": USUAL_DAYS,
        "long_days": LONG_DAYS,
        "may_release": request.user.has_perm("authorizations.change_authorization"),
        "list_url": f"{reverse('admin:authorizations_authorization_changelist')}?held=past",
    }
    return TemplateResponse(request, "admin/authorizations/holds.html", context)


def _line(row: Authorization, now: datetime) -> HoldLine:
    days = (now - row.created).days
    over = days - horizon_days(row.category_code)
    held = readable(lambda: held_amount(row))
    release = reverse("admin:authorizations_authorization_release", args=[quote(row.pk)])
    return HoldLine(
        since=link(row, exact_time(row.created)),
        age=f"{days} days",
        over=f"{over} {'day' if over == 1 else 'days'} over" if over else "since today",
        held="Can't be read" if held is None else format_money(held, row.currency),
        merchant=row.merchant_name or "Not told",
        card=known_or_id(row, "card", card_words),
        release_url=f"{release}?from=holds",
    )
