"""Policy files: policies, groups, assignments, own amounts, funds, exceptions, freezes and blocks.

Every key but `name` is optional. A missing list leaves its subject as it is; an empty list means
that there are none. A policy has its planned versions with it.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from authorizations.rules.basics.controls import MAX_ATTEMPTS, OwnBudget, ScopeKind
from authorizations.rules.basics.fields import (
    Fields,
    InvalidPolicyError,
    Path,
    Problem,
    path_text,
    quoted,
)
from authorizations.rules.basics.merchant_entries import merchant
from authorizations.rules.basics.money import MAX_AMOUNT
from authorizations.rules.basics.parsing import (
    amount,
    category,
    country,
    currency,
    flag,
    instant,
    masked_text,
    one_of,
    stripe_id,
    text,
    whole_number,
)
from authorizations.rules.decision.values import DeclineReason
from authorizations.rules.decision.waivers import NEVER_WAIVED
from authorizations.rules.policy.document import NAME_LENGTH, normalize
from authorizations.rules.policy.document_limits import MAX_COUNT, limit_key

T = TypeVar("T")

_KEYS = (
    *("policies", "groups", "assignments", "overrides", "funds"),
    *("exceptions", "freezes", "blocks"),
)
REASON_LENGTH, REFERENCE_LENGTH = 500, 100
METADATA_KEY_LENGTH, METADATA_VALUE_LENGTH = 40, 500
"""Stripe's own maxima. Source: https://docs.stripe.com/api/metadata"""

MAX_PLANS = 1000  # of a policy
_MAX_CARDS = 100_000
_MAX_POLICIES = 10_000  # of groups as well
_TARGETS = (ScopeKind.PROGRAM, ScopeKind.GROUP, ScopeKind.CARDHOLDER, ScopeKind.CARD)


@dataclass(frozen=True, slots=True)
class ListedGroup:
    """A group and the ids of its cards; None if the file does not list them.

    `metadata` is the key and value by which cards join, both empty for none; None if the file does
    not say.
    """

    path: Path
    name: str
    cards: tuple[str, ...] | None
    metadata: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ListedExclusion:
    """Who an assignment leaves out: `target` is an id or a group's name.

    `until` in Unix seconds, None for good.
    """

    path: Path
    kind: ScopeKind
    target: str
    reason: str
    until: int | None = None


@dataclass(frozen=True, slots=True)
class ListedAssignment:
    """A policy and what it is assigned to: `target` is an id, a group's name, or empty.

    `each` is whose own its limits are, as controls.measured_scope has it.
    """

    path: Path
    policy: str
    kind: ScopeKind
    target: str
    each: str = ""
    exclusions: tuple[ListedExclusion, ...] = ()


@dataclass(frozen=True, slots=True)
class ListedPlan:
    """A planned version; `begins` and `ends` in Unix seconds, None for at once and for good."""

    path: Path
    begins: int | None
    ends: int | None
    normal: dict[str, Any]

    @property
    def policy(self) -> str:
        return str(self.normal["name"])


@dataclass(frozen=True, slots=True)
class ListedStop:
    """A freeze, or a block with `terms`: one of "merchant", "category" and "country".

    `target` is an id, a group's name, or empty; `until` in Unix seconds, None for good.
    """

    path: Path
    kind: ScopeKind
    target: str
    reason: str
    terms: tuple[tuple[str, Any], ...] = ()
    until: int | None = None
    reference: str = ""


@dataclass(frozen=True, slots=True)
class ListedException(ListedStop):
    """An exception of a card, which is known as a stop is.

    `terms` have what it is for, "up_to", "currency" and "waives".
    """


@dataclass(frozen=True, slots=True)
class ListedOverride:
    """A scope's own figure for a limit: `how` is amount, count, attempts or raise_by.

    `target` is an id or a group's name; `begins` and `until` in Unix seconds, None for at once and
    for good.
    """

    path: Path
    policy: str
    limit: str
    kind: ScopeKind
    target: str
    how: str
    figure: int
    reason: str
    until: int | None = None
    begins: int | None = None


