"""Exports and imports policy files, which contain everything that decisions are made by."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F, Prefetch
from django.utils import timezone
from psycopg.errors import ForeignKeyViolation

from authorizations.models import (
    Assignment,
    Card,
    CardGroup,
    Cardholder,
    FundEntry,
    Instruction,
    Policy,
    PolicyVersion,
)
from authorizations.rules.basics.controls import (
    Interval,
    LimitControl,
    Scope,
    ScopeKind,
    member_of,
    member_scope,
    reaches,
    scope_of,
)
from authorizations.rules.basics.purchase_exceptions import Waiver
from authorizations.rules.basics.words import gained_words
from authorizations.rules.policy.document import InvalidPolicyError, Problem, controls
from authorizations.rules.policy.policy_file import (
    ListedException,
    ListedFunds,
    ListedStop,
    PolicyFile,
)
from authorizations.services.policies import (
    counting_ahead,
    exclusions,
    funds,
    groups,
    own_amounts,
    plan,
    planned,
    purchase_exceptions,
    scopes,
    stops,
)
from authorizations.services.policies.changes import (
    Changes,
    FundsChange,
    PlanChange,
    PlanEnd,
    PolicyChange,
    StopChange,
    Target,
)
from authorizations.services.policies.names import ByName, GoneError, group_ids, policy_ids
from authorizations.services.policies.planned import PlanError, PlannedTimes
from authorizations.services.policies.publish import publish
from authorizations.services.policies.stops import StopError
from authorizations.services.store import locks

_ENTRIES_AT_ONCE = 10
"""Maximum entries of funds in one transaction, because each takes a dozen statements while
purchases wait."""


def export_policies() -> dict[str, Any]:
    """Everything as a complete policy file; the same content always gives the same file."""
    policies = Policy.objects.select_related("current_version").order_by("name")
    left_out = _exported_exclusions()
    by_hand = Card.objects.exclude(grouped_by=Card.GroupedBy.RULE)
    its = Prefetch("cards", queryset=by_hand, to_attr="its_by_hand")
    shared = CardGroup.objects.prefetch_related("cards", its).order_by("name")
    return {
        "policies": [_exported_policy(policy) for policy in policies],
        "groups": [
            {
                "name": group.name,
                "cards": sorted(
                    card.pk
                    for card in (group.its_by_hand if group.metadata_key else group.cards.all())
                ),
            }
            | (
                {"metadata": {group.metadata_key: group.metadata_value}}
                if group.metadata_key
                else {}
            )
            for group in shared
        ],
        "assignments": [
            {"policy": at.policy, at.kind.value: at.target or True}
            | ({"each": at.each} if at.each else {})
            | ({"except": left_out[at]} if at in left_out else {})
            for at in sorted(plan.targets())
        ],
        "overrides": list(_once(_exported_amounts())),
        "funds": list(_exported_funds()),
        "exceptions": list(_once(_exported_exceptions())),
        "freezes": list(_once(_exported(Instruction.Kind.FREEZE))),
        "blocks": list(_once(_exported(Instruction.Kind.BLOCK))),
    }


def _exported_policy(policy: Policy) -> dict[str, Any]:
    """What a policy says whenever no planned version is in force, and those planned versions."""
    plans = list(policy.plans.open().select_related("version")) if policy.planned_until else []
    if policy.current_version:
        found = policy.current_version.document
    else:
        found = {"name": policy.name} if plans else policy.document
    listed = [
        {
            "from": _instant(plan.begins_at),
            "until": _instant(plan.ends_at) if plan.ends_at else None,
            **{key: value for key, value in plan.version.document.items() if key != "name"},
        }
        for plan in plans
    ]
    return found | ({"planned": listed} if listed else {})


def _exported(kind: Instruction.Kind) -> Iterator[dict[str, Any]]:
    """The freezes or blocks that are in force, the oldest first."""
    names = {str(pk): name for pk, name in CardGroup.objects.values_list("pk", "name")}
    # What a limit on attempts freezes follows from purchases, not from a file.
    told = stops.in_force().filter(kind=kind).exclude(terms__has_key="attempts")
    for row in told.order_by("pk"):
        scope = scope_of(row.scope)
        target: str | bool = scope.id or True
        if scope.kind is ScopeKind.GROUP:
            if scope.id not in names:  # it is gone, and what held for it with it
                continue
            target = names[scope.id]
        found = dict(row.terms)
        if kind == Instruction.Kind.FREEZE or scope.kind is not ScopeKind.PROGRAM:
            found[scope.kind.value] = target
        if row.ends_at:
            found["until"] = _instant(row.ends_at)
        if row.reference:
            found["reference"] = row.reference
        found["reason"] = row.reason
        yield found


def _exported_funds() -> Iterator[dict[str, Any]]:
    """Every entry of funds whose limit is there and measures its scope, the oldest first.

    Those of a card that turned out to replace another are entries of the first of its chain, too.
    """
    names = {str(pk): name for pk, name in CardGroup.objects.values_list("pk", "name")}
    limits = _limits_by_key()
    measured = cache(own_amounts.measured_kinds)
    replacing = set(Card.objects.exclude(root=F("pk")).values_list("pk", flat=True))
    for entry in FundEntry.objects.select_related("policy").order_by("pk"):
        scope = scope_of(entry.scope)
        if scope.kind is ScopeKind.CARD and scope.id in replacing:
            continue
        about = {scope.kind.value: scope.id}
        if scope.kind in (ScopeKind.GROUP, ScopeKind.MEMBER):
            group_id, cardholder_id = member_of(scope)
            if group_id not in names:  # it is gone, and its pots with it
                continue
            about = {"group": names[group_id]}
            about |= {"cardholder": cardholder_id} if cardholder_id else {}
        limit = limits.get((entry.policy_id, entry.limit_key))
        if limit is None or (limit.interval, limit.currency) != (Interval.FUNDS, entry.currency):
            continue
        if scope.kind not in measured(entry.policy):  # a file can't add there
            continue
        yield {
            "policy": entry.policy.name,
            "limit": entry.limit_key,
            **about,
            "amount": entry.amount,
            "reference": entry.reference,
            "reason": entry.reason,
        }


def _exported_exceptions() -> Iterator[dict[str, Any]]:
    """The exceptions that are in force and unused, the oldest first."""
    names = dict(Policy.objects.values_list("pk", "name"))
    for row in purchase_exceptions.in_force().order_by("pk"):
        found = {name: value for name, value in row.terms.items() if name != "decision"}
        waives = [
            one | {"policy": names[one["policy"]]} if "policy" in one else one
            for one in found.pop("waives")
        ]
        found["waives"] = [one["reason"] if len(one) == 1 else one for one in waives]
        found = {"card": scope_of(row.scope).id, **found}
        if row.ends_at:
            found["until"] = _instant(row.ends_at)
        if row.reference:
            found["reference"] = row.reference
        yield found | {"reason": row.reason}


def _instant(end: datetime) -> str:
    """To the second, as files have it."""
    return end.astimezone(UTC).replace(microsecond=0).isoformat()


def _once(entries: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Of several entries that say the same, one: a file refuses the others."""
    said = set[str]()
    for entry in entries:
        if (text := json.dumps(entry, sort_keys=True)) not in said:
            said.add(text)
            yield entry


