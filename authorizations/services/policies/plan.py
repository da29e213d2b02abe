"""Reads a policy file and compares it with the database; writes nothing."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from time import time
from typing import Any, NamedTuple, TypeAlias

from django.utils import timezone

from authorizations.models import (
    Assignment,
    Card,
    CardGroup,
    Cardholder,
    FundEntry,
    Instruction,
    PlannedVersion,
    Policy,
)
from authorizations.rules.basics.controls import (
    Interval,
    LimitControl,
    Scope,
    ScopeKind,
    member_scope,
    reaches,
    scope_key,
    scope_of,
)
from authorizations.rules.basics.fields import Path, path_text, quoted
from authorizations.rules.basics.words import instant_words
from authorizations.rules.policy.document import InvalidPolicyError, Problem, completed, controls
from authorizations.rules.policy.policy_file import (
    ListedException,
    ListedFunds,
    ListedGroup,
    ListedOverride,
    ListedPlan,
    PolicyFile,
    read,
)
from authorizations.services.cards import grants
from authorizations.services.policies import (
    exclusions,
    funds,
    own_amounts,
    planned,
    purchase_exceptions,
)
from authorizations.services.policies.changes import (
    NONE_ASLEEP,
    Changes,
    EachChange,
    ExclusionChange,
    FundsChange,
    GroupChange,
    OverrideChange,
    PlanChange,
    PlanEnd,
    PolicyChange,
    StopChange,
    Target,
)
from authorizations.services.policies.names import ByName, GoneError
from authorizations.services.policies.stops import StopError

_Pot: TypeAlias = tuple[str, str, str, str]
"""The policy, the limit's key, the key of the scope, and the currency."""


class UnseenIds(NamedTuple):
    """Ids in a file without a row in the database."""

    cards: tuple[str, ...]
    cardholders: tuple[str, ...]


def checked(written: str) -> PolicyFile:
    """Parse and check a policy file. Raises InvalidPolicyError with every problem."""
    file, problems = read(written)
    # Of an unreadable list no name is known, so none of them is missing.
    unread = {problem.path for problem in problems}
    unknown = [
        found
        for kind, key in (("policy", "policies"), ("group", "groups"))
        if (key,) not in unread
        for found in _unknown_names(file, kind)
    ]
    problems += [*unknown, *_unknown_limits(file), *_split_chains(file)]
    # An assignment that is not valid may be what an own amount lacks.
    if not any(problem.path[:1] == ("assignments",) for problem in problems):
        problems += _unmeasured(file)
    if problems:
        raise InvalidPolicyError(problems)
    return file


def _unknown_names(file: PolicyFile, kind: str) -> Iterator[Problem]:
    """Policies or groups that entries name, and that are neither here nor in the database."""
    assignments = file.assignments or ()
    if kind == "policy":
        known = {*file.names, *Policy.objects.values_list("name", flat=True)}
        named = [(at.path, at.policy) for at in assignments]
        named += [(own.path, own.policy) for own in file.of_limits]
        named += _named_by_waivers(file)
    else:
        known = {*file.group_names, *CardGroup.objects.values_list("name", flat=True)}
        group = ScopeKind.GROUP
        named = [(at.path, at.target) for at in assignments if at.kind is group]
        left_out = [it for at in assignments for it in at.exclusions]
        named += [(it.path, it.target) for it in left_out if it.kind is group]
        named += [(it.path, it.target) for it in file.stops if it.kind is group]
        named += [(own.path, own.target) for own in file.of_limits if own.kind is group]
    places: dict[str, list[Path]] = defaultdict(list)
    for path, name in named:
        if name not in known:
            places[name].append((*path, kind))
    for name, paths in places.items():
        yield _problem_at(
            paths,
            f"There is no {kind} {quoted(name)}, here or in the database: add it to the file.",
        )