@dataclass(frozen=True, slots=True)
class ListedFunds:
    """Money to add to a pot, or to take out where `amount` is negative, in its smallest unit.

    `target` is an id or a group's name; with a `member` it is what this cardholder's cards spend in
    that group.
    """

    path: Path
    policy: str
    limit: str
    kind: ScopeKind
    target: str
    amount: int
    reference: str
    reason: str
    member: str = ""


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """The valid parts of a file; `assignments` or `overrides` is None if it has no such list.

    `policies` are in their normal form; `names` has those of invalid policies too, and of those
    with nothing but planned versions. `planning` are the names of those that list their plans.
    """

    policies: tuple[dict[str, Any], ...] = ()
    names: frozenset[str] = frozenset()
    planning: frozenset[str] = frozenset()
    plans: tuple[ListedPlan, ...] = ()
    groups: tuple[ListedGroup, ...] = ()
    assignments: tuple[ListedAssignment, ...] | None = None
    stops: tuple[ListedStop, ...] = ()
    overrides: tuple[ListedOverride, ...] | None = None
    funds: tuple[ListedFunds, ...] = ()

    @property
    def of_limits(self) -> Sequence[ListedOverride | ListedFunds]:
        """What is said of a scope and one limit."""
        return (*(self.overrides or ()), *self.funds)

    @property
    def group_names(self) -> list[str]:
        return [group.name for group in self.groups]

    @property
    def cards(self) -> list[str]:
        """Every card in a group or an assignment, left out of one, or with own amounts or funds."""
        listed = [card for group in self.groups for card in group.cards or ()]
        own = [it.target for it in self.of_limits if it.kind is ScopeKind.CARD]
        return [*listed, *self.targets(ScopeKind.CARD), *own]

    def targets(self, kind: ScopeKind) -> list[str]:
        """The targets of assignments of one kind, and who of this kind they leave out."""
        assignments = self.assignments or ()
        left_out = [it.target for at in assignments for it in at.exclusions if it.kind is kind]
        return [*(at.target for at in assignments if at.kind is kind), *left_out]


def read(written: str) -> tuple[PolicyFile, list[Problem]]:
    """Read a file as far as possible; return its valid parts and all problems."""
    try:
        data = json.loads(written, object_pairs_hook=_object, parse_constant=_no_number)
    except json.JSONDecodeError as wrong:
        place = f"line {wrong.lineno}, column {wrong.colno}"
        return PolicyFile(), [Problem((), f"This is not JSON: {place}: {wrong.msg}.")]
    except (ValueError, RecursionError) as wrong:
        return PolicyFile(), [Problem((), f"This is not JSON for a policy file: {wrong}.")]
    if not isinstance(data, dict):
        keys = ", ".join(f'"{key}"' for key in _KEYS)
        return PolicyFile(), [Problem((), f"A policy file is an object in braces with {keys}.")]
    fields = Fields(data, (), [])
    fields.refuse_others((*_KEYS, "$schema"))  # by which editors find the schema
    listed = list(fields.objects("policies", _MAX_POLICIES))
    names = frozenset(_refuse_twins(listed))
    policies, planning, plans = [], set[str](), list[ListedPlan]()
    for entry in listed:
        own = {key: value for key, value in entry.data.items() if key != "planned"}
        normal = _normal(entry, own)
        if normal is None:
            continue
        if own.keys() != {"name"} or not entry.has("planned"):
            policies.append(normal)
        if entry.has("planned"):
            planning.add(normal["name"])
            plans += _plans(entry, normal["name"])
    groups = tuple(_groups(fields))
    assignments = tuple(_assignments(fields))
    has_assignments = data.get("assignments") is not None
    file = PolicyFile(
        tuple(policies),
        names,
        frozenset(planning),
        tuple(plans),
        groups,
        assignments if has_assignments else None,
        stops=tuple(_stops(fields)),
        overrides=tuple(_overrides(fields)) if data.get("overrides") is not None else None,
        funds=tuple(_funds(fields)),
    )
    return file, fields.problems