def _limits_by_key() -> dict[tuple[int, str], LimitControl]:
    """The limits of each policy as a file names them, those of planned versions too.

    Of two with one key that of the policy without its plans.
    """
    return {
        (policy.pk, limit.key): limit
        for policy in Policy.objects.select_related("current_version")
        for version in planned.versions_to_come(policy)
        for limit in controls(version.document).limits
    }


def _exported_amounts() -> Iterator[dict[str, Any]]:
    """The own amounts that hold for a limit as it is now, where it is assigned; oldest first."""
    names = {str(pk): name for pk, name in CardGroup.objects.values_list("pk", "name")}
    limits = _limits_by_key()
    measured = cache(own_amounts.measured_kinds)

    def is_measured(policy: Policy, kind: ScopeKind) -> bool:
        return any(reaches(kind, one) for one in measured(policy))

    for row in own_amounts.given().select_related("policy").order_by("pk"):
        scope, terms = scope_of(row.scope), row.terms
        target = names.get(scope.id) if scope.kind is ScopeKind.GROUP else scope.id
        # A file can't give an amount to a limit that its policy does not have, or that measures
        # the scope nowhere.
        if target is None or row.policy is None:
            continue
        limit = limits.get((row.policy.pk, terms["limit"]))
        if limit is None or limit.about != own_amounts.about(terms):
            continue
        if limit.attempts is None and not is_measured(row.policy, scope.kind):
            continue
        found = {"policy": row.policy.name, "limit": row.terms["limit"], scope.kind.value: target}
        if "raise_by" in row.terms:
            found["raise_by"] = row.terms["raise_by"]
        else:
            found[limit.measure] = row.terms["amount"]
        if row.starts_at > timezone.now():
            found["from"] = _instant(row.starts_at)
        if row.ends_at:
            found["until"] = _instant(row.ends_at)
        yield found | {"reason": row.reason}