def _named_by_waivers(file: PolicyFile) -> Iterator[tuple[Path, str]]:
    """The policies that exceptions of the file name, but for those that are not made any more."""
    now = time()
    listed = [it for it in file.stops if isinstance(it, ListedException)]
    references = [it.reference for it in listed if it.reference]
    made = Instruction.objects.filter(reference__in=references)
    known = set(made.values_list("reference", flat=True)) if references else set()
    for it in listed:
        if it.reference in known or (it.until is not None and it.until <= now):
            continue
        for place, waiver in enumerate(dict(it.terms)["waives"]):
            if "policy" in waiver:
                yield (*it.path, "waives", place), waiver["policy"]


def _unknown_limits(file: PolicyFile) -> Iterator[Problem]:
    """Own amounts and funds of limits that their policy does not have, or has in another unit."""
    limits = _limits_then(file)
    places: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for own in file.of_limits:
        its = limits.get(own.policy)
        if its is None:
            continue  # the policy is unknown, or not valid
        limit = its.get(own.limit)
        if limit is None:
            message = (
                f"The policy has no limit {quoted(own.limit)}; it has {', '.join(its) or 'none'}."
            )
            places[own.policy, message].append((*own.path, "limit"))
        elif isinstance(own, ListedFunds) or limit.interval is Interval.FUNDS:
            if not isinstance(own, ListedFunds):
                message = "These are funds: list what is added under “funds”."
                places[own.policy, message].append((*own.path, "limit"))
            elif limit.interval is not Interval.FUNDS:
                message = "This limit has no funds: it has an amount or a count of its own."
                places[own.policy, message].append((*own.path, "limit"))
        elif own.how not in (limit.measure, "raise_by"):
            places[own.policy, _WRONG_UNIT[limit.measure]].append((*own.path, own.how))
    for (_, message), paths in places.items():
        yield _problem_at(paths, message)


def _unmeasured(file: PolicyFile) -> Iterator[Problem]:
    """Own amounts whose limit measures their scope nowhere, once the file is imported."""
    now, limits = time(), _limits_then(file)
    measured = _measured_then(file)
    places: dict[str, list[Path]] = defaultdict(list)
    for own in file.overrides or ():
        limit = limits.get(own.policy, {}).get(own.limit)
        is_over = own.until is not None and own.until <= now
        # Attempts are those of each card, whatever the policy is assigned to.
        if limit is None or is_over or limit.attempts is not None:
            continue
        if not any(reaches(own.kind, kind) for kind in measured[own.policy]):
            places[own.policy].append((*own.path, own.kind.value))
    for paths in places.values():
        yield _problem_at(paths, own_amounts.NOT_MEASURED)


def _measured_then(file: PolicyFile) -> dict[str, set[ScopeKind]]:
    """The kinds of scopes that the limits of each policy measure once the file is imported."""
    assigned: dict[str, dict[tuple[ScopeKind, str], str]] = defaultdict(dict)
    for target in targets():
        if file.assignments is None or target.policy not in file.names:
            assigned[target.policy][target.kind, target.target] = target.each
    for at in file.assignments or ():
        assigned[at.policy][at.kind, at.target] = at.each
    found = defaultdict[str, set[ScopeKind]](set)
    for name, its in assigned.items():
        pairs = {(kind, each) for (kind, _), each in its.items()}
        found[name] = own_amounts.kinds_measured(pairs)
    return found


_WRONG_UNIT = {
    "amount": "This limit is of an amount: give an amount.",
    "count": "This limit counts purchases: give a count.",
    "attempts": "This limit counts attempts: give these.",
}


def _problem_at(paths: Sequence[Path], message: str) -> Problem:
    """A problem of several places with one cause, at the first of them."""
    more = len(paths) - 1
    entries = "1 more entry has" if more == 1 else f"{more:,} more entries have"
    return Problem(paths[0], f"{message} {entries} the same problem." if more else message)


