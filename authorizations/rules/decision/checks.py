"""The rules about who, where, how and when; amounts and counts are in limits.py.

Each rule a policy sets gives one check, in the order of DeclineReason. What is not told (an
unknown country, say) is never on an allowed list and never on a blocked one.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TypeAlias

from authorizations.rules.basics.clocks import local_time
from authorizations.rules.basics.controls import Choice, OpenHours
from authorizations.rules.basics.filters import CategorySet, Merchant
from authorizations.rules.decision.controls import AppliedControls, SpendingControls
from authorizations.rules.decision.grants import is_granted, why_not_granted
from authorizations.rules.decision.values import Check, DeclineReason, PurchaseContext
from authorizations.rules.purchases.events import AuthorizationRequest

_SHOWN = 8
"""So many entries of a list are named in a trace; the policy version has them all."""

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_VERIFICATIONS = {
    "cvc": (DeclineReason.CVC_REQUIRED, "match"),
    "postal_code": (DeclineReason.POSTAL_CODE_REQUIRED, "match"),
    "three_d_secure": (DeclineReason.THREE_D_SECURE_REQUIRED, "authenticated"),
}

Fact: TypeAlias = tuple[DeclineReason, bool, str | None, str | None]
"""A rule's outcome before it is tied to a policy: rule, passed, found, wanted."""


def card_checks(
    request: AuthorizationRequest, standing: PurchaseContext, applied: Sequence[AppliedControls]
) -> Iterator[Check]:
    """What is asked of every purchase, whatever its policies; told only where it fails."""
    if standing.card_frozen:
        yield Check(DeclineReason.CARD_FROZEN, passed=False)
    if request.card.status != "active":
        found = request.card.status
        yield Check(DeclineReason.CARD_NOT_ACTIVE, passed=False, found=found, wanted="active")
    if not is_granted(request, applied):
        why = why_not_granted(request, applied)
        yield Check(DeclineReason.NO_POLICY, passed=False, found=why)


def policy_checks(request: AuthorizationRequest, policy: AppliedControls) -> Iterator[Check]:
    """A check for each rule the policy sets."""
    for rule, passed, found, wanted in _facts(request, policy.controls):
        yield Check(
            rule, passed, policy.version_id, policy.controls.name, policy.scope, found, wanted
        )


def _facts(request: AuthorizationRequest, controls: SpendingControls) -> Iterator[Fact]:
    yield from _dates(request, controls)
    yield from _currency(request, controls)
    yield from _places(request.asked_at, controls)
    yield from _ways(request, controls)
    yield from _verifications(request, controls)
    yield from _risk(request, controls)
    yield from _schedule(request, controls)


def _dates(request: AuthorizationRequest, controls: SpendingControls) -> Iterator[Fact]:
    at = request.event_created
    zone = controls.time_zone
    if controls.usable_from is not None:
        passed = at >= controls.usable_from
        wanted = f"from {_instant(zone, controls.usable_from)}"
        yield DeclineReason.NOT_YET_USABLE, passed, _instant(zone, at), wanted
    if controls.usable_until is not None:
        passed = at < controls.usable_until
        wanted = f"before {_instant(zone, controls.usable_until)}"
        yield DeclineReason.NO_LONGER_USABLE, passed, _instant(zone, at), wanted


@lru_cache(maxsize=4096)
def _instant(time_zone: str, at: int) -> str:
    return local_time(time_zone, at).isoformat(timespec="minutes")


def _currency(request: AuthorizationRequest, controls: SpendingControls) -> Iterator[Fact]:
    """A policy with amount limits can't vouch for a currency in which it has none."""
    currencies = {limit.currency for limit in controls.spending_limits if limit.amount is not None}
    if currencies:
        passed = request.currency in currencies
        wanted = ", ".join(sorted(currencies))
        yield DeclineReason.CURRENCY_NOT_ALLOWED, passed, request.currency, wanted


