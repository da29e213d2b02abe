"""A whole policy file: policies, the groups of cards they share, and what they are assigned to.

Every key but `name` may be left out. A list that is left out says nothing about its subject; an
empty one says that there is none.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from authorizations.rules.document import NAME_LENGTH, normalize
from authorizations.rules.document_fields import (
    MOST_ENTRIES,
    Fields,
    Path,
    PolicyProblems,
    Problem,
    path_text,
)
from authorizations.rules.document_values import text
from authorizations.rules.values import ScopeKind

_KEYS = ("policies", "groups", "assignments")
_MOST = 10_000
_ID_LENGTH = 255
_TARGETS = (ScopeKind.PROGRAM, ScopeKind.GROUP, ScopeKind.CARDHOLDER, ScopeKind.CARD)


@dataclass(frozen=True, slots=True)
class ListedGroup:
    """A group, and the ids of its cards; None where the file doesn't say which."""

    path: Path
    name: str
    cards: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class ListedAssignment:
    """A policy and what it applies to: `target` is an id, a group's name, or empty."""

    path: Path
    policy: str
    kind: ScopeKind
    target: str


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """What could be read of a file; `assignments` is None where it has no such list."""

    policies: tuple[dict[str, Any], ...] = ()
    groups: tuple[ListedGroup, ...] = ()
    assignments: tuple[ListedAssignment, ...] | None = None


def read(written: str) -> tuple[PolicyFile, list[Problem]]:
    """Read a file: the policies in their normal form, and everything that is wrong."""
    try:
        data = json.loads(written, object_pairs_hook=_object, parse_constant=_no_number)
    except json.JSONDecodeError as wrong:
        place = f"line {wrong.lineno}, column {wrong.colno}"
        return PolicyFile(), [Problem((), f"This is not JSON: {place}: {wrong.msg}.")]
    except (ValueError, RecursionError) as wrong:
        return PolicyFile(), [Problem((), f"This is not JSON as policy files have it: {wrong}.")]
    if not isinstance(data, dict):
        keys = ", ".join(f'"{key}"' for key in _KEYS)
        return PolicyFile(), [Problem((), f"A policy file is an object in braces with {keys}.")]
    fields = Fields(data, (), [])
    fields.refuse_others(_KEYS)
    policies = tuple(_policies(fields))
    groups = tuple(_groups(fields))
    told = "assignments" in data and data["assignments"] is not None
    assignments = tuple(_assignments(fields))
    return PolicyFile(policies, groups, assignments if told else None), fields.problems


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; the same key twice would silently lose the first."""
    read = dict(pairs)
    if len(read) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f'the key "{twice}" stands twice in one object')
    return read


def _no_number(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _policies(fields: Fields) -> Iterator[dict[str, Any]]:
    listed = list(fields.objects("policies", MOST_ENTRIES))
    _refuse_twins(listed)
    for entry in listed:
        try:
            yield normalize(entry.data)
        except PolicyProblems as wrong:
            fields.problems.extend(
                Problem((*entry.path, *problem.path), problem.message) for problem in wrong.problems
            )


def _groups(fields: Fields) -> Iterator[ListedGroup]:
    listed = list(fields.objects("groups", MOST_ENTRIES))
    _refuse_twins(listed)
    places: dict[str, Path] = {}
    for entry in listed:
        entry.refuse_others(("name", "cards"))
        name = _needed(entry, "name", "Give the group a name.", NAME_LENGTH)
        cards = _cards(entry, places) if entry.has("cards") else None
        yield ListedGroup(entry.path, name, cards)


def _cards(group: Fields, places: dict[str, Path]) -> tuple[str, ...]:
    """The group's cards; `places` says where each card was listed before."""
    given = group.data["cards"]
    if not isinstance(given, list) or len(given) > _MOST:
        wrong = f"Give the cards' ids as a list of at most {_MOST:,} in square brackets: […]."
        group.problem("cards", wrong)
        return ()
    convert = text(_ID_LENGTH)
    cards = []
    for place, entry in enumerate(given):
        path = (*group.path, "cards", place)
        card = group._converted(path, entry, convert, "")  # noqa: SLF001
        if card in places:
            before = f"This card is {path_text(places[card])} already: a card is in one group."
            group.problems.append(Problem(path, before))
        elif card:
            places[card] = path
            cards.append(card)
    return tuple(cards)