def _limits_then(file: PolicyFile, also: Iterable[str] = ()) -> dict[str, dict[str, LimitControl]]:
    """The limits by key of each policy that own amounts name, with the file's policies in force.

    Those of planned versions too; of two with one key those of the policy without its plans.
    `also` names further policies.
    """
    listed = {str(normal["name"]) for normal in file.policies}
    named = {*also, *(own.policy for own in file.of_limits)}
    others = named - (file.names - file.planning) - listed
    policies = Policy.objects.filter(name__in=others).select_related("current_version")
    documents = [
        (policy.name, version.document)
        for policy in policies
        for version in planned.versions_to_come(policy)
    ]
    documents += [(one.policy, one.normal) for one in file.plans]
    documents += [(str(normal["name"]), normal) for normal in file.policies]
    limits: dict[str, dict[str, LimitControl]] = {policy.name: {} for policy in policies}
    for name, document in documents:
        limits.setdefault(name, {})
        limits[name] |= {limit.key: limit for limit in controls(document).limits}
    return limits


def _limit_then(
    limits: Mapping[str, Mapping[str, LimitControl]], own: ListedOverride | ListedFunds
) -> LimitControl:
    """The limit that an entry names, which was there when the file was checked."""
    limit = limits.get(own.policy, {}).get(own.limit)
    if limit is None:
        raise GoneError(f"The limit {quoted(own.limit)} of the policy {quoted(own.policy)}")
    return limit


def _split_chains(file: PolicyFile) -> Iterator[Problem]:
    """Groups with cards of one replacement chain whose other cards are in a different group."""
    roots = _roots(file)
    owners: dict[str, ListedGroup] = {}
    for group in file.groups:
        for card in group.cards or ():
            owner = owners.setdefault(roots[card], group)
            if owner is not group:
                there = path_text(owner.path)
                message = f"{card} replaces a card of {there}, or is replaced: put both in one."
                yield Problem((*group.path, "cards"), message)


def _roots(file: PolicyFile) -> dict[str, str]:
    """The root of every card in the file; a card without a row is its own root."""
    cards = set(file.cards)
    existing = Card.objects.filter(pk__in=cards).values_list("pk", "root_id")
    return {card: card for card in cards} | dict(existing)


def unseen(file: PolicyFile) -> UnseenIds:
    """The cards and cardholders in the file that have no row in the database."""
    cards, cardholders = set(file.cards), set(file.targets(ScopeKind.CARDHOLDER))
    cardholders |= {it.target for it in file.of_limits if it.kind is ScopeKind.CARDHOLDER}
    cardholders |= {it.member for it in file.funds if it.member}
    cards -= set(Card.objects.filter(pk__in=cards).values_list("pk", flat=True))
    cardholders -= set(Cardholder.objects.filter(pk__in=cardholders).values_list("pk", flat=True))
    return UnseenIds(tuple(sorted(cards)), tuple(sorted(cardholders)))


def changes(file: PolicyFile, unseen: UnseenIds) -> Changes:
    """The difference between a checked file and the database."""
    roots = _roots(file)
    wanted = set[Target]()
    for listed in file.assignments or ():
        is_card = listed.kind is ScopeKind.CARD
        target = roots[listed.target] if is_card else listed.target
        wanted.add(Target(listed.policy, listed.kind, target, listed.each))
    there = set(targets())
    before = {target: target for target in there}
    each_changes = [
        EachChange(before[target], target)
        for target in sorted(wanted)
        if target in before and target.each != before[target].each
    ]
    others = {target for target in there - wanted if target.policy in file.names}
    unassigned = () if file.assignments is None else tuple(sorted(others))
    own = _own_amounts(file, roots)
    ended_amounts = own.get("ended_amounts", ())
    policies = tuple(_policy_changes(file, ended_amounts))
    plans, ended_plans = _plan_changes(file, policies, ended_amounts)
    found = Changes(
        policies=policies,
        plans=plans,
        ended_plans=ended_plans,
        groups=tuple(_group_changes(file, roots)),
        assigned=tuple(sorted(wanted - there)),
        unassigned=unassigned,
        each_changes=tuple(each_changes),
        new_cards=unseen.cards,
        new_cardholders=unseen.cardholders,
        stops=tuple(new_stops(file)),
        funds=tuple(_checked_funds(file)),
        **own,
        **_left_out(file, roots, unassigned),
    )
    return replace(found, grants=_grants_changed(found, there))


