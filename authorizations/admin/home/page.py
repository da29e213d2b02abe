"""Home: what was decided lately, how fast, and what needs somebody's attention."""

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
    """Fill the first page; unfold calls this (DASHBOARD_CALLBACK)."""
    if not request.user.has_perm("authorizations.view_decision"):
        return context | {"state": "closed"}
    now = timezone.localtime()
    asked = _length(request.GET.get("period", ""))
    period = _period(asked or Length.TODAY, now)
    figures = overview(period)
    if figures and not asked and not figures.total.decisions:
        period = _shortest_since(figures.newest, now)
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
        "attention": attention(request.user, shown),
    }


def _length(word: str) -> Length | None:
    return Length(word) if word in list(Length) else None


def _period(length: Length, now: datetime) -> Period:
    return Period.of(length, now, timezone.get_current_timezone())


def _shortest_since(newest: datetime, now: datetime) -> Period:
    """The shortest period with the newest decision in it; today where none goes back so far."""
    periods = [_period(length, now) for length in Length]
    return next((period for period in periods if period.start <= newest), periods[0])
