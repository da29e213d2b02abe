"""What a policy file would change, as values and as readable lines."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, NamedTuple

from authorizations.rules.basics.controls import LimitControl, ScopeKind
from authorizations.rules.basics.words import (
    asleep_words,
    budget_words,
    figure_words,
    gained_words,
    instant_words,
    lost_words,
    whose_words,
)
from authorizations.rules.policy.differences import removed_and_added
from authorizations.rules.policy.document import completed, controls, warnings
from authorizations.rules.policy.policy_file import (
    ListedException,
    ListedExclusion,
    ListedFunds,
    ListedOverride,
    ListedPlan,
    ListedStop,
)
from authorizations.rules.policy.summary import limit_noun
from authorizations.rules.wording.exception_words import allowed_words
from authorizations.rules.wording.stop_words import blocked_words
from authorizations.services.cards.grants import NO_DIFFERENCE, GrantDifference


class Asleep(NamedTuple):
    """Own amounts in force that a new version has no limit for: how many, and the first by name."""

    amounts: int = 0
    named: tuple[str, ...] = ()

    def __str__(self) -> str:
        return asleep_words(*self) if self.amounts else ""


NONE_ASLEEP = Asleep()


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """A document to put in force; `before` is the one in force, None for a new policy.

    `beside` are sentences about planned versions that the file does not list.
    """

    normal: dict[str, Any]
    before: dict[str, Any] | None
    asleep: Asleep = NONE_ASLEEP
    beside: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return str(self.normal["name"])

    def lines(self) -> Iterator[str]:
        """The change in readable lines, with warnings about the new document."""
        yield f'Policy "{self.name}"{"" if self.before else ": new"}'
        before = self.before or completed({"name": self.name})
        for key, value in self.normal.items():
            if value != before[key]:
                yield from _difference(key, before[key], value)
        for warning in warnings(controls(self.normal)):
            yield f"  please check: {warning}"
        if self.asleep.amounts:
            yield f"  please check: {self.asleep}"
        yield from (f"  please check: {sentence}" for sentence in self.beside)


@dataclass(frozen=True, slots=True)
class PlanChange:
    """A version to plan; `before` is what the policy says without it, None for a new policy."""

    listed: ListedPlan
    before: dict[str, Any] | None
    asleep: Asleep = NONE_ASLEEP

    @property
    def name(self) -> str:
        return self.listed.policy

    def lines(self) -> Iterator[str]:
        """The change in readable lines."""
        begins, ends = self.listed.begins, self.listed.ends
        since = f" from {instant_words(begins, 'UTC')}" if begins else ""
        until = f" until {instant_words(ends, 'UTC')}" if ends else ""
        yield f'Policy "{self.name}", planned{since}{until}'
        change = PolicyChange(self.listed.normal, self.before, self.asleep)
        yield from islice(change.lines(), 1, None)


@dataclass(frozen=True, slots=True)
class PlanEnd:
    """A planned version to cancel, as the file does not have it."""

    name: str
    number: int
    version_id: int

    def lines(self) -> Iterator[str]:
        """The change in readable lines."""
        yield f'Policy "{self.name}": version {self.number} no longer planned'


@dataclass(frozen=True, slots=True)
class GroupChange:
    """Cards that join or leave a group; `joining` has each card's present group, or "".

    That is this one for a card that joined by metadata and is in it by hand from now on. `metadata`
    is the new key and value by which cards join, both empty for none; None if they stay as they
    are.
    """

    name: str
    is_new: bool
    joining: dict[str, str]
    leaving: tuple[str, ...]
    metadata: tuple[str, str] | None = None

    def lines(self) -> Iterator[str]:
        """The change in readable lines."""
        yield f'Group "{self.name}"{": new" if self.is_new else ""}'
        if self.metadata:
            key, value = self.metadata
            joins = f'cards with "{key}" = "{value}" in their metadata join'
            yield f"  {joins}" if key else "  cards no longer join by metadata"
        for card, group in sorted(self.joining.items()):
            now = ", by hand from now on" if group == self.name else f', from "{group}"'
            yield f"  + {card}" + (now if group else "")
        yield from (f"  - {card}" for card in self.leaving)


@dataclass(frozen=True, order=True, slots=True)
class Target:
    """An assignment: `target` is an id, a group's name, or "" for the program.

    Two are equal whoever each have its limits for themselves.
    """

    policy: str
    kind: ScopeKind
    target: str
    each: str = field(default="", compare=False)

    def __str__(self) -> str:
        what = f"{self.kind} {self.target}" if self.target else "every card of the program"
        own = whose_words(self.kind, self.each)
        return f'"{self.policy}" to {what}{own and ", "}{own}'


class EachChange(NamedTuple):
    """An assignment that stays, with limits that others than before have for themselves."""

    before: Target
    target: Target

    def __str__(self) -> str:
        was, is_now = (
            budget_words(target.kind, target.each) for target in (self.before, self.target)
        )
        return f"{replace(self.target, each='')}: {was} -> {is_now}"


@dataclass(frozen=True, slots=True)
class StopChange:
    """A freeze, block or exception to make; `scope` names a group, which may be new."""

    listed: ListedStop

    def lines(self) -> Iterator[str]:
        """The change in readable lines."""
        listed = self.listed
        where = f"{listed.kind} {listed.target}" if listed.target else "every card of the program"
        what = "Freeze"
        if isinstance(listed, ListedException):
            what = f"One purchase {allowed_words(dict(listed.terms))}"
        elif listed.terms:
            what = f"Block of {blocked_words(dict(listed.terms))}"
        until = f", until {instant_words(listed.until, 'UTC')}" if listed.until else ""
        yield f"  + {what}, for {where}{until}: {listed.reason}"


@dataclass(frozen=True, slots=True)
class OverrideChange:
    """An own amount to make, of the limit that the policy has then; `target` is a root or an id."""

    listed: ListedOverride
    limit: LimitControl
    target: str

    @property
    def terms(self) -> dict[str, Any]:
        """What the row says."""
        listed, limit = self.listed, self.limit
        how = "raise_by" if listed.how == "raise_by" else "amount"
        found: dict[str, Any] = {
            "limit": limit.key,
            "interval": limit.interval.value,
            how: listed.figure,
        }
        found |= {"currency": limit.currency} if limit.currency else {}
        return found | ({"attempts": True} if limit.attempts is not None else {})

    def lines(self) -> Iterator[str]:
        """The change in readable lines."""
        listed = self.listed
        figure = figure_words(listed.figure, self.limit.currency, limit_noun(self.limit))
        what = f"{'raised by' if listed.how == 'raise_by' else 'set to'} {figure}"
        begins = f", from {instant_words(listed.begins, 'UTC')}" if listed.begins else ""
        until = f", until {instant_words(listed.until, 'UTC')}" if listed.until else ""
        where = f"{listed.kind} {listed.target}{begins}{until}"
        yield f'  + "{listed.policy}", {listed.limit}, {what} for {where}: {listed.reason}'


@dataclass(frozen=True, slots=True)
class FundsChange:
    """An entry of funds to make; `currency` is that of the limit."""

    listed: ListedFunds
    currency: str

    def lines(self) -> Iterator[str]:
        """The change in readable lines."""
        listed = self.listed
        amount = figure_words(abs(listed.amount), self.currency)
        member = f"cardholder {listed.member} in " if listed.member else ""
        where = f'{member}{listed.kind} {listed.target} ("{listed.policy}", {listed.limit})'
        sign, what = ("+", "to") if listed.amount > 0 else ("-", "from")
        yield f"  {sign} {amount} {what} {where}: {listed.reference}, {listed.reason}"


@dataclass(frozen=True, slots=True)
class ExclusionChange:
    """Who an assignment leaves out from now on; `target` is a root, an id or a group's name."""

    assigned: Target
    listed: ListedExclusion
    target: str

    def lines(self) -> Iterator[str]:
        """The change in readable lines."""
        listed, assigned = self.listed, replace(self.assigned, each="")
        until = f", until {instant_words(listed.until, 'UTC')}" if listed.until else ""
        yield f"  + {assigned}, without {listed.kind} {listed.target}{until}: {listed.reason}"