def _grants_changed(changes: Changes, there: set[Target]) -> grants.GrantDifference:
    """The most cards that gain and lose a grant: at once, or when a planned version begins."""
    ending = {end.version_id: end.name for end in changes.ended_plans}
    in_force = Policy.objects.versions_in_force().values() if ending else ()
    ended = {ending[version] for version in in_force if version in ending}
    at_once = {name: completed({"name": name}) for name in ended} | _current(ended)
    at_once |= {change.name: change.normal for change in changes.policies}
    later = defaultdict[str, list[dict[str, Any]]](list)
    for change in changes.plans:
        later[change.name].append(change.listed.normal)
    found = [grants.difference(_rearrangement(changes, there, at_once))]
    # One of each policy at a time, however many are planned.
    for turn in range(max(map(len, later.values()), default=0)):
        then = {name: those[turn] for name, those in later.items() if turn < len(those)}
        found.append(grants.difference(_rearrangement(changes, there, at_once | then)))
    return grants.GrantDifference(max(it.gained for it in found), max(it.lost for it in found))


def new_stops(file: PolicyFile) -> Iterator[StopChange]:
    """Those that were never made, and have not ended: one that was lifted is not made again.

    Raises InvalidPolicyError where a reference is that of another kind of instruction.
    """
    if not file.stops:
        return
    now = time()
    ids = {name: str(pk) for name, pk in CardGroup.objects.values_list("name", "pk")}
    # By its id a policy is the same whatever it was called; a new one of the file has none yet.
    policies = dict(Policy.objects.values_list("name", "pk"))
    columns = ("reference", "kind", "scope", "terms", "ends_at", "reason")
    rows = list(Instruction.objects.values_list(*columns))
    references = {reference: kind for reference, kind, *_ in rows if reference}
    told = {
        (kind, scope, _terms_text(terms), ends and int(ends.timestamp()), reason)
        for reference, kind, scope, terms, ends, reason in rows
        if not reference
    }
    for listed in file.stops:
        is_group = listed.kind is ScopeKind.GROUP
        target = ids.get(listed.target, "") if is_group else listed.target
        kind = Instruction.Kind.BLOCK if listed.terms else Instruction.Kind.FREEZE
        if isinstance(listed, ListedException):
            kind = Instruction.Kind.EXCEPTION
        if references.get(listed.reference, kind) != kind:
            what = Instruction.Kind(references[listed.reference]).label.lower()
            message = f"{quoted(listed.reference)} refers to another kind of instruction already"
            problem = Problem((*listed.path, "reference"), f"{message} ({what}): choose another.")
            raise InvalidPolicyError([problem])
        terms = dict(listed.terms)
        if "waives" in terms:
            terms["waives"] = purchase_exceptions.waivers_by_id(terms["waives"], policies.get)
        where = f"{listed.kind}:{target}"
        said = (kind, where, _terms_text(terms), listed.until, listed.reason)
        is_known = listed.reference in references if listed.reference else said in told
        if not is_known and (listed.until is None or listed.until > now):
            yield StopChange(listed)


def new_funds(file: PolicyFile) -> Iterator[FundsChange]:
    """The entries that their pots do not have, by their references."""
    for change, _ in _entries(file):
        yield change