def _places(merchant: Merchant, controls: SpendingControls) -> Iterator[Fact]:
    if choice := controls.merchant_countries:
        passed, wanted = _chosen(choice, merchant.country)
        yield DeclineReason.MERCHANT_COUNTRY_NOT_ALLOWED, passed, merchant.country or None, wanted
    allowed, blocked = controls.allowed_categories, controls.blocked_categories
    if allowed or blocked:
        passed = allowed.holds(merchant) if allowed else not blocked.holds(merchant)
        found = f"{merchant.category_code} {merchant.category}".strip() or None
        yield DeclineReason.CATEGORY_NOT_ALLOWED, passed, found, _category_words(allowed, blocked)
    only, never = controls.allowed_merchants, controls.blocked_merchants
    if only or never:
        passed = only.holds(merchant) if only else not never.holds(merchant)
        wanted = _listed("allowed" if only else "blocked", (only or never).words)
        yield DeclineReason.MERCHANT_NOT_ALLOWED, passed, merchant.name or None, wanted


def _ways(request: AuthorizationRequest, controls: SpendingControls) -> Iterator[Fact]:
    if choice := controls.card_presences:
        passed, wanted = _chosen(choice, request.card_presence or "")
        yield DeclineReason.CARD_PRESENCE_NOT_ALLOWED, passed, request.card_presence, wanted
    if choice := controls.authorization_methods:
        passed, wanted = _chosen(choice, request.authorization_method)
        found = request.authorization_method or None
        yield DeclineReason.AUTHORIZATION_METHOD_NOT_ALLOWED, passed, found, wanted
    if controls.allowed_wallets:
        passed, wanted = _chosen(Choice(controls.allowed_wallets), request.wallet or "")
        yield DeclineReason.WALLET_NOT_ALLOWED, passed, request.wallet, wanted


def _verifications(request: AuthorizationRequest, controls: SpendingControls) -> Iterator[Fact]:
    """In person nobody types a CVC or a postal code: there only a wrong one fails."""
    in_person = request.card_presence == "present"
    for name in controls.required_verification:
        rule, wanted = _VERIFICATIONS[name]
        found = getattr(request.verification, name) or None
        passed = found == wanted or (in_person and found in (None, "not_provided"))
        yield rule, passed, found, "not needed in person" if in_person else wanted


def _risk(request: AuthorizationRequest, controls: SpendingControls) -> Iterator[Fact]:
    highest, score = controls.max_network_risk_score, request.network_risk_score
    if highest is not None:
        found = None if score is None else str(score)
        passed = score is None or score <= highest
        yield DeclineReason.NETWORK_RISK_TOO_HIGH, passed, found, f"at most {highest}"


def _schedule(request: AuthorizationRequest, controls: SpendingControls) -> Iterator[Fact]:
    if controls.schedule:
        now = local_time(controls.time_zone, request.event_created)
        minute = now.hour * 60 + now.minute
        passed = any(
            now.weekday() in entry.days and entry.start <= minute < entry.end
            for entry in controls.schedule
        )
        found = f"{_DAYS[now.weekday()].title()} {now.hour:02}:{now.minute:02} {controls.time_zone}"
        yield DeclineReason.OUTSIDE_SCHEDULE, passed, found, _schedule_words(controls.schedule)


@lru_cache(maxsize=1024)
def _chosen_words(choice: Choice) -> str:
    if choice.allowed:
        return _listed("allowed", sorted(choice.allowed))
    return _listed("blocked", sorted(choice.blocked))


def _chosen(choice: Choice, found: str) -> tuple[bool, str]:
    passed = found in choice.allowed if choice.allowed else found not in choice.blocked
    return passed, _chosen_words(choice)


def _listed(kind: str, words: list[str] | tuple[str, ...]) -> str:
    shown = ", ".join(words[:_SHOWN])
    return f"{kind}: {shown}{', …' if len(words) > _SHOWN else ''}"


@lru_cache(maxsize=1024)
def _category_words(allowed: CategorySet, blocked: CategorySet) -> str:
    return _listed("allowed" if allowed else "blocked", (allowed or blocked).words)


@lru_cache(maxsize=1024)
def _schedule_words(schedule: tuple[OpenHours, ...]) -> str:
    return "; ".join(
        f"{' '.join(_DAYS[day] for day in sorted(entry.days))} "
        f"{entry.start // 60:02}:{entry.start % 60:02}-{entry.end // 60:02}:{entry.end % 60:02}"
        for entry in schedule
    )