def _normal(entry: Fields, document: dict[str, Any]) -> dict[str, Any] | None:
    """The normal form of a policy's document; None, and its problems, if it is not valid."""
    try:
        return normalize(document)
    except InvalidPolicyError as invalid:
        entry.problems.extend(
            Problem((*entry.path, *problem.path), problem.message) for problem in invalid.problems
        )
        return None


def _plans(policy: Fields, name: str) -> Iterator[ListedPlan]:
    """The planned versions: each a document of its own, but for the name, and when it holds."""
    places: dict[object, Path] = {}
    for entry in policy.objects("planned", MAX_PLANS):
        before = len(entry.problems)
        if entry.has("name"):
            entry.problem("name", "It has its policy's name: leave this out.")
        begins = entry.value("from", instant, None)
        ends = entry.value("until", instant, None)
        if not entry.has("from") and not entry.has("until"):
            entry.problems.append(Problem(entry.path, 'Say when: give "from", "until" or both.'))
        if begins is not None and ends is not None and ends <= begins:
            entry.problem("until", 'This is not later than "from": choose a later time, or none.')
        document = {key: it for key, it in entry.data.items() if key not in ("from", "until")}
        normal = _normal(entry, document | {"name": name})
        if normal is None or len(entry.problems) > before:
            continue
        if not _is_again(entry, (begins, ends, str(normal)), places):
            yield ListedPlan(entry.path, begins, ends, normal)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; a repeated key would silently lose the first value."""
    read = dict(pairs)
    if len(read) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {quoted(twice)} is repeated in one object")
    return read


def _no_number(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")


def _groups(fields: Fields) -> Iterator[ListedGroup]:
    listed = list(fields.objects("groups", _MAX_POLICIES))
    _refuse_twins(listed)
    places: dict[str, Path] = {}
    for entry in listed:
        entry.refuse_others(("name", "cards", "metadata"))
        name = _required(entry, "name", "Give the group a name.", text(NAME_LENGTH))
        metadata = entry.value("metadata", _pair, None)
        yield ListedGroup(entry.path, name, _cards(entry, places), metadata)


_KEY, _VALUE = masked_text(METADATA_KEY_LENGTH), masked_text(METADATA_VALUE_LENGTH)


def _pair(given: object) -> tuple[str, str]:
    """One pair of Stripe's metadata; both empty for an empty object."""
    if given == {}:
        return "", ""
    if not isinstance(given, dict) or len(given) != 1:
        raise ValueError(
            'Give one key with its value, such as {"team": "drivers"}, or {} for none.'
        )
    [(key, value)] = given.items()
    return _KEY(key), _VALUE(value)


def _cards(group: Fields, places: dict[str, Path]) -> tuple[str, ...] | None:
    """The group's cards; `places` has where each card was listed before."""
    given = group.data.get("cards")
    if given is None:
        return None
    if not isinstance(given, list):
        group.problem("cards", "Give the cards' ids as a list in square brackets: […].")
        return None
    if len(given) > _MAX_CARDS:
        group.problem("cards", f"There are {len(given):,} cards: keep it to {_MAX_CARDS:,}.")
        return None
    cards = []
    for place, entry in enumerate(given):
        path = (*group.path, "cards", place)
        try:
            card = stripe_id(entry)
        except ValueError as wrong:
            group.problems.append(Problem(path, str(wrong)))
            continue
        if card in places:
            again = f"This is {path_text(places[card])} again: a card is in one group, once."
            group.problems.append(Problem(path, again))
            continue
        places[card] = path
        cards.append(card)
    return tuple(cards)


def _assignments(fields: Fields) -> Iterator[ListedAssignment]:
    places: dict[object, Path] = {}
    for entry in fields.objects("assignments", _MAX_CARDS):
        entry.refuse_others(("policy", *_TARGETS, "each", "except"))
        before = len(fields.problems)
        policy = _required(entry, "policy", "Name the policy.", text(NAME_LENGTH))
        kind, target = _target(entry)
        each = entry.value("each", _each, "")
        if each and kind not in (ScopeKind.GROUP, ScopeKind.PROGRAM):
            entry.problem("each", f"Leave this out: the limits are this {kind}'s own.")
        left_out = tuple(_exclusions(entry, kind))
        if len(fields.problems) > before:
            continue
        _is_again(entry, (policy, kind, target), places)
        if kind is ScopeKind.PROGRAM and each == OwnBudget.CARD:
            each = ""  # as if it was not there
        yield ListedAssignment(entry.path, policy, kind, target, each, left_out)