def _checked_funds(file: PolicyFile) -> Iterator[FundsChange]:
    """The entries of `new_funds`, if all of them can be made.

    Raises InvalidPolicyError where the limit does not measure the scope once the file is imported,
    and where more is taken out than is left.
    """
    entries = list(_entries(file))
    measured = _measured_then(file) if entries else {}
    groups = {group.name for group in file.groups}
    groups.update(CardGroup.objects.values_list("name", flat=True) if entries else ())
    unmeasured: dict[str, list[Path]] = defaultdict(list)
    for change, (policy, _, scope, _) in entries:
        if change.listed.kind is ScopeKind.GROUP and change.listed.target not in groups:
            continue  # it was deleted meanwhile, which the import tells
        if scope_of(scope).kind not in measured[policy]:
            unmeasured[policy].append((*change.listed.path, change.listed.kind.value))
    if unmeasured:
        raise InvalidPolicyError(
            [_problem_at(paths, funds.NOT_MEASURED) for paths in unmeasured.values()]
        )
    taken = {pot: change for change, pot in entries if change.listed.amount < 0}
    left = _left_of_pots(taken, _limits_then(file)) if taken else {}
    for change, pot in entries:
        amount = change.listed.amount
        if pot in left:
            if amount < 0 and left[pot] + amount < 0:
                message = funds.too_little(left[pot], change.currency)
                raise InvalidPolicyError([Problem((*change.listed.path, "amount"), message)])
            left[pot] += amount
        yield change


def _entries(file: PolicyFile) -> Iterator[tuple[FundsChange, _Pot]]:
    """The entries to make, each with its pot."""
    if not file.funds:
        return
    roots, limits = _roots(file), _limits_then(file)
    groups = {name: str(pk) for name, pk in CardGroup.objects.values_list("name", "pk")}
    columns = ("policy__name", "limit_key", "scope", "currency", "reference")
    there = set(FundEntry.objects.values_list(*columns))
    for listed in file.funds:
        by_kind = {ScopeKind.CARD: roots, ScopeKind.GROUP: groups}.get(listed.kind, {})
        target = by_kind.get(listed.target, listed.target)
        scope = scope_key(Scope(listed.kind, target))
        if listed.member:
            scope = scope_key(member_scope(target, listed.member))
        limit = _limit_then(limits, listed)
        pot = (listed.policy, listed.limit, scope, limit.currency)
        if (*pot, listed.reference) not in there:
            yield FundsChange(listed, limit.currency), pot


def _left_of_pots(
    taken: Mapping[_Pot, FundsChange], limits: Mapping[str, Mapping[str, LimitControl]]
) -> dict[_Pot, int]:
    """What is left of these pots. Raises InvalidPolicyError while that is being counted."""
    policies = {policy.name: policy for policy in Policy.objects.all()}
    left: dict[_Pot, int] = {}
    for pot, change in taken.items():
        name, key, scope, _ = pot
        try:
            policy = policies.get(name)
            left[pot] = funds.left(policy, limits[name][key], scope_of(scope)) if policy else 0
        except StopError as wrong:
            problem = Problem((*change.listed.path, "amount"), str(wrong))
            raise InvalidPolicyError([problem]) from wrong
    return left


def _terms_text(terms: dict[str, Any]) -> str:
    """Terms as text to compare; a file does not say which decision an exception was given from."""
    said = {name: value for name, value in terms.items() if name != "decision"}
    return json.dumps(said, sort_keys=True)


def _own_amounts(file: PolicyFile, roots: Mapping[str, str]) -> dict[str, Any]:
    """The own amounts to make, and those to end: others of the policies in the file."""
    if file.overrides is None:
        return {}
    now = time()
    groups = {name: str(pk) for name, pk in CardGroup.objects.values_list("name", "pk")}
    limits = _limits_then(file)
    there = own_amounts.said_by(own_amounts.given())
    new: list[OverrideChange] = []
    kept: set[int] = set()
    for own in file.overrides:
        if own.until is not None and own.until <= now:
            continue
        by_kind = {ScopeKind.CARD: roots, ScopeKind.GROUP: groups}.get(own.kind, {})
        change = OverrideChange(own, _limit_then(limits, own), by_kind.get(own.target, own.target))
        said = own_amounts.said_of(change)
        if said in there:
            kept.update(there[said])
        else:
            new.append(change)
    named = file.names | {own.policy for own in file.overrides}
    others = [said for said, keys in there.items() if said.policy in named and not kept & {*keys}]
    now_and_then = PolicyFile(), file
    limits_there = [_limits_then(one, {said.policy for said in others}) for one in now_and_then]
    measured = [_measured_then(one) for one in now_and_then]

    def can_be_said(said: own_amounts.Said) -> bool:
        """Whether it has a limit, which measures its scope somewhere, now or after the import."""
        about = own_amounts.about(json.loads(said.terms))
        key, _, _, is_of_attempts = about
        found = [its[said.policy].get(key) for its in limits_there if said.policy in its]
        if not any(limit and limit.about == about for limit in found):
            return False
        kinds = set[ScopeKind]().union(*(one[said.policy] for one in measured))
        return is_of_attempts or any(reaches(scope_of(said.scope).kind, kind) for kind in kinds)

    ended = {pk for said in others if can_be_said(said) for pk in there[said]}
    return {"own_amounts": tuple(new), "ended_amounts": tuple(sorted(ended))}


