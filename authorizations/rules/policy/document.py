"""A policy as people write it in a file or a form, and as the value that decisions use.

Three forms: the document (anything that came out of JSON), the normal document (checked, every
key present, one way to write each meaning) and SpendingControls. The words are those of Stripe's
spending_controls, and ours where Stripe has none. Nothing here knows the time of day.
"""

from collections.abc import Callable, Mapping
from typing import Any

from authorizations.rules.basics.controls import Choice, OpenHours, Weekday
from authorizations.rules.basics.fields import Fields, PolicyProblems, Problem, path_text
from authorizations.rules.basics.filters import MATCHING, CategorySet, MerchantSet
from authorizations.rules.basics.merchant_entries import merchants
from authorizations.rules.basics.money import MAX_AMOUNT
from authorizations.rules.basics.parsing import (
    category,
    clock,
    country,
    currency,
    end_second,
    first_second,
    flag,
    moment,
    one_of,
    text,
    time_zone,
    whole_number,
)
from authorizations.rules.decision.controls import SpendingControls
from authorizations.rules.policy.document_limits import (
    filter_of,
    json_text,
    limit_value,
    normal_limits,
)
from authorizations.rules.policy.document_warnings import warnings

__all__ = [
    "PolicyProblems",
    "Problem",
    "canonical_json",
    "controls",
    "filter_of",
    "normalize",
    "path_text",
    "warnings",
]

NAME_LENGTH = 100
MOST_SCHEDULE_ENTRIES = 50
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CARD_PRESENCES = ("present", "not_present")
AUTHORIZATION_METHODS = ("chip", "contactless", "keyed_in", "online", "swipe")
WALLETS = ("apple_pay", "google_pay", "samsung_pay")
VERIFICATIONS = ("cvc", "postal_code", "three_d_secure")


def _words(convert: Callable[[object], str]) -> Callable[[Fields, str], list[Any]]:
    return lambda fields, key: fields.words(key, convert)


_PAIRS: dict[str, Callable[[Fields, str], list[Any]]] = {
    "categories": _words(category),
    "merchant_countries": _words(country),
    "merchants": merchants,
    "card_presences": _words(one_of("card presence", CARD_PRESENCES)),
    "authorization_methods": _words(one_of("authorization method", AUTHORIZATION_METHODS)),
}
"""Lists that exist as allowed_… and as blocked_…, of which one may be set."""

_KEYS = (
    *("name", "currency", "unlimited", "time_zone", "week_starts"),
    *(f"{side}_{what}" for what in _PAIRS for side in ("allowed", "blocked")),
    *("required_verification", "max_network_risk_score", "schedule", "usable_from"),
    *("usable_until", "partial_approval", "smallest_partial_amount", "refunds_restore"),
    *("fuel_hold", "stand_in_amount", "stand_in_cap", "allowed_wallets", "spending_limits"),
)


def normalize(document: object) -> dict[str, Any]:
    """The document checked and in its normal form; documents that mean the same become the same.

    Raises PolicyProblems with everything that is wrong.
    """
    if not isinstance(document, Mapping):
        raise PolicyProblems([Problem((), "A policy is an object in braces: {…}.")])
    fields = Fields(document, (), [])
    fields.refuse_others(_KEYS)
    normal = _normal_policy(fields)
    if fields.problems:
        raise PolicyProblems(fields.problems)
    return {key: normal[key] for key in _KEYS}


def _normal_policy(fields: Fields) -> dict[str, Any]:
    risk = whole_number(1, 99, "Give the highest score as a whole number from 1 to 99.")
    weekday = one_of("weekday", Weekday)
    return {
        "name": _name(fields),
        "currency": (policy_currency := fields.value("currency", currency, None)),
        "unlimited": fields.value("unlimited", flag, default=False),
        "time_zone": (zone_name := fields.value("time_zone", time_zone, "UTC")),
        "week_starts": fields.value("week_starts", weekday, Weekday.SUNDAY.value),
        **_normal_pairs(fields),
        "required_verification": fields.words(
            "required_verification", one_of("verification", VERIFICATIONS)
        ),
        "max_network_risk_score": fields.value("max_network_risk_score", risk, None),
        "schedule": _normal_schedule(fields),
        **_normal_dates(fields, zone_name),
        **_normal_partial(fields, policy_currency),
        "refunds_restore": fields.value("refunds_restore", flag, default=True),
        "fuel_hold": _money(fields, "fuel_hold", policy_currency),
        **_normal_stand_in(fields, policy_currency),
        "allowed_wallets": fields.words("allowed_wallets", one_of("wallet", WALLETS)),
        "spending_limits": normal_limits(fields, policy_currency),
    }


def _name(fields: Fields) -> str:
    if not fields.has("name"):
        fields.problem("name", "Give the policy a name.")
    return fields.value("name", text(NAME_LENGTH), "")


def _normal_pairs(fields: Fields) -> dict[str, list[Any]]:
    normal = {}
    for what, read in _PAIRS.items():
        allowed, blocked = f"allowed_{what}", f"blocked_{what}"
        normal[allowed] = read(fields, allowed)
        normal[blocked] = read(fields, blocked)
        if fields.data.get(allowed) and fields.data.get(blocked):
            plain = what.replace("_", " ")
            fields.problem(blocked, f"Give allowed or blocked {plain}, not both.")
    return normal


def _normal_schedule(fields: Fields) -> list[dict[str, Any]]:
    """Sorted by day and time, each entry once."""
    entries: list[dict[str, Any]] = []
    for fields_of_entry in fields.objects("schedule", MOST_SCHEDULE_ENTRIES):
        entry = _normal_entry(fields_of_entry)
        if entry not in entries:
            entries.append(entry)
    return sorted(entries, key=lambda e: ([DAYS.index(d) for d in e["days"]], e["from"], e["to"]))


