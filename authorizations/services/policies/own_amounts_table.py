"""Gives cards their own amounts from a table in CSV: all of its lines, or none."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import time
from typing import TypeAlias

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.db.models.functions import Now

from authorizations.models import Card, Instruction, Policy
from authorizations.rules.basics.controls import LimitControl, Scope, ScopeKind
from authorizations.rules.basics.fields import quoted
from authorizations.rules.policy.own_amounts_csv import (
    AmountLine,
    InvalidTableError,
    LineProblem,
    figure,
    read,
)
from authorizations.rules.policy.policy_file import ListedOverride
from authorizations.services.policies import own_amounts
from authorizations.services.policies.changes import OverrideChange
from authorizations.services.policies.own_amounts import NOT_MEASURED, Said

_Read: TypeAlias = tuple[AmountLine, OverrideChange]


@dataclass(frozen=True, slots=True)
class TableChanges:
    """What a table gives; how many of its lines are in force already, and past their end."""

    own_amounts: tuple[OverrideChange, ...]
    in_force: int
    ended: int
    new_cards: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """The changes in readable lines."""
        for own in self.own_amounts:
            yield from own.lines()
        if self.new_cards:
            yield "Not seen yet; their details come with their first purchase"
        yield from (f"  + card {card}" for card in self.new_cards)
        if self.in_force:
            yield f"Lines that are in force already: {self.in_force:,}."
        if self.ended:
            yield f"Lines that are past their end, and skipped: {self.ended:,}."


def compare(written: str) -> TableChanges:
    """What importing this table would change. Raises InvalidTableError with every problem."""
    lines, problems = read(written)
    policies = Policy.objects.filter(name__in={line.policy for line in lines})
    there = {policy.name: policy for policy in policies.select_related("current_version")}
    limits = {
        name: {limit.key: limit for limit in own_amounts.limits_of(policy)}
        for name, policy in there.items()
    }
    problems += _unknown(lines, there, limits)
    found: list[_Read] = []
    cards = {line.card for line in lines}
    existing = dict(Card.objects.filter(pk__in=cards).values_list("pk", "root_id"))
    for line in lines:
        limit = limits.get(line.policy, {}).get(line.limit)
        if limit is None:
            continue
        try:
            amount = figure(line, limit)
        except ValueError as wrong:
            problems.append(LineProblem(line.number, line.how, str(wrong)))
            continue
        listed = ListedOverride(
            ("line", line.number),
            line.policy,
            line.limit,
            ScopeKind.CARD,
            line.card,
            line.how,
            amount,
            line.reason,
            line.until,
        )
        # A replacement card stands for the first card of its chain.
        found.append((line, OverrideChange(listed, limit, existing.get(line.card, line.card))))
    problems += _again(found)
    now = time()
    current = [(line, own) for line, own in found if line.until is None or line.until > now]
    in_force = own_amounts.given().filter(policy__in=there.values())
    said = own_amounts.said_by(in_force)
    problems += _outdone(current, said, in_force)
    if problems:
        raise InvalidTableError(problems)
    new = tuple(own for _, own in current if own_amounts.said_of(own) not in said)
    return TableChanges(
        new,
        in_force=len(current) - len(new),
        ended=len(found) - len(current),
        new_cards=tuple(sorted({own.listed.target for own in new} - existing.keys())),
    )


def import_own_amounts(written: str, *, author: User | None = None) -> TableChanges:
    """Give the own amounts of a table, from now on; returns what changed.

    Raises InvalidTableError with every problem, and GoneError; then nothing has changed.
    """
    changes = compare(written)
    # Committed before the amounts, so that no transaction that inserts such a card waits for them.
    cards = [Card(id=id_, root_id=id_) for id_ in changes.new_cards]
    Card.objects.bulk_create(cards, ignore_conflicts=True)
    own_amounts.follow(changes.own_amounts, (), by=author)
    return changes


def _unknown(
    lines: Sequence[AmountLine],
    policies: Mapping[str, Policy],
    limits: Mapping[str, Mapping[str, LimitControl]],
) -> Iterator[LineProblem]:
    """Policies and limits that are not there, and policies that measure no card; each once."""
    card = Scope(ScopeKind.CARD, "")
    measured = {name for name, it in policies.items() if own_amounts.is_measured_at(it, card)}
    places: dict[tuple[str, str], list[int]] = defaultdict(list)
    for line in lines:
        if line.policy not in policies:
            message = f"There is no policy {quoted(line.policy)}."
            places["policy", message].append(line.number)
        elif line.limit not in limits[line.policy]:
            has = ", ".join(limits[line.policy]) or "none"
            message = f"{line.policy} has no limit {quoted(line.limit)}; it has {has}."
            places["limit", message].append(line.number)
        elif limits[line.policy][line.limit].attempts is None and line.policy not in measured:
            places["policy", f"{line.policy}: {NOT_MEASURED}"].append(line.number)
    for (column, message), numbers in places.items():
        more = len(numbers) - 1
        others = f" So in {more:,} more {'line' if more == 1 else 'lines'}." if more else ""
        yield LineProblem(numbers[0], column, message + others)


def _again(found: Sequence[_Read]) -> Iterator[LineProblem]:
    """Lines that another one says already, or contradicts."""
    places: dict[object, int] = {}
    for line, own in found:
        is_set = line.how == "amount"
        about = (line.policy, line.limit, own.target) if is_set else own_amounts.said_of(own)
        twin = places.setdefault(about, line.number)
        if twin != line.number:
            what = "sets this limit of this card as well" if is_set else "says the same"
            yield LineProblem(line.number, "", f"Line {twin:,} {what}: keep one of them.")


def _outdone(
    current: Sequence[_Read], said: Mapping[Said, list[int]], in_force: QuerySet[Instruction]
) -> Iterator[LineProblem]:
    """Amounts that are in force, but do not hold as a newer one is too."""
    begun = in_force.filter(starts_at__lte=Now()).order_by("pk")
    newest = {
        (policy, scope, own_amounts.about(terms)): key
        for key, policy, scope, terms in begun.values_list("pk", "policy__name", "scope", "terms")
        if "amount" in terms
    }
    for line, own in current:
        keys = said.get(own_amounts.said_of(own), [])
        if not keys or line.how != "amount":
            continue
        about = own_amounts.about(own.terms)
        # None where it has ended since the others were read.
        if newest.get((line.policy, f"card:{own.target}", about), keys[0]) not in keys:
            yield LineProblem(
                line.number,
                "",
                "This is in force already, but a newer own amount of this card holds instead: lift "
                "that one under In force now.",
            )