def _exclusions(assignment: Fields, assigned: ScopeKind) -> Iterator[ListedExclusion]:
    """Who an assignment to this kind of scope leaves out, each with a reason."""
    places: dict[object, Path] = {}
    scopes = (ScopeKind.GROUP, ScopeKind.CARDHOLDER, ScopeKind.CARD)
    for entry in assignment.objects("except", _MAX_CARDS):
        entry.refuse_others((*scopes, "until", "reason"))
        before = len(entry.problems)
        kind, target = _target(entry)
        is_told = len(entry.problems) == before
        if is_told and (kind is assigned or assigned is ScopeKind.CARD):
            entry.problem(kind, f"Leave out the assignment instead: it is to one {assigned} alone.")
        reason = _required(entry, "reason", "Give a reason: others will ask why.", _REASON)
        until = entry.value("until", instant, None)
        if len(entry.problems) == before and not _is_again(
            entry, (kind, target, until, reason), places
        ):
            yield ListedExclusion(entry.path, kind, target, reason, until)


_BLOCKED: dict[str, Callable[[object], Any]] = {
    "merchant": merchant,
    "category": category,
    "country": country,
}


def _each(given: object) -> str:
    if given not in tuple(OwnBudget):
        raise ValueError('Give "card" or "cardholder", or leave it out for one shared budget.')
    return str(given)


_REASON, _REFERENCE = masked_text(REASON_LENGTH), masked_text(REFERENCE_LENGTH)


def _stops(fields: Fields) -> Iterator[ListedStop]:
    """The exceptions, freezes and blocks, each with a reason; a reference is of one of them all."""
    places: dict[object, Path] = {}
    for entry in fields.objects("exceptions", _MAX_CARDS):
        exception = _exception(entry)
        if exception and not _is_again(entry, _identity(exception), places):
            yield exception
    entries = [(entry, False) for entry in fields.objects("freezes", _MAX_CARDS)]
    entries += [(entry, True) for entry in fields.objects("blocks", _MAX_CARDS)]
    for entry, is_block in entries:
        scopes = (ScopeKind.GROUP,) if is_block else _TARGETS
        known = (*(_BLOCKED if is_block else ()), *scopes, "until", "reason", "reference")
        entry.refuse_others(known)
        before = len(fields.problems)
        terms = _blocked(entry) if is_block else ()
        kind, target = ScopeKind.PROGRAM, ""
        if not is_block or entry.has(ScopeKind.GROUP):
            kind, target = _target(entry)
        reason = _required(entry, "reason", "Give a reason: others will ask why.", _REASON)
        until = entry.value("until", instant, None)
        reference = entry.value("reference", _REFERENCE, "")
        if len(fields.problems) > before:
            continue
        listed = ListedStop(entry.path, kind, target, reason, terms, until, reference)
        if not _is_again(entry, _identity(listed), places):
            yield listed


def _identity(listed: ListedStop) -> object:
    """What it is known by: its reference, or all that it says."""
    said = (type(listed), listed.kind, listed.target, str(listed.terms), listed.until)
    return listed.reference or (*said, listed.reason)


_PLACES: dict[str, Callable[[object], Any]] = {"merchant": merchant, "category": category}
_waived_reason = one_of("reason", [reason.value for reason in DeclineReason])
_HOW_WAIVED = (
    'Write a reason, such as "amount_limit_exceeded", or of one policy: {"reason": "…", '
    '"policy": "…"}, for a limit with its key as "limit".'
)