def _left_out(
    file: PolicyFile, roots: Mapping[str, str], unassigned: Sequence[Target]
) -> dict[str, Any]:
    """The exclusions to make, and those to end: others of the policies that are assigned.

    Those from what is unassigned end with it.
    """
    if file.assignments is None:
        return {}
    now = time()
    groups = {name: str(pk) for name, pk in CardGroup.objects.values_list("name", "pk")}

    def key(kind: ScopeKind, target: str) -> str:
        by_kind = {ScopeKind.CARD: roots, ScopeKind.GROUP: groups}.get(kind, {})
        # A new group has no id yet; this key is no id.
        new = f"={target}" if kind is ScopeKind.GROUP else target
        return f"{kind}:{by_kind.get(target, new)}"

    # Several say the same where cards turned out to be of one chain.
    there: dict[tuple[object, ...], set[int]] = defaultdict(set)
    for row in exclusions.in_force().select_related("policy"):
        until = int(row.ends_at.timestamp()) if row.ends_at else None
        name = row.policy.name if row.policy else ""
        there[name, row.terms["assigned"], row.scope, until, row.reason].add(row.pk)
    new: list[ExclusionChange] = []
    kept: set[int] = set()
    for at in file.assignments:
        for listed in at.exclusions:
            if listed.until is not None and listed.until <= now:
                continue
            who = key(listed.kind, listed.target)
            said = (at.policy, key(at.kind, at.target), who, listed.until, listed.reason)
            if said in there:
                kept |= there[said]
                continue
            is_card = listed.kind is ScopeKind.CARD
            target = roots[listed.target] if is_card else listed.target
            assigned = Target(at.policy, at.kind, at.target)
            new.append(ExclusionChange(assigned, listed, target))
    named = file.names | {at.policy for at in file.assignments}
    going = {(at.policy, key(at.kind, at.target)) for at in unassigned}
    ended = {
        pk
        for said, keys in there.items()
        if said[0] in named and said[:2] not in going
        for pk in keys
    } - kept
    return {"exclusions": tuple(new), "ended_exclusions": tuple(sorted(ended))}


