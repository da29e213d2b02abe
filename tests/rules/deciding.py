"""Decisions without a database: policies in the words of their file, and usage by hand."""

from datetime import datetime
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import settings

from authorizations.rules.basics.clocks import FOREVER
from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.rules.decision.controls import AppliedControls, AttemptsUsed
from authorizations.rules.decision.decide import decide
from authorizations.rules.decision.values import (
    NO_USAGE,
    DeclineReason,
    PurchaseContext,
    Verdict,
    WindowUsage,
)
from authorizations.rules.decision.windows import windows_for
from authorizations.rules.policy.document import controls, normalize
from authorizations.rules.purchases.events import AuthorizationRequest
from tests.support.documents import policy

CARD = Scope(ScopeKind.CARD, "ic_marie")
SCOPES = {
    kind: CARD if kind is ScopeKind.CARD else Scope(kind, "" if kind is ScopeKind.PROGRAM else "1")
    for kind in ScopeKind
}

NEW = PurchaseContext()
"""How a purchase stands that nothing was approved of yet."""

THOROUGHLY = settings(max_examples=200)

_versions = count(1)


def instant(wall_clock: str, zone: str = "UTC", *, fold: int = 0) -> int:
    """Unix seconds of "2026-11-18 12:00" in a zone; `fold` 1 where a clock shows it again."""
    shown = datetime.fromisoformat(wall_clock)
    return int(shown.replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp())


def applied(kind: ScopeKind = ScopeKind.CARD, /, **keys: Any) -> AppliedControls:
    """A policy in force, with these keys of the policy file; a new version each time.

    It grants every purchase, unless `unlimited` says otherwise: most rules are tried by what they
    forbid. Its limits on attempts have counted two.
    """
    scope = SCOPES[kind]
    measured = CARD if kind is ScopeKind.PROGRAM else scope
    version = next(_versions)
    value = controls(normalize(policy(name=f"Policy {version}", unlimited=True) | keys))
    attempts = (AttemptsUsed(limit.key, 2, 0, FOREVER) for limit in value.attempt_limits)
    return AppliedControls(scope, measured, version, 1, value, attempts=tuple(attempts))


def decided(
    request: AuthorizationRequest,
    *policies: AppliedControls,
    context: PurchaseContext = NEW,
    usage: WindowUsage = NO_USAGE,
) -> Verdict:
    """The decision where every window has the same usage."""
    windows = windows_for(request, policies)
    return decide(request, context, policies, dict.fromkeys(windows, usage))


def reason(request: AuthorizationRequest, /, **keys: Any) -> DeclineReason | None:
    """Why one policy with these keys declines; None where it approves."""
    return decided(request, applied(**keys)).reason