def _waiver(given: object) -> dict[str, Any]:
    """A waiver in its normal form, an object: a reason alone waives all rules that have it."""
    fields = {"reason": given} if isinstance(given, str) else given
    known = {"reason", "policy", "limit", "block"}
    if not isinstance(fields, dict) or "reason" not in fields or fields.keys() - known:
        raise ValueError(_HOW_WAIVED)
    found: dict[str, Any] = {"reason": _waived_reason(fields["reason"])}
    if found["reason"] in NEVER_WAIVED:
        raise ValueError(f"No exception waives {found['reason']}: leave it out.")
    given_keys = {key for key, value in fields.items() if value not in (None, "")}
    if "policy" in given_keys:
        found["policy"] = text(NAME_LENGTH)(fields["policy"])
    if "limit" in given_keys:
        if "policy" not in found:
            raise ValueError("Name the policy that has this limit, too.")
        found["limit"] = limit_key(fields["limit"])
    if "block" in given_keys:
        block = fields["block"]
        if not isinstance(block, dict) or len(block) != 1 or block.keys() - _BLOCKED.keys():
            raise ValueError('Write what the block is about, such as {"country": "FR"}.')
        found["block"] = {key: _BLOCKED[key](value) for key, value in block.items()}
    return found


def _exception(entry: Fields) -> ListedException | None:
    """An exception, if it is valid: of a card, an amount and an end, for some place or any."""
    entry.refuse_others(
        (*_PLACES, "card", "up_to", "currency", "until", "waives", "reason", "reference")
    )
    before = len(entry.problems)
    card = _required(entry, "card", "Name the card.", stripe_id)
    places = [key for key in _PLACES if entry.has(key)]
    if len(places) > 1:
        entry.problem("category", "Name a merchant or a category, not both.")
    terms = [(key, entry.value(key, _PLACES[key], None)) for key in places]
    for key, convert, missing in (
        ("up_to", amount, "Give the amount that it lets through at most."),
        ("currency", currency, "Give the currency of the amount, such as eur."),
        ("until", instant, "Say until when it holds."),
    ):
        if not entry.has(key):
            entry.problem(key, missing)
        terms.append((key, entry.value(key, convert, None)))
    _, until = terms.pop()
    waives = entry.entries("waives", _waiver)
    if entry.data.get("waives") in (None, "", []):
        entry.problem("waives", "Say what it waives, as a list of reasons.")
    reason = _required(entry, "reason", "Give a reason: others will ask why.", _REASON)
    reference = entry.value("reference", _REFERENCE, "")
    if len(entry.problems) > before:
        return None
    terms.append(("waives", waives))
    return ListedException(entry.path, ScopeKind.CARD, card, reason, tuple(terms), until, reference)


_FIGURES: dict[str, Callable[[object], int]] = {
    "amount": amount,
    "count": whole_number(0, MAX_COUNT, "Give the number of purchases as a whole number."),
    "attempts": whole_number(0, MAX_ATTEMPTS, "Give the number of attempts as a whole number."),
    "raise_by": whole_number(1, MAX_AMOUNT, "Give what to add as a whole number."),
}


def _overrides(fields: Fields) -> Iterator[ListedOverride]:
    places: dict[object, Path] = {}
    scopes = (ScopeKind.GROUP, ScopeKind.CARDHOLDER, ScopeKind.CARD)
    for entry in fields.objects("overrides", _MAX_CARDS):
        entry.refuse_others(("policy", "limit", *scopes, *_FIGURES, "from", "until", "reason"))
        before = len(fields.problems)
        policy = _required(entry, "policy", "Name the policy.", text(NAME_LENGTH))
        limit = _required(entry, "limit", "Name the limit by its key.", limit_key)
        kind, target = _target(entry)
        given = [how for how in _FIGURES if entry.has(how)]
        which = 'one of "amount", "count", "attempts" and "raise_by"'
        how = _only(entry, given, "Give the figure", which)
        begins = entry.value("from", instant, None)
        reason = _required(entry, "reason", "Give a reason: others will ask why.", _REASON)
        until = entry.value("until", instant, None)
        if begins is not None and until is not None and until <= begins:
            entry.problem("until", "The end is not later than the beginning: choose a later one.")
        figure = entry.value(how, _FIGURES[how], 0) if how else 0
        if len(fields.problems) > before or how is None:
            continue
        own = (policy, limit, kind, target, how, figure, reason, until, begins)
        if not _is_again(entry, own, places):
            yield ListedOverride(entry.path, *own)