def _rearrangement(
    changes: Changes, there: set[Target], documents: Mapping[str, dict[str, Any]]
) -> grants.Rearrangement:
    """The changes as far as they concern which cards may spend; `documents` are in force then."""
    groups = {name: str(pk) for name, pk in CardGroup.objects.values_list("name", "pk")}
    ids = dict(Policy.objects.values_list("name", "pk"))
    in_force = grants.in_force()
    granted = {name: in_force.get(pk, grants.NONE) for name, pk in ids.items()}
    before = ByName("policy", granted.items())
    granted |= {name: grants.grants_of(controls(document)) for name, document in documents.items()}
    after = ByName("policy", granted.items())

    def key(target: Target) -> str:
        # A new group has no id yet; this key is no id.
        is_group = target.kind is ScopeKind.GROUP
        id_ = groups.get(target.target, f"={target.target}") if is_group else target.target
        return f"{target.kind}:{id_}"

    def group_key(name: str) -> str | None:
        return key(Target("", ScopeKind.GROUP, name)) if name else None

    touched = {target.policy for target in (*changes.assigned, *changes.unassigned)}
    touched |= {name for name in after if before.get(name, grants.NONE) != after[name]}
    now = {target for target in there if target.policy in touched}
    then = (now - {*changes.unassigned}) | {*changes.assigned}

    def policy_at(target: Target) -> grants.PolicyAt:
        policy = ids.get(target.policy)
        return grants.PolicyAt(str(policy or f"={target.policy}"), key(target))

    policies = {
        policy_at(target): (
            before[target.policy] if target in now else grants.NONE,
            after[target.policy] if target in then else grants.NONE,
        )
        for target in now | then
    }
    held = {row.pk: grants.left_out_by(row) for row in exclusions.in_force()}
    now_out, ended = set(held.values()), set(changes.ended_exclusions)
    then_out = {one for pk, one in held.items() if pk not in ended}
    then_out |= {
        grants.LeftOut(policy_at(new.assigned), key(Target("", new.listed.kind, new.target)))
        for new in changes.exclusions
    }
    left_out = {one: (one in now_out, one in then_out) for one in now_out ^ then_out}
    moved: dict[str, tuple[str | None, str | None]] = {
        card: (group_key(group.name), None) for group in changes.groups for card in group.leaving
    }
    moved |= {
        card: (group_key(from_group), group_key(group.name))
        for group in changes.groups
        for card, from_group in group.joining.items()
    }
    return grants.Rearrangement(policies, left_out, moved, changes.new_cards)


def targets() -> Iterator[Target]:
    """Every assignment in the database."""
    columns = ("policy__name", "cardholder_id", "card_id", "group__name", "each")
    for policy, cardholder, card, group, each in Assignment.objects.values_list(*columns):
        if card:
            yield Target(policy, ScopeKind.CARD, card)
        elif cardholder:
            yield Target(policy, ScopeKind.CARDHOLDER, cardholder)
        elif group:
            yield Target(policy, ScopeKind.GROUP, group, each)
        else:
            yield Target(policy, ScopeKind.PROGRAM, "", each)


def _policy_changes(file: PolicyFile, ended_amounts: Sequence[int]) -> Iterator[PolicyChange]:
    in_force = Policy.objects.filter(current_version__isnull=False, name__in=file.names)
    there = {policy.name: policy for policy in in_force.select_related("current_version")}
    with_own = set(own_amounts.given().order_by().values_list("policy", flat=True).distinct())
    for normal in sorted(file.policies, key=lambda normal: str(normal["name"])):
        policy = there.get(normal["name"])
        version = policy and policy.current_version
        before = version.document if version else None
        if policy is None or before is None or policy.pk not in with_own:
            asleep = NONE_ASLEEP
        else:
            asleep = own_amounts.asleep(
                policy,
                controls(before).limits,
                controls(normal).limits,
                but=ended_amounts,
            )
        if before != normal:
            is_left = policy and policy.name not in file.planning
            beside = tuple(_beside(policy)) if policy and is_left else ()
            yield PolicyChange(normal, before, asleep, beside)


def _beside(policy: Policy) -> Iterator[str]:
    """What publishing a version means for those that are planned."""
    now = timezone.now()
    for plan in policy.listed_plans:
        version = f"version {plan.version.number}"
        if plan.begins_at <= now:
            yield f"{version} is in force by a plan; this one replaces it at once, and for good"
        else:
            at = instant_words(int(plan.begins_at.timestamp()), "UTC")
            yield f"{version} is planned from {at}; this one yields to it then"


