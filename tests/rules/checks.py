"""Checks that several tests put into words: €45.00 asked for in November 2026."""

from datetime import UTC, datetime
from typing import Any

from authorizations.rules.basics.clocks import FOREVER
from authorizations.rules.basics.controls import Interval, Scope, ScopeKind
from authorizations.rules.decision.values import Check, DeclineReason, Json, LimitFigures
from authorizations.rules.purchases.events import AuthorizationRequest
from tests.support.builders import authorization_request


def at(month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int:
    """An instant of 2026, UTC."""
    return int(datetime(2026, month, day, hour, minute, second, tzinfo=UTC).timestamp())


NOVEMBER = at(11, 24, 10)
CARD = Scope(ScopeKind.CARD, "ic_marie")
GROUP = Scope(ScopeKind.GROUP, "7")


def request(**overrides: Any) -> AuthorizationRequest:
    """€45.00 asked for in November 2026."""
    usual = {"created": NOVEMBER, "event_created": NOVEMBER + 1, "amount": 4500}
    return authorization_request(**(usual | overrides))


def monthly(**overrides: Any) -> LimitFigures:
    """€480.00 of €500.00 used in November, Paris time, and €45.00 asked."""
    usual = LimitFigures(
        Interval.MONTHLY,
        limit=50000,
        used=48000,
        asked=4500,
        currency="eur",
        start=at(10, 31, 23),
        end=at(11, 30, 23),
        time_zone="Europe/Paris",
    )
    return usual._replace(**overrides)


def hourly(**overrides: Any) -> LimitFigures:
    """5 purchases of at most 5 made in the last 60 minutes."""
    usual = LimitFigures(
        Interval.ROLLING,
        limit=5,
        used=5,
        asked=1,
        currency="",
        start=NOVEMBER - 3599,
        end=FOREVER,
        time_zone="Europe/Paris",
        rolling_seconds=3600,
        available_at=at(11, 24, 10, 30, 1),
    )
    return usual._replace(**overrides)


def amount_check(figures: LimitFigures, scope: Scope = CARD) -> Check:
    passed = figures.exceeded_by <= 0
    rule = DeclineReason.AMOUNT_LIMIT_EXCEEDED
    return Check(rule, passed, 1, "Travel", scope, figures=figures)


def count_check(figures: LimitFigures, scope: Scope = CARD) -> Check:
    rule = DeclineReason.COUNT_LIMIT_EXCEEDED
    return Check(rule, figures.exceeded_by <= 0, 1, "Travel", scope, figures=figures)


def uncounted_check(figures: LimitFigures, scope: Scope = CARD) -> Check:
    """Of a limit whose window is not counted yet: `used` says nothing."""
    rule = DeclineReason.LIMIT_NOT_COUNTED_YET
    return Check(rule, passed=False, version_id=1, policy="Travel", scope=scope, figures=figures)


def rule_check(
    rule: DeclineReason, *, passed: bool, found: Json = None, limit: Json = None
) -> Check:
    return Check(rule, passed, 1, "Travel", CARD, found, limit)