def _exported_exclusions() -> dict[Target, list[dict[str, Any]]]:
    """Who each assignment leaves out, the oldest first."""
    names = {str(pk): name for pk, name in CardGroup.objects.values_list("pk", "name")}

    def target(scope: Scope) -> str | None:
        return names.get(scope.id) if scope.kind is ScopeKind.GROUP else scope.id

    found: dict[Target, list[dict[str, Any]]] = {}
    for row in exclusions.in_force().select_related("policy").order_by("pk"):
        assigned, scope = scope_of(row.terms["assigned"]), scope_of(row.scope)
        at, who = target(assigned), target(scope)
        if row.policy is None or at is None or who is None:
            continue  # a group that is gone, and what held for it with it
        entry: dict[str, Any] = {scope.kind.value: who}
        if row.ends_at:
            entry["until"] = _instant(row.ends_at)
        entries = found.setdefault(Target(row.policy.name, assigned.kind, at), [])
        if (entry := entry | {"reason": row.reason}) not in entries:
            entries.append(entry)
    return found


def compare(written: str) -> Changes:
    """What importing this text would change.

    Raises InvalidPolicyError with every problem, and GoneError.
    """
    file = plan.checked(written)
    return plan.changes(file, plan.unseen(file))


class NewSpendingError(Exception):
    """Importing the file would let cards spend that could not before, which was not allowed."""

    def __init__(self, cards: int) -> None:
        super().__init__(gained_words(cards))


class UnfinishedImportError(InvalidPolicyError):
    """A part of the file can't be imported any more, and some of what comes before it is."""


def import_policies(
    written: str,
    *,
    author: User | None = None,
    reason: str = "",
    allow_new_spending: bool = False,
) -> Changes:
    """Bring the database in line with a policy file; returns what changed.

    Policies in the file are created or replaced, its groups get exactly the cards listed, its
    assignments are made, and other assignments of its policies removed. Anything it doesn't name
    stays. Raises InvalidPolicyError with every problem, and NewSpendingError if cards could spend
    that could not before, unless `allow_new_spending`; then nothing has changed.

    Policies come into force together. Then cards get theirs and change groups, locks.CHUNK at a
    time, because purchases on them wait. Assignments are removed last, so that no card is without
    its policies meanwhile; whoever they leave out stays so until then. If it is interrupted,
    running it again does the rest: also by UnfinishedImportError, or GoneError where what it names
    is renamed or deleted meanwhile.
    """
    file = plan.checked(written)
    unseen = plan.unseen(file)
    changes = plan.changes(file, unseen)
    if changes.grants.gained and not allow_new_spending:
        raise NewSpendingError(changes.grants.gained)
    # Rows to refer to; the first event about them fills in the rest. Committed before anything is
    # locked: a process that inserts one of them as well may hold locks.
    cards = [Card(id=id_, root_id=id_) for id_ in unseen.cards]
    Card.objects.bulk_create(cards, ignore_conflicts=True)
    cardholders = [Cardholder(id=id_) for id_ in unseen.cardholders]
    Cardholder.objects.bulk_create(cardholders, ignore_conflicts=True)
    try:
        changes = _together(file, changes, author, reason)
        try:
            return _by_chunks(file, changes, author)
        except InvalidPolicyError as wrong:
            raise UnfinishedImportError(wrong.problems) from wrong
    except StopError as unknown:  # as the scopes are locked that something is given to
        raise GoneError("A card, cardholder or group that the file names") from unknown
    except IntegrityError as gone:
        if not isinstance(gone.__cause__, ForeignKeyViolation):
            raise
        raise GoneError("A policy or group that the file names") from gone