def _funds(fields: Fields) -> Iterator[ListedFunds]:
    places: dict[object, Path] = {}
    scopes = (ScopeKind.GROUP, ScopeKind.CARDHOLDER, ScopeKind.CARD)
    wrong = "Give what to add as a whole number in the smallest unit, or what to take as a negative"
    signed = whole_number(-MAX_AMOUNT, MAX_AMOUNT, f"{wrong} one.")
    for entry in fields.objects("funds", _MAX_CARDS):
        entry.refuse_others(("policy", "limit", *scopes, "amount", "reference", "reason"))
        before = len(fields.problems)
        policy = _required(entry, "policy", "Name the policy.", text(NAME_LENGTH))
        limit = _required(entry, "limit", "Name the limit by its key.", limit_key)
        member = ""
        if entry.has(ScopeKind.GROUP) and entry.has(ScopeKind.CARDHOLDER):
            member = entry.value(ScopeKind.CARDHOLDER, stripe_id, "")
        rest = {key: it for key, it in entry.data.items() if not member or key != "cardholder"}
        kind, target = _target(replace(entry, data=rest))
        found = entry.value("amount", signed, 0)
        if not found and len(fields.problems) == before:
            entry.problem("amount", "Give an amount that is not 0.")
        reference = _required(
            entry, "reference", "Give a reference, such as an order's number.", _REFERENCE
        )
        reason = _required(entry, "reason", "Give a reason: others will ask why.", _REASON)
        if len(fields.problems) > before:
            continue
        pot = (policy, limit, kind, target)
        if not _is_again(entry, (*pot, member, reference), places):
            yield ListedFunds(entry.path, *pot, found, reference, reason, member)


def _blocked(entry: Fields) -> tuple[tuple[str, Any], ...]:
    """What a block is about: exactly one of a merchant, a category and a country."""
    given = [key for key in _BLOCKED if entry.has(key)]
    which = 'one of "merchant", "category" and "country"'
    key = _only(entry, given, "Say what is blocked", which)
    return ((key, entry.value(key, _BLOCKED[key], None)),) if key else ()


def _target(entry: Fields) -> tuple[ScopeKind, str]:
    """What an entry is about; it has exactly one target."""
    kinds = [kind for kind in _TARGETS if entry.has(kind) and entry.data[kind] is not False]
    which = 'one of "program": true, "group", "cardholder" and "card"'
    kind = _only(entry, kinds, "Say what it applies to", which)
    if kind is None:
        return ScopeKind.PROGRAM, ""
    if kind is ScopeKind.PROGRAM:
        entry.value(kind, flag, default=True)
        return kind, ""
    convert = text(NAME_LENGTH) if kind is ScopeKind.GROUP else stripe_id
    return kind, entry.value(kind, convert, "")


def _only(entry: Fields, given: list[T], missing: str, which: str) -> T | None:
    """The one that is given; None, and a problem, if there is none or more than one."""
    if len(given) == 1:
        return given[0]
    wrong = f"Choose one only, {which}." if given else f"{missing}: {which}."
    entry.problems.append(Problem(entry.path, wrong))
    return None


def _is_again(entry: Fields, identity: object, places: dict[object, Path]) -> bool:
    """Whether an entry before is the same, which is a problem; `places` has where each is."""
    twin = places.setdefault(identity, entry.path)
    if twin != entry.path:
        again = f"This is {path_text(twin)} again: keep one of them."
        entry.problems.append(Problem(entry.path, again))
    return twin != entry.path


def _required(entry: Fields, key: str, problem: str, convert: Callable[[object], str]) -> str:
    if not entry.has(key):
        entry.problem(key, problem)
    return entry.value(key, convert, "")


def _refuse_twins(listed: Iterable[Fields]) -> dict[str, Path]:
    """Add a problem for each repeated name; return the place of each name."""
    places: dict[str, Path] = {}
    for entry in listed:
        name = entry.data.get("name")
        if isinstance(name, str) and name.strip():
            twin = places.setdefault(name.strip(), entry.path)
            if twin != entry.path:
                entry.problem("name", f"{path_text(twin)} has this name already: choose another.")
    return places
