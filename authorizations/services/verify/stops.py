"""Checks what decisions name of operators' instructions against what was in force."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from authorizations.models import Decision, Instruction
from authorizations.rules.basics.controls import Scope, ScopeKind, scope_key
from authorizations.rules.basics.stops import Stop
from authorizations.rules.decision.checks import concerning
from authorizations.rules.decision.values import DeclineReason
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.services.store.decision_row import UnreadableRowError, value_of
from authorizations.services.verify.checking import Checked, Difference, pieces

INSTRUCTIONS = "instructions"

_APART = timedelta(minutes=1)
"""Around a beginning or an end, a decision may name it or not: commits under way, and clocks."""

_WITHOUT_STOPS = {
    DeclineReason.MALFORMED_REQUEST,
    DeclineReason.WRONG_MODE,
    DeclineReason.CONFLICTING_EVENT,
    DeclineReason.INTERNAL_ERROR,
}


_OF_STOP: dict[str, Any] = {"merchant": None, "category": "", "country": ""}
_OF_OVERRIDE: dict[str, Any] = {
    **dict.fromkeys(("limit", "interval", "amount", "raise_by")),
    "currency": "",
}


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


_OPEN = """
SELECT
    instruction.id, lifting.instruction_id IS NULL,
    instruction.ends_at IS NULL OR instruction.ends_at > now(),
    open.instruction_id IS NOT NULL,
    (instruction.scope, instruction.ends_at) IS NOT DISTINCT FROM (open.scope, open.ends_at)
FROM (
    SELECT * FROM authorizations_instruction WHERE id > %s ORDER BY id LIMIT %s
) AS instruction
LEFT JOIN authorizations_lifting AS lifting ON lifting.instruction_id = instruction.id
LEFT JOIN authorizations_openinstruction AS open ON open.instruction_id = instruction.id
ORDER BY instruction.id
"""

_SIZE = 500


def verify_instructions() -> Iterator[Checked]:
    """Check that decisions find each instruction that holds, as it was written, and no lifted one.

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
                found.append(Difference(where, "open row", "another", "its scope and end"))
        yield Checked(INSTRUCTIONS, len(rows), found)


class Stops:
    """All instructions of operators, read when they are first asked for."""

    def differences(self, row: Decision) -> Iterator[Difference]:
        """What a decision of this desk keeps and was not in force, and the other way round.

        A block is missed where it concerns the purchase. Own amounts are not missed, nor what holds
        for a group: which one a card was in then is not on record here.
        """
        if row.stand_in or row.reason in _WITHOUT_STOPS or not isinstance(row.context, dict):
            return
        kept = {one["id"]: one for one in row.context.get("stops", [])}
        kept |= {one["id"]: one for policy in row.policies for one in policy.get("overrides", [])}
        for id_, one in kept.items():
            found = self._rows.get(id_)
            if found is None or not found.may_hold(row.decided_at):
                yield Difference(row.pk, f"instruction {id_}", "in force", "none then")
                continue
            for name, value in found.told.items():
                if one.get(name) != value:
                    yield Difference(row.pk, f"{name} of instruction {id_}", one.get(name), value)
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
            is_stop = row.kind != Instruction.Kind.OVERRIDE
            # What has no value is "" where it is text, as in a decision.
            absent = _OF_STOP if is_stop else _OF_OVERRIDE
            told = {name: row.terms.get(name, value) for name, value in absent.items()} | {
                "until": int(row.ends_at.timestamp()) if row.ends_at else None,
                "author": row.author_name,
                "reason": row.reason,
            }
            found[row.pk] = _Row(is_stop, row.scope, told, row.starts_at, ends)
        return found

    @cached_property
    def _by_scope(self) -> dict[str, list[int]]:
        """The freezes and blocks of each scope."""
        found: dict[str, list[int]] = defaultdict(list)
        for id_, row in self._rows.items():
            if row.is_stop:
                found[row.scope].append(id_)
        return found
