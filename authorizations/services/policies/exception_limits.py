"""How much a user may give to a scope: what a superuser allows to their roles."""

from datetime import timedelta

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone

from authorizations.models import Card, ExceptionLimit, FundEntry, Instruction
from authorizations.rules.basics.controls import Scope, ScopeKind, scope_key
from authorizations.rules.basics.money import format_money
from authorizations.rules.policy.document import controls
from authorizations.services.policies import stops
from authorizations.services.policies.stops import StopError

_LATELY = timedelta(hours=24)
_KINDS = (Instruction.Kind.EXCEPTION, Instruction.Kind.OVERRIDE)
_GIVING = {"add_instruction", "add_fundentry"}


def check(by: User | None, scope: Scope, currency: str, amount: int) -> None:
    """Refuse what a user may not give to a scope, beside what it has or got lately.

    `amount` is in the smallest unit of `currency`. Runs within the transaction that gives it, in
    which nobody else gives anything. A command may give any amount. Raises StopError.
    """
    most = limit_of(by, currency) if by and currency and amount > 0 else None
    if most is None:
        return
    stops.one_at_a_time("given to scopes")
    left = max(0, most - given(scope, currency))
    if amount > left:
        raise StopError(
            f"Your role may give {format_money(most, currency)} to one card, cardholder or group, "
            f"with all that it has or got within 24 hours. {format_money(left, currency)} is left: "
            "give that or less, or ask a superuser."
        )


def limit_of(user: User, currency: str) -> int | None:
    """The most that a user may give in a currency; None for any amount.

    Of several roles that let them give something, the one that allows most counts.
    """
    if user.is_superuser:
        return None
    giving = user.groups.filter(permissions__codename__in=_GIVING).distinct()
    limits = dict(
        ExceptionLimit.objects.filter(role__in=giving, currency=currency).values_list(
            "role", "amount"
        )
    )
    roles = set(giving.values_list("pk", flat=True))
    return max(limits.values(), default=None) if roles <= limits.keys() else None


def given(scope: Scope, currency: str) -> int:
    """What a scope has in force, or got within 24 hours, beyond what its policies say."""
    since, keys = timezone.now() - _LATELY, _keys(scope)
    holds = stops.holding().filter(open__scope__in=keys)
    is_new_or_holds = Q(starts_at__gt=since) | Q(pk__in=holds.values("pk"))
    rows = Instruction.objects.filter(
        is_new_or_holds, kind__in=_KINDS, scope__in=keys, terms__currency=currency
    )
    entries = FundEntry.objects.filter(
        scope__in=keys, currency=currency, amount__gt=0, entered_at__gt=since
    )
    given = sum(_beyond(row) for row in rows.select_related("policy__current_version"))
    return given + sum(entry.amount for entry in entries)


def _keys(scope: Scope) -> list[str]:
    """The keys of a scope; a card is one with the cards that it replaces and that replace it."""
    if scope.kind is not ScopeKind.CARD:
        return [scope_key(scope)]
    chain = Card.objects.filter(root__in=Card.objects.filter(pk=scope.id).values("root"))
    return [scope_key(Scope(scope.kind, pk)) for pk in chain.values_list("pk", flat=True)]


def _beyond(row: Instruction) -> int:
    """What an exception or own amount gives beyond the policy's, as that is now."""
    terms = row.terms
    if row.kind == Instruction.Kind.EXCEPTION:
        return int(terms["up_to"])
    if "raise_by" in terms:
        return int(terms["raise_by"])
    limits = controls(row.policy.document).spending_limits if row.policy else ()
    usual = {limit.key: limit.limit_value for limit in limits}
    return max(0, int(terms["amount"]) - usual.get(terms["limit"], 0))
