"""Policy documents: validation, their normal form, and the value that decisions use.

There are three forms: the document (any JSON value), the normal document (validated, with every
key and one way to write each meaning) and SpendingControls. Keys are named as in Stripe's
spending_controls where Stripe has them. Nothing here depends on the current time.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from authorizations.rules.basics.card_numbers import mask_text
from authorizations.rules.basics.controls import Weekday
from authorizations.rules.basics.fields import Fields, InvalidPolicyError, Problem, path_text
from authorizations.rules.basics.filters import MATCHING, refuse_unknown
from authorizations.rules.basics.parsing import (
    currency,
    flag,
    money,
    one_of,
    text,
    time_zone,
)
from authorizations.rules.decision.controls import SpendingControls
from authorizations.rules.decision.exemption import Exemption
from authorizations.rules.decision.rule import rule_of
from authorizations.rules.kinds import RULES, SETTINGS, rules_of
from authorizations.rules.kinds.exempt_merchants import EXEMPT_MERCHANTS
from authorizations.rules.kinds.first_purchases import FirstPurchases
from authorizations.rules.policy.document_limits import (
    filter_of,
    in_order,
    json_text,
    keys_of,
    limit_value,
    normal_limits,
)
from authorizations.rules.policy.document_warnings import warnings

__all__ = [
    "InvalidPolicyError",
    "Problem",
    "canonical_json",
    "completed",
    "controls",
    "filter_of",
    "normalize",
    "path_text",
    "warnings",
]

NAME_LENGTH = 100

_KEYS = (
    *("name", "currency", "unlimited", "time_zone", "week_starts"),
    *(setting.key for setting in SETTINGS),
    *("partial_approval", "smallest_partial_amount", "refunds_restore"),
    *("fuel_hold", "stand_in_amount", "stand_in_cap", "spending_limits"),
)


def normalize(document: object) -> dict[str, Any]:
    """Validate a document and return its normal form, the same for documents of the same meaning.

    Raises InvalidPolicyError with all problems.
    """
    if not isinstance(document, Mapping):
        raise InvalidPolicyError([Problem((), "A policy is an object in braces: {…}.")])
    fields = Fields(document, (), [])
    fields.refuse_others(_KEYS)
    if not fields.has("name"):
        fields.problem("name", "Give the policy a name.")
    smallest = "smallest_partial_amount"
    if fields.has(smallest) and not fields.data.get("partial_approval"):
        fields.problem(smallest, 'Only with "partial_approval": true; set that, or leave this out.')
    normal = {
        # A name may quote a card number: masked, as typed texts are everywhere.
        "name": mask_text(fields.value("name", text(NAME_LENGTH), "")),
        "currency": (policy_currency := fields.value("currency", currency, None)),
        "unlimited": fields.value("unlimited", flag, default=False),
        "time_zone": fields.value("time_zone", time_zone, "UTC"),
        "week_starts": fields.value(
            "week_starts", one_of("weekday", Weekday), Weekday.SUNDAY.value
        ),
        **{setting.key: setting.read(fields, setting.key) for setting in SETTINGS},
        "partial_approval": fields.value("partial_approval", flag, default=False),
        smallest: money(fields, smallest),
        "refunds_restore": fields.value("refunds_restore", flag, default=True),
        "fuel_hold": money(fields, "fuel_hold"),
        **_normal_stand_in(fields),
        "spending_limits": normal_limits(fields, policy_currency),
    }
    for kind in RULES:
        kind.refuse(fields, normal)
    if fields.problems:
        raise InvalidPolicyError(fields.problems)
    return {key: normal[key] for key in _KEYS}


def _normal_stand_in(fields: Fields) -> dict[str, int | None]:
    """What may be spent without the database: an amount per purchase, and a cap."""
    keys = ("stand_in_amount", "stand_in_cap")
    amount, cap = (money(fields, key) for key in keys)
    for key, other in (keys, keys[::-1]):
        if fields.has(other) and not fields.has(key):
            fields.problem(
                key,
                "Give both emergency limits or neither: one per purchase and one per window.",
            )
    if amount and cap and amount > cap:
        fields.problem(keys[1], "Make this at least the amount of a single purchase.")
    return dict(zip(keys, (amount, cap), strict=True))


def completed(normal: Mapping[str, Any]) -> dict[str, Any]:
    """The document of a version with all current keys: newer ones have nothing set."""
    found = {**_empty_document(), **normal}
    return found | {"spending_limits": [*map(in_order, found["spending_limits"])]}


@cache
def _empty_document() -> dict[str, Any]:
    return normalize({"name": "Policy"})


def canonical_json(normal: Mapping[str, Any]) -> bytes:
    """The canonical bytes of a normal document, for hashing."""
    return json_text(normal).encode()


def controls(normal: Mapping[str, Any], matching: int = MATCHING) -> SpendingControls:
    """The value of a normal document, without validation.

    Keys that are newer than the document may be missing. `matching` is the version of matching
    merchants, current or that of an old decision; ValueError if it is unknown.
    """
    refuse_unknown(matching)
    normal = completed(normal)
    policy_currency = normal["currency"] or ""
    keyed = zip(normal["spending_limits"], keys_of(normal["spending_limits"]), strict=True)
    limits = [limit_value(limit, key, policy_currency, matching) for limit, key in keyed]
    rules = rules_of(normal, matching)
    first = rule_of(FirstPurchases, rules)
    return SpendingControls(
        name=normal["name"],
        currency=policy_currency,
        unlimited=normal["unlimited"],
        time_zone=normal["time_zone"],
        week_starts=Weekday(normal["week_starts"]),
        rules=rules,
        exemption=Exemption.of(normal[EXEMPT_MERCHANTS.key], matching),
        partial_approval=normal["partial_approval"],
        smallest_partial_amount=normal["smallest_partial_amount"],
        refunds_restore=normal["refunds_restore"],
        fuel_hold=normal["fuel_hold"],
        stand_in_amount=normal["stand_in_amount"],
        stand_in_cap=normal["stand_in_cap"],
        spending_limits=tuple(limit for limit in limits if limit.attempts is None),
        attempt_limits=tuple(limit for limit in limits if limit.attempts is not None),
        first_of=first.kinds if first else (),
        matching=matching,
    )
