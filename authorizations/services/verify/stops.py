"""Checks what decisions name of operators' instructions against what was in force."""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from authorizations.models import Decision, ExceptionUse, Instruction, PolicyVersion
from authorizations.rules.basics.controls import (
    Scope,
    ScopeKind,
    member_of,
    reaches,
    scope_key,
    scope_of,
)
from authorizations.rules.basics.stops import Stop
from authorizations.rules.decision.checks import concerning
from authorizations.rules.decision.values import DeclineReason
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.services.store.decision_row import UnreadableRowError, value_of
from authorizations.services.store.rows import USED_TWICE
from authorizations.services.verify.checking import Checked, Difference, pieces

INSTRUCTIONS = "instructions"

_APART = timedelta(minutes=1)
"""Around a beginning or an end, a decision may name it or not: commits under way, and clocks."""

_COMMITTING = timedelta(minutes=10)
"""After a row was written, decisions may not see it yet: a policy file gives thousands at once."""

_WITHOUT_STOPS = {
    DeclineReason.MALFORMED_REQUEST,
    DeclineReason.WRONG_MODE,
    DeclineReason.CONFLICTING_EVENT,
    DeclineReason.INTERNAL_ERROR,
}


_OF_STOP: dict[str, Any] = {"merchant": None, "category": "", "country": ""}
_OF_EXCEPTION: dict[str, Any] = {
    **dict.fromkeys(("up_to", "currency", "merchant")),
    "category": "",
}
_OF_KIND: dict[Instruction.Kind, dict[str, Any]] = {
    Instruction.Kind.OVERRIDE: {
        **dict.fromkeys(("limit", "interval", "amount", "raise_by")),
        "currency": "",
    },
    Instruction.Kind.EXCLUSION: {"assigned": None},
    Instruction.Kind.EXCEPTION: _OF_EXCEPTION,
}
_WAIVER: dict[str, Any] = {"policy": None, "limit": "", "block": None}


class _Row(NamedTuple):
    """An instruction: what a decision keeps of it, and when it held."""

    is_stop: bool
    scope: str
    told: dict[str, Any]
    begins: datetime
    ends: datetime | None

    def may_hold(self, at: datetime) -> bool:
        return self.begins <= at + _APART and (self.ends is None or at - _APART < self.ends)

    def holds_surely(self, at: datetime) -> bool:
        return self.begins < at - _APART and (self.ends is None or at + _APART < self.ends)

    def held_surely(self, at: datetime) -> bool:
        """As `holds_surely`, of what a policy file may take a while to write."""
        return self.begins < at - _COMMITTING and self.holds_surely(at)


_OPEN = """
SELECT
    instruction.id, lifting.instruction_id IS NULL AND use.instruction_id IS NULL,
    instruction.ends_at IS NULL OR instruction.ends_at > clock_timestamp(),
    open.instruction_id IS NOT NULL,
    (
        instruction.scope, instruction.starts_at, instruction.ends_at,
        authorizations_told(instruction)
    ) IS NOT DISTINCT FROM (open.scope, open.starts_at, open.ends_at, open.told)
FROM (
    SELECT id FROM authorizations_instruction WHERE id > %s ORDER BY id LIMIT %s
) AS piece
JOIN authorizations_instruction AS instruction ON instruction.id = piece.id
LEFT JOIN authorizations_lifting AS lifting ON lifting.instruction_id = instruction.id
LEFT JOIN authorizations_exceptionuse AS use ON use.instruction_id = instruction.id
LEFT JOIN authorizations_openinstruction AS open ON open.instruction_id = instruction.id
ORDER BY instruction.id
"""

_SIZE = 500


def _purchase_keys(policies: Iterable[dict[str, Any]]) -> set[str]:
    """The keys of a purchase's scopes, as far as its policies were applied there or measured it."""
    keys = {policy[name] for policy in policies for name in ("scope", "measured")}
    members = [scope for scope in map(scope_of, keys) if scope.kind is ScopeKind.MEMBER]
    for group_id, cardholder_id in map(member_of, members):
        keys |= {f"group:{group_id}", f"cardholder:{cardholder_id}"}
    return keys


def verify_instructions() -> Iterator[Checked]:
    """Check that decisions find each instruction that holds, as it was written, and no other.

    One that is past its end may still be among those they look through.
    """
    for rows in pieces(_OPEN, 0, _SIZE):
        found = []
        for id_, is_unlifted, is_current, is_open, is_alike in rows:
            where = f"instruction {id_}"
            if is_open != is_unlifted and (is_open or is_current):
                said, right = ("open", "lifted") if is_open else ("not open", "open")
                found.append(Difference(where, "state", said, right))
            elif is_open and not is_alike:
                found.append(Difference(where, "open row", "another", "what it says"))
        yield Checked(INSTRUCTIONS, len(rows), found)