def _current(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What policies say whenever no planned version is in force, by name."""
    published = Policy.objects.filter(current_version__isnull=False, name__in=names)
    return {
        policy.name: policy.current_version.document
        for policy in published.select_related("current_version")
        if policy.current_version
    }


def _plan_changes(
    file: PolicyFile, policies: Sequence[PolicyChange], ended_amounts: Sequence[int]
) -> tuple[tuple[PlanChange, ...], tuple[PlanEnd, ...]]:
    """The versions to plan, and those to cancel, of policies whose plans the file lists.

    One that has begun is known by its end and by what it says. What begins together comes into
    force in the order of the file, so that all are planned anew from the first one that is missing.
    """
    now = time()
    replaced = {change.name for change in policies}
    there: dict[tuple[str, int], list[tuple[object, PlannedVersion]]] = defaultdict(list)
    plans = PlannedVersion.objects.open().filter(policy__name__in=file.planning)
    for plan in plans.select_related("version", "policy").order_by("begins_at", "version_id"):
        begins = int(plan.begins_at.timestamp())
        if begins <= now and plan.policy.name in replaced:
            continue  # what is published now is in force after it
        document = plan.version.document | {"name": plan.policy.name}
        said = (plan.ends_at and int(plan.ends_at.timestamp()), document)
        there[plan.policy.name, begins if begins > now else 0].append((said, plan))
    listed: dict[tuple[str, int], list[ListedPlan]] = defaultdict(list)
    for one in sorted(file.plans, key=lambda one: one.begins or now):
        if one.ends is None or one.ends > now:
            begins = one.begins if one.begins and one.begins > now else 0
            listed[one.policy, begins].append(one)
    current = _current(file.planning) | {change.name: change.normal for change in policies}
    with_own = own_amounts.given().order_by().values("policy")
    owners = {
        policy.name: policy
        for policy in Policy.objects.filter(name__in=file.planning, pk__in=with_own)
    }
    new, kept = [], set[int]()
    for key, wanted in listed.items():
        have = there.get(key, [])
        same = 0
        while same < min(len(have), len(wanted)) and have[same][0] == (
            wanted[same].ends,
            wanted[same].normal,
        ):
            kept.add(have[same][1].pk)
            same += 1
        for one in wanted[same:]:
            before, owner = current.get(one.policy), owners.get(one.policy)
            asleep = NONE_ASLEEP
            if owner and before:
                limits = [controls(said).limits for said in (before, one.normal)]
                asleep = own_amounts.asleep(owner, *limits, but=ended_amounts)
            new.append(PlanChange(one, before, asleep))
    ended = [
        PlanEnd(plan.policy.name, plan.version.number, plan.version_id)
        for those in there.values()
        for _, plan in those
        if plan.pk not in kept
    ]
    return tuple(new), tuple(ended)


def _group_changes(file: PolicyFile, roots: dict[str, str]) -> Iterator[GroupChange]:
    """Of a group with a rule, only cards that are there by hand are the file's to take out."""
    rules = CardGroup.objects.values_list("name", "metadata_key", "metadata_value")
    there = {name: (key, value) for name, key, value in rules}
    groups_of = dict(
        Card.objects.filter(pk__in=roots.values(), group__isnull=False).values_list(
            "pk", "group__name"
        )
    )
    members: dict[str, set[str]] = defaultdict(set)
    by_rule: dict[str, set[str]] = defaultdict(set)
    rows = Card.objects.filter(group__name__in=file.group_names)
    for name, card, grouped_by in rows.values_list("group__name", "pk", "grouped_by"):
        is_by_rule = grouped_by == Card.GroupedBy.RULE
        (by_rule if is_by_rule else members)[name].add(card)
    for group in file.groups:
        before = there.get(group.name, ("", ""))
        rule = before if group.metadata is None else group.metadata
        now = members[group.name]
        wanted = now if group.cards is None else {roots[card] for card in group.cards}
        joining = {card: groups_of.get(card, "") for card in wanted - now}
        leaving = now - wanted
        if not any(rule) and group.cards is not None:
            leaving |= by_rule[group.name] - wanted
        is_new = group.name not in there
        if is_new or joining or leaving or rule != before:
            new_rule = rule if rule != before else None
            yield GroupChange(group.name, is_new, joining, tuple(sorted(leaving)), new_rule)
