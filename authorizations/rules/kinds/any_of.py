"""Conditions of which a purchase must meet at least one, beside the rules that must all hold."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from authorizations.rules.basics.controls import LimitControl
from authorizations.rules.basics.fields import Fields, Problem
from authorizations.rules.basics.filters import CategorySet, LimitFilter, MerchantSet
from authorizations.rules.basics.merchant_entries import merchants
from authorizations.rules.basics.parsing import category, country
from authorizations.rules.basics.words import condition_words, country_words
from authorizations.rules.decision.rule import (
    FieldKind,
    ReasonTexts,
    Rule,
    Ruling,
    Section,
    Setting,
)
from authorizations.rules.decision.values import Check, DeclineReason, Json
from authorizations.rules.kinds.categories import Categories
from authorizations.rules.kinds.lists import SHOWN, ListRule
from authorizations.rules.kinds.merchant_countries import MerchantCountries
from authorizations.rules.kinds.merchants import Merchants
from authorizations.rules.purchases.events import AuthorizationRequest

MAX_CONDITIONS = 50
_KINDS: dict[str, type[ListRule]] = {
    "categories": Categories,
    "countries": MerchantCountries,
    "merchants": Merchants,
}
"""The keys of a condition, and the rules that find and name the same in a request."""


def _read(fields: Fields, key: str) -> list[dict[str, Any]]:
    """Sorted, each condition once, and in each only the keys that it asks for."""
    conditions: list[dict[str, Any]] = []
    for written in fields.objects(key, MAX_CONDITIONS):
        before = len(fields.problems)
        written.refuse_others(_KINDS)
        read = {
            "categories": written.words("categories", category),
            "countries": written.words("countries", country),
            "merchants": merchants(written, "merchants"),
        }
        condition = {name: entries for name, entries in read.items() if entries}
        if not condition and len(fields.problems) == before:
            written.problem(
                "categories", "Say what a purchase must have: categories, countries or merchants."
            )
        if condition not in conditions:
            conditions.append(condition)
    return sorted(conditions, key=json.dumps)


@dataclass(frozen=True, slots=True)
class AnyOf(Rule):
    """A purchase meets a condition if it has something of each of the condition's lists.

    A trace has the condition that is met, the first of them, or else the conditions; and what the
    request has of all that they ask for.
    """

    conditions: tuple[LimitFilter, ...]
    written: tuple[dict[str, Any], ...] = field(hash=False)

    reason = DeclineReason.NO_CONDITION_MET
    texts = ReasonTexts(
        "No condition met",
        "The purchase meets none of the policy's conditions, of which it must meet one.",
        "This card cannot be used for this kind of purchase.",
    )
    settings = (
        Setting(
            "any_of",
            Section.WHERE,
            "At least one of",
            FieldKind.CONDITIONS,
            _read,
            condition_words,
            nouns=("Condition", "Conditions"),
        ),
    )
    asks = {**Categories.asks, **MerchantCountries.asks, **Merchants.asks}
    spares_exempt = True

    @classmethod
    def of(cls, normal: Mapping[str, Any], matching: int) -> Self | None:
        conditions = tuple(
            LimitFilter(
                CategorySet.of(condition.get("categories", [])),
                frozenset(condition.get("countries", [])),
                MerchantSet.of(condition.get("merchants", []), matching),
            )
            for condition in normal["any_of"]
        )
        return cls(conditions, tuple(normal["any_of"])) if conditions else None

    def asked_fields(self) -> frozenset[str]:
        return frozenset(name for condition in self.conditions for name in condition.asked_fields())

    def check(self, request: AuthorizationRequest) -> Ruling:
        merchant, found = request.asked_at, self._found(request)
        for condition, written in zip(self.conditions, self.written, strict=True):
            if condition.concerns(merchant):
                return Ruling(passed=True, found=found, limit={"met": _shortened(written)})
        limit: dict[str, Json] = {"any_of": [*map(_shortened, self.written[:SHOWN])]}
        if len(self.written) > SHOWN:
            limit["count"] = len(self.written)
        return Ruling(passed=False, found=found, limit=limit)

    def _found(self, request: AuthorizationRequest) -> Json:
        """What the request has of all that the conditions ask for; None if nothing."""
        asked = {key for written in self.written for key in written}
        found = {key: kind.found(kind.subject(request)) for key, kind in _KINDS.items()}
        return {key: it for key, it in found.items() if key in asked and it is not None} or None

    @classmethod
    def for_staff(cls, check: Check, request: AuthorizationRequest) -> str:
        if "met" in check.limit:
            return f"The purchase meets a condition: {_words(check.limit['met'])}."
        shown = check.limit["any_of"]
        conditions = "; ".join(map(_words, shown))
        if more := check.limit.get("count", len(shown)) - len(shown):
            conditions += f"; and {more:,} more"
        return f"The purchase{_found_words(check.found)} meets none of: {conditions}."

    @classmethod
    def in_headline(cls, check: Check) -> str:
        found = check.found
        words = [Categories.found_words(found["categories"])] if "categories" in found else []
        return ", ".join(words + [country_words(it) for it in [found.get("countries")] if it])

    def in_summary(self, beside: Sequence[Rule]) -> str:
        words = [*map(condition_words, self.written[:SHOWN])]
        if len(self.written) > SHOWN:
            words.append(f"by one of {len(self.written) - SHOWN} more conditions")
        return f"only {', or '.join(words)}"

    def warnings(self, beside: Sequence[Rule], limits: Sequence[LimitControl]) -> Iterator[Problem]:
        """Conditions on categories or countries that the policy does not allow anyway."""
        judges = [rule for rule in beside if isinstance(rule, (Categories, MerchantCountries))]
        for place, condition in enumerate(self.conditions):
            for rule in judges:
                key, asked = rule.filter_key, getattr(condition, rule.filter_key)
                if asked and not any(map(rule.lets, rule.examples(asked))):
                    words = condition_words(self.written[place])
                    message = f"Never met, as the policy allows none of its {key}: {words}."
                    yield Problem(("any_of", place, key), message)


def _shortened(written: Mapping[str, Any]) -> dict[str, Json]:
    """A condition for the trace: the first entries of each list, and how many there are more."""
    shown = {key: entries[:SHOWN] for key, entries in written.items()}
    more = sum(len(written[key]) - len(shown[key]) for key in written)
    return shown | ({"more": more} if more else {})


def _words(shortened: Mapping[str, Any]) -> str:
    more = shortened.get("more", 0)
    return condition_words(shortened) + (f" and {more:,} more" if more else "")


def _found_words(found: Json) -> str:
    """What the request has, to follow "the purchase"."""
    found = found or {}
    return "".join(
        f" {_KINDS[key].preposition} {_KINDS[key].found_words(found[key])}"
        for key in ("categories", "merchants", "countries")
        if key in found
    )