def _normal_entry(fields: Fields) -> dict[str, Any]:
    fields.refuse_others(("days", "from", "to"))
    days = sorted(fields.words("days", one_of("day", DAYS)), key=DAYS.index)
    if not fields.has("days") or fields.data["days"] == []:
        fields.problem("days", f"Say on which days: {', '.join(DAYS)}.")
    start, end = fields.value("from", clock, ""), fields.value("to", clock, "")
    for key in ("from", "to"):
        if not fields.has(key):
            fields.problem(key, 'Give the time as "08:00"; a day is from "00:00" to "24:00".')
    if start and end and start >= end:
        fields.problem(
            "to",
            f"{end} is not after {start}: for hours past midnight make two entries, "
            'one to "24:00" and one from "00:00" on the following days.',
        )
    return {"days": days, "from": start, "to": end}


def _normal_dates(fields: Fields, zone_name: str) -> dict[str, str | None]:
    first = fields.value("usable_from", moment, None)
    last = fields.value("usable_until", moment, None)
    if first and last and first_second(first, zone_name) >= end_second(last, zone_name):
        fields.problem("usable_until", "This is not after usable_from: no card could ever pay.")
    return {"usable_from": first, "usable_until": last}


def _normal_partial(fields: Fields, policy_currency: str | None) -> dict[str, Any]:
    partial = fields.value("partial_approval", flag, default=False)
    key = "smallest_partial_amount"
    if fields.has(key) and not fields.data.get("partial_approval"):
        fields.problem(key, 'Only with "partial_approval": true; set that, or leave this out.')
    return {"partial_approval": partial, key: _money(fields, key, policy_currency)}


def _normal_stand_in(fields: Fields, policy_currency: str | None) -> dict[str, int | None]:
    """What may be spent while the database is away: so much a purchase, and in all."""
    keys = ("stand_in_amount", "stand_in_cap")
    amount, cap = (_money(fields, key, policy_currency) for key in keys)
    for key, other in (keys, keys[::-1]):
        if fields.has(other) and not fields.has(key):
            fields.problem(
                key,
                "Give this as well, or neither: so much a purchase and so much a card go together.",
            )
    if amount and cap and amount > cap:
        fields.problem(keys[1], "Make this at least as much as one purchase may take.")
    return dict(zip(keys, (amount, cap), strict=True))


def _money(fields: Fields, key: str, policy_currency: str | None) -> int | None:
    """An amount in the policy's currency, or none."""
    wrong = "Give the amount as a whole number in the smallest unit, such as 500 for €5.00."
    if fields.has(key) and not policy_currency and not fields.has("currency"):
        fields.problem(key, 'Say in which currency: give the policy a "currency".')
    return fields.value(key, whole_number(1, MAX_AMOUNT, wrong), None)


def canonical_json(normal: Mapping[str, Any]) -> bytes:
    """The bytes that stand for a normal document, whatever the order of its keys: hash these."""
    return json_text(normal).encode()


def controls(normal: Mapping[str, Any], matching: int = MATCHING) -> SpendingControls:
    """A normal document as the value decisions use. Checks nothing: `normalize` did.

    `matching` is that of the decision it is for. ValueError for one that is unknown here.
    """
    policy_currency, zone_name = normal["currency"] or "", normal["time_zone"]
    first, last = normal["usable_from"], normal["usable_until"]
    return SpendingControls(
        name=normal["name"],
        currency=policy_currency,
        unlimited=normal["unlimited"],
        time_zone=zone_name,
        week_starts=Weekday(normal["week_starts"]),
        allowed_categories=CategorySet.of(normal["allowed_categories"]),
        blocked_categories=CategorySet.of(normal["blocked_categories"]),
        merchant_countries=_choice(normal, "merchant_countries"),
        allowed_merchants=MerchantSet.of(normal["allowed_merchants"], matching),
        blocked_merchants=MerchantSet.of(normal["blocked_merchants"], matching),
        card_presences=_choice(normal, "card_presences"),
        authorization_methods=_choice(normal, "authorization_methods"),
        allowed_wallets=frozenset(normal["allowed_wallets"]),
        required_verification=tuple(normal["required_verification"]),
        max_network_risk_score=normal["max_network_risk_score"],
        schedule=tuple(_schedule_entry(entry) for entry in normal["schedule"]),
        usable_from=first_second(first, zone_name) if first else None,
        usable_until=end_second(last, zone_name) if last else None,
        partial_approval=normal["partial_approval"],
        smallest_partial_amount=normal["smallest_partial_amount"],
        refunds_restore=normal["refunds_restore"],
        fuel_hold=normal["fuel_hold"],
        stand_in_amount=normal["stand_in_amount"],
        stand_in_cap=normal["stand_in_cap"],
        spending_limits=tuple(
            limit_value(limit, policy_currency, matching) for limit in normal["spending_limits"]
        ),
        matching=matching,
    )


def _choice(normal: Mapping[str, Any], what: str) -> Choice:
    return Choice(frozenset(normal[f"allowed_{what}"]), frozenset(normal[f"blocked_{what}"]))


def _schedule_entry(entry: Mapping[str, Any]) -> OpenHours:
    days = frozenset(DAYS.index(day) for day in entry["days"])
    return OpenHours(days, _minutes(entry["from"]), _minutes(entry["to"]))


def _minutes(time_of_day: str) -> int:
    hour, minute = time_of_day.split(":")
    return int(hour) * 60 + int(minute)