class Stops:
    """All instructions of operators, read when they are first asked for."""

    def differences(self, row: Decision) -> Iterator[Difference]:
        """What a decision of this desk keeps and was not in force, and the other way round.

        A block is missed where it concerns the purchase, own amounts and exclusions where a policy
        was applied to a scope that they are of. Exceptions are not missed, nor freezes and blocks
        of a group: which one a card was in then is not on record here.
        """
        if row.stand_in or row.reason in _WITHOUT_STOPS or not isinstance(row.context, dict):
            return
        kept = {one["id"]: one for one in row.context.get("stops", [])}
        kept |= {one["id"]: one for one in row.context.get("exclusions", [])}
        kept |= {one["id"]: one for policy in row.policies for one in policy.get("overrides", [])}
        exceptions = {one["id"]: one for one in row.context.get("exceptions", [])}
        yield from self._misuse(row, exceptions)
        kept |= exceptions
        for id_, one in kept.items():
            found = self._rows.get(id_)
            if found is None or not found.may_hold(row.decided_at):
                yield Difference(row.pk, f"instruction {id_}", "in force", "none then")
                continue
            for name, value in self._told_to(row, found).items():
                if one.get(name) != value:
                    yield Difference(row.pk, f"{name} of instruction {id_}", one.get(name), value)
        yield from self._unnamed(row)
        missing = {
            id_
            for key in self._scopes_of(row)
            for id_ in self._by_scope.get(key, ())
            if id_ not in kept and self._rows[id_].holds_surely(row.decided_at)
        }
        if not missing:
            return
        try:
            request = value_of(AuthorizationRequest, row.request, "request")
        except UnreadableRowError as problem:
            yield Difference(row.pk, "request", str(problem), "readable")
            return
        for id_ in sorted(missing):
            stop = Stop(id_, Scope(ScopeKind.PROGRAM, ""), **self._rows[id_].told)
            if concerning(request, [stop]):
                yield Difference(row.pk, f"instruction {id_}", "none", "in force then")

    def _told_to(self, row: Decision, found: _Row) -> dict[str, Any]:
        """What a decision keeps of an instruction; a waiver has the version that it goes by."""
        if "waives" not in found.told:
            return found.told
        versions = {
            policy: applied["version"]
            for applied in row.policies
            if (policy := self._policy_of.get(applied["version"]))
        }
        waives = [
            waiver | {"version": versions.get(waiver["policy"])} for waiver in found.told["waives"]
        ]
        return found.told | {"waives": waives}

    @cached_property
    def _policy_of(self) -> dict[int, int]:
        return dict(PolicyVersion.objects.values_list("pk", "policy_id"))

    def _unnamed(self, row: Decision) -> Iterator[Difference]:
        """Own amounts and exclusions that held for a policy as it was applied without them."""
        if not self._of_policies:
            return
        keys = _purchase_keys(row.policies)
        for policy in row.policies:
            policy_id = self._policy_of.get(policy["version"])
            measured = scope_of(policy["measured"]).kind
            named = {one["id"] for one in policy.get("overrides", [])}
            for key in keys:
                for id_ in self._of_policies.get((policy_id, key), ()):
                    found = self._rows[id_]
                    if "assigned" in found.told:
                        is_its = found.told["assigned"] == policy["scope"]
                    else:
                        is_its = id_ not in named and reaches(scope_of(key).kind, measured)
                    if is_its and found.held_surely(row.decided_at):
                        yield Difference(row.pk, f"instruction {id_}", "none", "in force then")

    def _misuse(self, row: Decision, exceptions: Container[int]) -> Iterator[Difference]:
        """Where the exception that a decision names was not its own to use."""
        id_ = row.exception_id
        if id_ is None:
            return
        if id_ not in exceptions:
            yield Difference(row.pk, f"instruction {id_}", "used", "one of its context")
        used_by = self._uses.get(id_)
        is_marked = used_by is not None and USED_TWICE.format(used_by) in row.problem
        if used_by != row.pk and not is_marked:
            yield Difference(row.pk, f"use of exception {id_}", used_by or "none", row.pk)

    @cached_property
    def _uses(self) -> dict[int, str]:
        """The decision that used each exception."""
        return dict(ExceptionUse.objects.values_list("instruction_id", "decision_id"))

    def _scopes_of(self, row: Decision) -> Iterator[str]:
        yield scope_key(Scope(ScopeKind.PROGRAM, ""))
        if row.card_id:
            yield scope_key(Scope(ScopeKind.CARD, row.card_id))
        if row.cardholder_id:
            yield scope_key(Scope(ScopeKind.CARDHOLDER, row.cardholder_id))

    @cached_property
    def _rows(self) -> dict[int, _Row]:
        found = {}
        for row in Instruction.objects.select_related("lifting"):
            lifted = row.lifting.lifted_at if hasattr(row, "lifting") else None
            ends = min(filter(None, (row.ends_at, lifted)), default=None)
            # What has no value is "" where it is text, as in a decision.
            absent = _OF_KIND.get(Instruction.Kind(row.kind), _OF_STOP)
            told = {name: row.terms.get(name, value) for name, value in absent.items()} | {
                "until": int(row.ends_at.timestamp()) if row.ends_at else None,
                "author": row.author_name,
                "reason": row.reason,
            }
            if row.kind == Instruction.Kind.OVERRIDE and "attempts" in row.terms:
                told["of_attempts"] = True
            if row.kind == Instruction.Kind.EXCEPTION:
                told["card_id"] = scope_of(row.scope).id
                told["waives"] = [_WAIVER | waiver for waiver in row.terms["waives"]]
            found[row.pk] = _Row(absent is _OF_STOP, row.scope, told, row.starts_at, ends)
        return found

    @cached_property
    def _of_policies(self) -> dict[tuple[int | None, str], list[int]]:
        """The own amounts and exclusions of each policy and scope."""
        found: dict[tuple[int | None, str], list[int]] = defaultdict(list)
        rows = Instruction.objects.filter(policy__isnull=False)
        for id_, policy_id, scope in rows.values_list("pk", "policy_id", "scope"):
            if id_ in self._rows:  # else it was written since they were read
                found[policy_id, scope].append(id_)
        return found

    @cached_property
    def _by_scope(self) -> dict[str, list[int]]:
        """The freezes and blocks of each scope."""
        found: dict[str, list[int]] = defaultdict(list)
        for id_, row in self._rows.items():
            if row.is_stop:
                found[row.scope].append(id_)
        return found
