"""Freezes scopes and blocks merchants, categories and countries; in force with the next request.

Each is a row that is never changed: it ends by its time, or by a row that lifts it. Nothing is
locked: purchases decided meanwhile read what was in force before. A freeze is of a single card;
what belongs to a card's whole chain is written under the lock of scopes.py.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from authorizations.models import Card, ExceptionUse, Instruction, Lifting, Policy
from authorizations.rules.basics.controls import Scope, ScopeKind, scope_key, scope_of
from authorizations.rules.basics.parsing import YEARS, text
from authorizations.services.runtime.actor import acting

# What a policy file can say again.
_line = text(500)
_TOO_FAR = datetime(YEARS.stop, 1, 1, tzinfo=UTC)

BATCH = 1_000
"""Maximum rows of a statement that writes many."""


class StopError(ValueError):
    """What was asked for can't be done; the sentence says why."""


def freeze(
    scope: Scope,
    *,
    by: User | None,
    reason: str,
    until: datetime | None = None,
    reference: str = "",
) -> Instruction:
    """Decline all purchases of a scope from now on, up to `until`. Raises StopError.

    `by` is None for a command; `reference` is what policy files know it by.
    """
    return write(
        Instruction.Kind.FREEZE, scope, {}, by=by, reason=reason, until=until, reference=reference
    )


def block(
    scope: Scope,
    terms: Mapping[str, Any],
    *,
    by: User | None,
    reason: str,
    until: datetime | None = None,
    reference: str = "",
) -> Instruction:
    """Decline purchases at a merchant, in a category or in a country, in this scope.

    `terms` are one pair of a policy file's, in its normal form: "merchant", "category" or
    "country"; the others as of `freeze`. Raises StopError.
    """
    return write(
        Instruction.Kind.BLOCK,
        scope,
        dict(terms),
        by=by,
        reason=reason,
        until=until,
        reference=reference,
    )


def in_force() -> QuerySet[Instruction]:
    """The freezes and blocks that hold now, by the database's clock."""
    return holding().filter(kind__in=(Instruction.Kind.FREEZE, Instruction.Kind.BLOCK))


# Asked of the table of open ones, which is small, however many have ended.
IS_OPEN = Q(open__isnull=False) & (Q(open__ends_at=None) | Q(open__ends_at__gt=Now()))
# Lifted, used, or past its end.
IS_OVER = Q(open=None) | Q(ends_at__lte=Now())


def open_ones() -> QuerySet[Instruction]:
    """All instructions that hold now or will, by the database's clock."""
    return Instruction.objects.filter(IS_OPEN)


def holding() -> QuerySet[Instruction]:
    """All instructions that hold now, of every kind, by the database's clock."""
    return open_ones().filter(starts_at__lte=Now())


@transaction.atomic
def lift(instruction: Instruction, *, by: User, reason: str) -> bool:
    """End an instruction now; returns whether it was still there to be lifted."""
    at = now()
    if instruction.ends_at and instruction.ends_at <= at:
        return False
    if ExceptionUse.objects.filter(pk=instruction.pk).exists():
        return False
    with acting(user=by, reason=reason):
        _, is_new = Lifting.objects.get_or_create(
            instruction=instruction,
            defaults={"author": by, "reason": reason, "lifted_at": at},
        )
    return is_new


def lift_all(ended: Iterable[int], *, by: User | None, reason: str) -> None:
    """End own amounts and exclusions now, all at once; the cards that they are of are locked.

    One that has moved with its card's chain since it was read is ended where it goes on. What is
    lifted already stays as it is.
    """
    ids, at = set(ended), now()
    moved = Instruction.objects.filter(pk__in=ids, lifting__isnull=False, scope__startswith="card:")
    for row in moved:
        root = Card.objects.get(pk=scope_of(row.scope).id).root
        its = Instruction.objects.filter(kind=row.kind, policy=row.policy_id, open__isnull=False)
        its = its.filter(scope=scope_key(Scope(ScopeKind.CARD, root.pk)), terms=row.terms)
        its = its.filter(ends_at=row.ends_at, reason=row.reason, starts_at__gte=row.starts_at)
        ids.update(its.values_list("pk", flat=True))
    Lifting.objects.bulk_create(
        (Lifting(instruction_id=pk, lifted_at=at, author=by, reason=reason) for pk in sorted(ids)),
        ignore_conflicts=True,
        batch_size=BATCH,
    )


@transaction.atomic
def write(
    kind: Instruction.Kind,
    scope: Scope,
    terms: dict[str, Any],
    *,
    policy: Policy | None = None,
    by: User | None,
    reason: str,
    until: datetime | None,
    begins: datetime | None = None,
    reference: str = "",
) -> Instruction:
    """Write what an operator instructs, in force from now on or from `begins`. Raises StopError."""
    reason = line("Reason", reason)
    at = now()
    if begins is not None:
        if begins < at:
            raise StopError("The beginning is in the past: choose a later one, or none for now.")
        if begins >= _TOO_FAR:
            raise StopError("The beginning is too far away: choose an earlier one.")
        if until is not None and until <= begins:
            raise StopError("The end is not later than the beginning: choose a later one.")
    if until is not None and until <= at:
        raise StopError("The end is in the past: choose a later one, or none.")
    if until is not None and until >= _TOO_FAR:
        raise StopError("The end is too far away: choose an earlier one, or none for good.")
    with acting(user=by, reason=reason):
        return Instruction.objects.create(
            kind=kind,
            scope=scope_key(scope),
            policy=policy,
            terms=terms,
            starts_at=begins or at,
            ends_at=until,
            author=by,
            author_name=by.get_username() if by else "",
            reason=reason,
            reference=reference,
        )


def one_at_a_time(what: str) -> None:
    """Let no other transaction do this as well, until this one ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [what])


def line(label: str, written: str, convert: Callable[[object], str] = _line) -> str:
    """Text that a policy file can say again. Raises StopError, which names its label."""
    if not written.strip():
        raise StopError(f"Give a {label.lower()}.")
    try:
        return convert(written)
    except ValueError as wrong:
        raise StopError(f"{label}: {wrong}") from wrong


def now() -> datetime:
    """The database's clock, by which the row is in force."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        [now] = cursor.fetchone()
    return now  # type: ignore[no-any-return]
