"""Home: recent decisions, decision times and what needs attention."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from authorizations.admin.home.attention import attention, waiting_items
from authorizations.admin.home.cards import cards
from authorizations.admin.home.charts import charts, rankings
from authorizations.admin.home.shown import Shown
from authorizations.services.cards.grants import all_is_declined
from authorizations.services.digest.overview import overview
from authorizations.services.digest.periods import Length, Period
from authorizations.wire.endpoints import listen_command

Context = dict[str, Any]


def home(request: HttpRequest, context: Context) -> Context:
    """The context of the home page; unfold calls this (DASHBOARD_CALLBACK)."""
    if not request.user.has_perm("authorizations.view_decision"):
        return context | {"state": "closed"}
    now = timezone.localtime()
    word = request.GET.get("period", "")
    asked = Length(word) if word in list(Length) else None
    period = _period(asked or Length.TODAY, now)
    figures = overview(period)
    if figures and not asked and not figures.total.decisions:
        # Today has no decisions: the shortest period with the newest one in it.
        periods = [_period(length, now) for length in Length]
        period = next((p for p in periods if p.start <= figures.newest), periods[0])
        figures = overview(period)
    if figures is None:
        return context | {
            "state": "empty",
            "attention": [*waiting_items(request.user)],
            "listen_command": listen_command(),
            "all_is_declined": all_is_declined(),
        }
    shown = Shown(period, figures, request.GET.get("currency", "").lower())
    return context | {
        "state": "figures" if figures.total.decisions else "quiet",
        "now": now,
        "is_fallback": not asked and period.length is not Length.TODAY,
        "shown": shown,
        "cards": list(cards(shown)),
        "charts": list(charts(shown)),
        "rankings": list(rankings(shown)),
        "attention": list(attention(request.user, shown)),
    }


def _period(length: Length, now: datetime) -> Period:
    return Period.of(length, now, timezone.get_current_timezone())
