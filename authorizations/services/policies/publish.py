"""Publishing: what operators edited becomes the version that decides from the next request on."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from authorizations.models import Policy, PolicyVersion, ScheduleEntry, SpendingLimit
from authorizations.rules.policy.document import canonical_json, normalize
from authorizations.services.policies.counting_ahead import NOTHING_BEGUN, Begun, begin
from authorizations.services.runtime.actor import acting

_FIELDS = (
    "name", "unlimited", "time_zone", "week_starts", "max_network_risk_score", "partial_approval",
    "smallest_partial_amount", "refunds_restore", "fuel_hold", "stand_in_amount", "stand_in_cap",
    "allowed_categories", "blocked_categories", "allowed_merchant_countries",
    "blocked_merchant_countries", "allowed_merchants", "blocked_merchants",
    "allowed_card_presences", "blocked_card_presences",
    "allowed_authorization_methods", "blocked_authorization_methods", "allowed_wallets",
    "required_verification",
)  # fmt: skip
_BLANK_MEANS_NONE = ("currency", "usable_from", "usable_until")


@dataclass(frozen=True, slots=True)
class Published:
    """The version in force, whether this publishing made it, and what is counted for it."""

    version: PolicyVersion
    is_new: bool
    begun: Begun = NOTHING_BEGUN


@transaction.atomic
def publish(policy: Policy, author: User | None, reason: str = "") -> Published:
    """Make the policy's saved state the version in force; the same as before makes none.

    No card is locked: a purchase that has read its policies under its lock keeps them, and commits
    within 700 ms; one that still waits for its lock is decided by the new version. Raises
    InvalidPolicyError where the policy can't work; then the version in force stays.
    """
    policy = Policy.objects.select_for_update(of=("self",), no_key=True).get(pk=policy.pk)
    content = canonical_json(normalize(document(policy)))
    digest = hashlib.sha256(content).hexdigest()
    last = policy.versions.order_by("-number").first()
    if policy.current_version and policy.current_version.sha256 == digest:
        return Published(policy.current_version, is_new=False, begun=begin(policy))
    version = PolicyVersion.objects.create(
        policy=policy,
        number=last.number + 1 if last else 1,
        author=author,
        reason=reason,
        content=content.decode(),
        sha256=digest,
    )
    with acting(user=author):  # also where a command publishes in somebody's name
        Policy.objects.filter(pk=policy.pk).update(current_version=version)
    return Published(version, is_new=True, begun=begin(policy))


def document(policy: Policy) -> dict[str, Any]:
    """The saved policy in the words of the policy file, not checked yet."""
    return {
        **own_document(policy),
        "schedule": [schedule_document(entry) for entry in policy.schedule.all()],
        "spending_limits": [limit_document(limit) for limit in policy.spending_limits.all()],
    }


def own_document(policy: Policy) -> dict[str, Any]:
    """The policy without its limits and schedule."""
    fields = {name: getattr(policy, name) for name in _FIELDS}
    return fields | {name: getattr(policy, name) or None for name in _BLANK_MEANS_NONE}


def schedule_document(entry: ScheduleEntry) -> dict[str, Any]:
    return {"days": entry.days, "from": entry.start, "to": entry.end}


def limit_document(limit: SpendingLimit) -> dict[str, Any]:
    """A limit, without the keys that say nothing."""
    document = {
        "amount": limit.amount,
        "count": limit.count,
        "currency": limit.currency,
        "interval": limit.interval,
        "categories": limit.categories,
        "countries": limit.countries,
        "merchants": limit.merchants,
        "cash_only": limit.cash_only,
    }
    if limit.rolling_unit:
        document[limit.rolling_unit] = limit.rolling_length
    # Not just what is true: a limit of 0 says a lot.
    return {key: value for key, value in document.items() if value not in ("", [], None)}


@transaction.atomic
def save_document(normal: dict[str, Any]) -> Policy:
    """Save a normal document as the policy of its name; `publish` puts it in force."""
    fields = {name: normal[name] for name in _FIELDS}
    fields |= {name: normal[name] or "" for name in _BLANK_MEANS_NONE}
    policy, _ = Policy.objects.update_or_create(name=normal["name"], defaults=fields)
    entries = [
        ScheduleEntry(policy=policy, days=entry["days"], start=entry["from"], end=entry["to"])
        for entry in normal["schedule"]
    ]
    limits = [_saved_limit(policy, limit) for limit in normal["spending_limits"]]
    _write_anew(policy.schedule, entries, schedule_document)
    _write_anew(policy.spending_limits, limits, limit_document)
    return policy


def _write_anew(rows: Any, wanted: list[Any], document: Callable[[Any], dict[str, Any]]) -> None:
    """Order counts. The first ones that are the same are kept: the history tells of changes."""
    there = list(rows.all())
    pairs = zip(there, wanted, strict=False)
    same = sum(1 for _ in takewhile(lambda pair: document(pair[0]) == document(pair[1]), pairs))
    rows.filter(pk__in=[row.pk for row in there[same:]]).delete()
    rows.bulk_create(wanted[same:])


def _saved_limit(policy: Policy, limit: dict[str, Any]) -> SpendingLimit:
    unit = next((unit for unit in SpendingLimit.Unit.values if limit.get(unit)), "")
    return SpendingLimit(
        policy=policy,
        amount=limit.get("amount"),
        count=limit.get("count"),
        currency=limit.get("currency") or "",
        interval=limit["interval"],
        rolling_length=limit.get(unit),
        rolling_unit=unit,
        categories=limit.get("categories", []),
        countries=limit.get("countries", []),
        merchants=limit.get("merchants", []),
        cash_only=limit.get("cash_only", False),
    )