@dataclass(frozen=True, slots=True)
class Changes:
    """The whole difference between a file and the database; false if they agree."""

    policies: tuple[PolicyChange, ...]
    groups: tuple[GroupChange, ...]
    assigned: tuple[Target, ...]
    unassigned: tuple[Target, ...]
    each_changes: tuple[EachChange, ...]
    new_cards: tuple[str, ...]
    new_cardholders: tuple[str, ...]
    plans: tuple[PlanChange, ...] = ()
    ended_plans: tuple[PlanEnd, ...] = ()
    stops: tuple[StopChange, ...] = ()
    own_amounts: tuple[OverrideChange, ...] = ()
    ended_amounts: tuple[int, ...] = ()
    funds: tuple[FundsChange, ...] = ()
    exclusions: tuple[ExclusionChange, ...] = ()
    ended_exclusions: tuple[int, ...] = ()
    grants: GrantDifference = NO_DIFFERENCE

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__ if name != "grants")

    def lines(self) -> Iterator[str]:
        """All changes in readable lines."""
        for policy in self.policies:
            yield from policy.lines()
        for end in self.ended_plans:
            yield from end.lines()
        for plan in self.plans:
            yield from plan.lines()
        for group in self.groups:
            yield from group.lines()
        if self.assigned or self.unassigned or self.each_changes:
            yield "Assignments"
        yield from (f"  + {target}" for target in self.assigned)
        yield from (f"  - {target}" for target in self.unassigned)
        yield from (f"  {change}" for change in self.each_changes)
        if self.exclusions or self.ended_exclusions:
            yield "Left out"
        for exclusion in self.exclusions:
            yield from exclusion.lines()
        if self.ended_exclusions:
            yield f"  - {len(self.ended_exclusions):,} that the file does not have"
        if self.own_amounts or self.ended_amounts:
            yield "Own amounts"
        for own in self.own_amounts:
            yield from own.lines()
        if self.ended_amounts:
            yield f"  - {len(self.ended_amounts):,} that the file does not have"
        if self.funds:
            yield "Funds"
        for entry in self.funds:
            yield from entry.lines()
        exceptions = [one for one in self.stops if isinstance(one.listed, ListedException)]
        stops = [one for one in self.stops if one not in exceptions]
        for title, made in (("Exceptions", exceptions), ("Freezes and blocks", stops)):
            if made:
                yield title
            for stop in made:
                yield from stop.lines()
        if self.new_cards or self.new_cardholders:
            yield "Not seen yet; their details come with their first purchase"
        yield from (f"  + card {card}" for card in self.new_cards)
        yield from (f"  + cardholder {cardholder}" for cardholder in self.new_cardholders)
        if self.grants.gained:
            yield gained_words(self.grants.gained)
        if self.grants.lost:
            yield lost_words(self.grants.lost)


def _difference(key: str, before: object, after: object) -> Iterator[str]:
    """A key's old and new value; of lists only the entries that are removed and added."""
    if not isinstance(before, list) or not isinstance(after, list):
        yield f"  {key}: {_as_json(before)} -> {_as_json(after)}"
        return
    removed, added = removed_and_added(before, after)
    yield f"  {key}:" + ("" if removed or added else " in a different order")
    yield from (f"    - {_as_json(entry)}" for entry in removed)
    yield from (f"    + {_as_json(entry)}" for entry in added)


def _as_json(value: object) -> str:
    """A value as written in a file, without empty keys."""
    if isinstance(value, dict):
        value = {key: part for key, part in value.items() if part not in (None, [], False)}
    return json.dumps(value, ensure_ascii=False)