def _together(file: PolicyFile, changes: Changes, author: User | None, reason: str) -> Changes:
    """Write all that comes into force in one transaction; returns the changes as they are then."""
    with transaction.atomic():
        _publish(changes, author, reason)
        for group in changes.groups:
            CardGroup.objects.get_or_create(name=group.name)
        _assign([target for target in changes.assigned if target.kind is not ScopeKind.CARD])
        for _, target in changes.each_changes:
            its = Assignment.objects.filter(policy__name=target.policy, **_scope(target))
            if not its.update(each=target.each):
                raise GoneError(f"The assignment of {replace(target, each='')}")
        if changes.stops:
            changes = replace(changes, stops=tuple(_make_stops(file, author)))
        # Last, as a card that turns out to replace one of theirs waits for the commit.
        exclusions.follow(changes.exclusions, changes.ended_exclusions, by=author)
    return changes


def _by_chunks(file: PolicyFile, changes: Changes, author: User | None) -> Changes:
    """Write what locks cards, and then remove assignments; returns the changes as made."""
    for chunk in locks.in_chunks(at for at in changes.assigned if at.kind is ScopeKind.CARD):
        with transaction.atomic():
            _assign(_on_roots(chunk))
    # Cards leave before others join: one may move between two groups of the file.
    ids = group_ids()
    for group in changes.groups:
        if group.metadata is not None:
            key, value = group.metadata
            ruled = CardGroup.objects.filter(pk=ids[group.name])
            ruled.update(metadata_key=key, metadata_value=value)
        groups.move_all(group.leaving, None, out_of=ids[group.name], by="")
    for group in changes.groups:
        groups.move_all(sorted(group.joining), ids[group.name])
        if group.joining:
            counting_ahead.begin_at_group(ids[group.name])
    own_amounts.follow(changes.own_amounts, changes.ended_amounts, by=author)
    if changes.funds:
        changes = replace(changes, funds=tuple(_enter(file, author)))
    for target in changes.unassigned:
        if target.kind is not ScopeKind.CARD:  # of one card nobody is left out
            # Those of a group that is gone are gone with it.
            is_group = target.kind is ScopeKind.GROUP
            its = {"group__name": target.target} if is_group else _scope(target)
            with transaction.atomic():
                rows = Assignment.objects.filter(policy__name=target.policy, **its)
                for row in rows.select_related("policy"):
                    exclusions.end_at(row.policy, [row.scope], by=author)
                rows.delete()
    for chunk in locks.in_chunks(at for at in changes.unassigned if at.kind is ScopeKind.CARD):
        with transaction.atomic():
            for target in _on_roots(chunk):
                rows = Assignment.objects.filter(policy__name=target.policy, **_scope(target))
                rows.delete()
    touched = [*changes.assigned, *(target for _, target in changes.each_changes)]
    for policy in Policy.objects.filter(name__in={target.policy for target in touched}):
        counting_ahead.begin(policy)
    return changes


def _publish(changes: Changes, author: User | None, reason: str) -> None:
    """Publish and plan versions, and cancel others, policy by policy, each once it is locked.

    Raises InvalidPolicyError if a time has come since the file was compared.
    """
    ending = PolicyVersion.objects.in_bulk([end.version_id for end in changes.ended_plans])
    # By name, in which two imports take their locks; of one policy what is planned comes last.
    every: list[PolicyChange | PlanEnd | PlanChange] = [
        *changes.policies,
        *changes.ended_plans,
        *changes.plans,
    ]
    for change in sorted(every, key=lambda change: change.name):
        match change:
            case PolicyChange():
                publish(change.normal, author, reason)
            case PlanEnd():
                planned.cancel(ending[change.version_id], by=author, reason="Not in the file")
            case PlanChange():
                begins = _moment(change.listed.begins)
                begins = begins if begins and begins > stops.now() else None
                times = PlannedTimes(begins, _moment(change.listed.ends))
                try:
                    publish(change.listed.normal, author, reason, times=times)
                except PlanError as wrong:
                    problem = Problem(change.listed.path, str(wrong))
                    raise InvalidPolicyError([problem]) from wrong


def _moment(seconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None


def _make_stops(file: PolicyFile, author: User | None) -> Iterator[StopChange]:
    """Freeze, block and allow what the file lists, unless another import did meanwhile."""
    stops.one_at_a_time("stops of a file")
    policies = policy_ids()
    for change in plan.new_stops(file):
        try:
            _stop(change.listed, author, policies)
        except StopError as wrong:  # such as an end that has come since
            raise InvalidPolicyError([Problem(change.listed.path, str(wrong))]) from wrong
        yield change


def _enter(file: PolicyFile, author: User | None) -> Iterator[FundsChange]:
    """Make the entries of funds that the file lists, unless another import did meanwhile."""
    for chunk in locks.in_chunks(plan.new_funds(file), _ENTRIES_AT_ONCE):
        with transaction.atomic():
            ids = group_ids()
            named = Policy.objects.filter(name__in={change.listed.policy for change in chunk})
            policies = ByName("policy", ((policy.name, policy) for policy in named))
            pots = [_pot_of(change.listed, ids) for change in chunk]
            # All at once, in the one order: purchases wait for the same rows.
            scopes.lock(pots, purchases_wait=True)
            for change, scope in zip(chunk, pots, strict=True):
                listed = change.listed
                try:
                    funds.enter(
                        policies[listed.policy],
                        listed.limit,
                        scope,
                        listed.amount,
                        currency=change.currency,
                        by=author,
                        reference=listed.reference,
                        reason=listed.reason,
                        is_import=True,
                    )
                except funds.EnteredBeforeError:  # by another import, or by hand
                    continue
                except StopError as wrong:  # such as more to be taken out than is left by now
                    raise InvalidPolicyError([Problem(listed.path, str(wrong))]) from wrong
                yield change


def _pot_of(listed: ListedFunds, groups_by_name: Mapping[str, int]) -> Scope:
    """What the pot is of; a card is not the root of its chain yet."""
    if listed.kind is not ScopeKind.GROUP:
        return Scope(listed.kind, listed.target)
    group_id = groups_by_name[listed.target]
    return (
        member_scope(group_id, listed.member)
        if listed.member
        else Scope(listed.kind, str(group_id))
    )


def _stop(listed: ListedStop, author: User | None, policies: ByName[int]) -> None:
    target = listed.target
    if listed.kind is ScopeKind.GROUP:
        target = str(_group(listed.target).pk)
    scope = Scope(listed.kind, target)
    until = _moment(listed.until)
    known: dict[str, Any] = {"by": author, "reason": listed.reason, "until": until}
    known["reference"] = listed.reference
    if isinstance(listed, ListedException):
        terms = dict(listed.terms)
        found = purchase_exceptions.waivers_by_id(terms.pop("waives"), policies.__getitem__)
        waives = [Waiver(**one) for one in found]
        limits = {"up_to": terms.pop("up_to"), "currency": terms.pop("currency")}
        known["is_import"] = True
        purchase_exceptions.allow_once(target, waives, place=terms, **limits, **known)
    elif listed.terms:
        stops.block(scope, dict(listed.terms), **known)
    else:
        stops.freeze(scope, **known)


def _assign(targets: Iterable[Target]) -> None:
    targets = [*targets]
    named = Policy.objects.filter(name__in={at.policy for at in targets})
    ids = ByName("policy", named.values_list("name", "pk"))
    rows = [Assignment(policy_id=ids[at.policy], each=at.each, **_scope(at)) for at in targets]
    Assignment.objects.bulk_create(rows, ignore_conflicts=True)  # some may exist by now


def _on_roots(targets: Sequence[Target]) -> list[Target]:
    """Lock the cards among the targets, and replace each by its root as it is under the lock."""
    cards = [at.target for at in targets if at.kind is ScopeKind.CARD]
    roots = locks.hold(cards=cards)
    return [
        replace(at, target=roots[at.target]) if at.kind is ScopeKind.CARD else at for at in targets
    ]


def _scope(target: Target) -> dict[str, Any]:
    """The columns of an assignment to this target."""
    if target.kind is ScopeKind.PROGRAM:
        return {"program": True}
    if target.kind is ScopeKind.GROUP:
        return {"group": _group(target.target)}
    return {f"{target.kind}_id": target.target}


def _group(name: str) -> CardGroup:
    """The group of this name. Raises GoneError."""
    return ByName("group", ((it.name, it) for it in CardGroup.objects.filter(name=name)))[name]
