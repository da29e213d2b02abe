"""Grants: which cards may spend at all, and how a change of policies or groups affects that.

A card has a grant if a policy in force that applies to it grants something in its currency, and no
policy declines that currency. A policy whose amount limits are all in other currencies declines it.
A policy does not apply to a card that its assignment leaves out. The database counts cards in one
statement, never one by one.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from django.db import OperationalError, connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Now
from django.db.models.lookups import Exact

from authorizations.models import Assignment, Card, Instruction, Policy
from authorizations.rules.basics.controls import ScopeKind
from authorizations.rules.decision.controls import SpendingControls
from authorizations.rules.decision.grants import UNLIMITED, granted_currencies, limited_currencies
from authorizations.services.host.versions import controls_of
from authorizations.services.runtime.deadline import took_too_long

Currencies: TypeAlias = frozenset[str]


class Grants(NamedTuple):
    """The effect of a policy: the currencies in which it grants something, and those that it leaves
    to others; None if it declines none.
    """

    granted: Currencies = frozenset()
    left: Currencies | None = None


NONE = Grants()


def grants_of(controls: SpendingControls) -> Grants:
    """The effect of one version."""
    return Grants(granted_currencies(controls), limited_currencies(controls) or None)


class GrantDifference(NamedTuple):
    """Numbers of cards that gain and lose the ability to spend."""

    gained: int = 0
    lost: int = 0


NO_DIFFERENCE = GrantDifference()


class PolicyAt(NamedTuple):
    """A policy at the scope with this key; `policy` is its id, or names one that has none yet."""

    policy: str
    scope: str


class LeftOut(NamedTuple):
    """A scope that an assignment of a policy leaves out, by its key."""

    policy_at: PolicyAt
    scope: str


@dataclass(frozen=True, slots=True)
class Rearrangement:
    """Changes at scopes, and root cards that change their group.

    `policies` has the effect of a policy at a scope, before and after; `left_out` whether it leaves
    out another one, before and after; `moved` the keys of a root card's group before and after;
    `newcomers` are ids of cards without a row yet.
    """

    policies: Mapping[PolicyAt, tuple[Grants, Grants]] = field(default_factory=dict)
    left_out: Mapping[LeftOut, tuple[bool, bool]] = field(default_factory=dict)
    moved: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)
    newcomers: tuple[str, ...] = ()


def in_force() -> dict[int, Grants]:
    """The effect of each policy in force, by its id, if it grants or declines a currency."""
    return _effects(Policy.objects.versions_in_force())


def all_is_declined() -> bool:
    """Whether no assigned policy grants anything, as in a new installation."""
    granting = [policy for policy, grants in in_force().items() if grants.granted]
    return not Assignment.objects.filter(policy__in=granting).exists()


def _effects(versions: Mapping[int, int]) -> dict[int, Grants]:
    """As `in_force`, for the version of each policy."""
    controls = controls_of(versions.values())
    found = {
        policy: grants_of(controls[version][1])
        for policy, version in versions.items()
        if version in controls
    }
    return {policy: grants for policy, grants in found.items() if grants != NONE}


def without_grant() -> Q:
    """The cards that can't spend: no policy grants it, or one declines their currency.

    Canceled cards are left out. For a card whose currency is not known yet any grant counts.
    """
    for_everyone = Exists(Assignment.objects.filter(policy=OuterRef("pk"), program=True))
    rows = list(Policy.objects.in_force().values_list("pk", "in_force_id", for_everyone))
    found = _effects({policy: version for policy, version, _ in rows})
    for_all = {policy for policy, _, is_for_all in rows if is_for_all}
    parts = [_not_granted(found, for_all), *_declined(found, for_all)]
    if exclusions := _exclusions():
        # The conditions know of no exclusion: the few cards that one may concern are looked at one
        # by one.
        ids = _ids_by_kind(left_out.scope for left_out in exclusions)
        touched = Q(root__in=ids["card"]) | Q(cardholder__in=ids["cardholder"])
        touched |= Q(root__group__in=ids["group"])
        parts = [*(part & ~touched for part in parts), Q(pk__in=_without_grant_among(ids))]
    if len(parts) == 1:
        return ~Q(status=Card.Status.CANCELED) & parts[0]
    # A UNION of sets. With OR, PostgreSQL checks the conditions card by card, and scans a whole set
    # each time if that does not fit into its memory.
    first, *others = (Card.objects.filter(part).order_by().values("pk") for part in parts)
    return ~Q(status=Card.Status.CANCELED) & Q(pk__in=first.union(*others))


def ids_without_grant(
    cards: QuerySet[Card], begin: int, end: int, *, timeout_ms: int, among_all: bool = True
) -> list[str] | None:
    """The ids of the cards without a grant among `cards`, from place `begin` up to `end`.

    None if finding them takes longer than `timeout_ms`. `among_all` says that `cards` may be most
    of the cards there are.
    """
    try:
        with transaction.atomic(), _settings(of_all=among_all, timeout_ms=timeout_ms):
            found = cards.filter(without_grant()).values_list("pk", flat=True)
            return list(found[begin:end])
    except OperationalError as error:
        if took_too_long(error):
            return None
        raise


def _not_granted(found: Mapping[int, Grants], for_all: set[int]) -> Q:
    """Cards to which no policy grants anything in their currency."""
    granted = {policy: grants.granted for policy, grants in found.items() if grants.granted}
    granted_to_all = frozenset[str]().union(*(granted.get(policy, ()) for policy in for_all))
    if UNLIMITED in granted_to_all:
        return Q(pk__in=[])
    currencies = ["", *granted_to_all] if granted_to_all else []
    by_currency = defaultdict[str, list[int]](list)
    for policy, codes in granted.items():
        for code in codes:
            by_currency[code].append(policy)
    grants_the_card = Q(policy__in=by_currency.pop(UNLIMITED, []))
    for code, policies in (("", [*granted]), *by_currency.items()):
        of_code = Q(Exact(OuterRef("currency"), Value(code)))
        grants_the_card |= Q(policy__in=policies) & of_code
    granting = Assignment.objects.filter(grants_the_card)
    # Separate conditions, so that PostgreSQL can use a hash join for each.
    return (
        ~Q(currency__in=currencies)
        & Q(~Exists(granting.filter(card=OuterRef("root"))))
        & Q(~Exists(granting.filter(cardholder=OuterRef("cardholder"))))
        & Q(~Exists(granting.filter(group=OuterRef("root__group"))))
    )


def _declined(found: Mapping[int, Grants], for_all: set[int]) -> Iterator[Q]:
    """Cards under a policy that declines their currency, for each set of declined currencies."""
    granted = frozenset[str]().union(*(grants.granted for grants in found.values()))
    by_left = defaultdict[Currencies, list[int]](list)
    for policy, grants in found.items():
        if grants.left is not None and granted - grants.left:
            by_left[grants.left].append(policy)
    for left, policies in by_left.items():
        others = ~Q(currency__in=["", *left])
        if for_all.intersection(policies):
            yield others
        else:
            yield from (others & under for under in cards_under(policies))


def cards_under(policies: Iterable[int]) -> Iterator[Q]:
    """Cards to which one of these policies is assigned, other than through the program.

    One condition each for cards, cardholders and groups.
    """
    assigned = Assignment.objects.filter(policy__in=policies)
    yield Q(root__in=assigned.exclude(card=None).values("card"))
    yield Q(cardholder__in=assigned.exclude(cardholder=None).values("cardholder"))
    yield Q(root__group__in=assigned.exclude(group=None).values("group"))


def of_policy(policy: Policy) -> Grants:
    """The effect of a policy as it is in the database; NONE if it is not there yet."""
    return in_force().get(policy.pk, NONE)


def policy_changed(policy: Policy, before: Grants, after: Grants) -> GrantDifference:
    """How a change of a policy's effect changes grants."""
    if before == after:
        return NO_DIFFERENCE
    assigned = Assignment.objects.filter(policy=policy.pk).values_list("scope", flat=True)
    return _at_scopes_of(policy, dict.fromkeys(assigned, (before, after)))


def scopes_changed(
    policy: Policy, *, come: Iterable[str] = (), gone: Iterable[str] = ()
) -> GrantDifference:
    """How assigning a policy to some scopes, and unassigning it from others, changes grants."""
    own = of_policy(policy)
    if own == NONE:
        return NO_DIFFERENCE
    scopes = dict.fromkeys(come, (NONE, own)) | dict.fromkeys(gone, (own, NONE))
    return _at_scopes_of(policy, scopes)


def exclusions_changed(
    policy: Policy,
    assigned: str,
    *,
    come: Iterable[str] = (),
    gone: Iterable[str] = (),
) -> GrantDifference:
    """How leaving out some scopes of an assignment, and others no longer, changes grants."""
    policy_at = PolicyAt(str(policy.pk), assigned)
    changes = {LeftOut(policy_at, scope): (False, True) for scope in come}
    changes |= {LeftOut(policy_at, scope): (True, False) for scope in gone}
    there = set(_exclusions())
    new = {one: change for one, change in changes.items() if change[0] or one not in there}
    return difference(Rearrangement(left_out=new))


def _at_scopes_of(policy: Policy, own: Mapping[str, tuple[Grants, Grants]]) -> GrantDifference:
    """As `difference`; `own` is the policy's effect at each scope, before and after."""
    return difference(
        Rearrangement({PolicyAt(str(policy.pk), scope): change for scope, change in own.items()})
    )


def cards_moved(moved: Mapping[str, tuple[int | None, int | None]]) -> GrantDifference:
    """How moving root cards changes grants; `moved` has the group's id before and after."""

    def key(group: int | None) -> str | None:
        return None if group is None else f"group:{group}"

    keys = {card: (key(before), key(after)) for card, (before, after) in moved.items()}
    return difference(Rearrangement(moved=keys))


def _exclusions() -> list[LeftOut]:
    """Those in force."""
    not_ended = Q(ends_at=None) | Q(ends_at__gt=Now())
    of_kind = Instruction.objects.filter(kind=Instruction.Kind.EXCLUSION)
    rows = of_kind.filter(not_ended, open__isnull=False)
    return list(map(left_out_by, rows))


def left_out_by(row: Instruction) -> LeftOut:
    """What an exclusion leaves out."""
    return LeftOut(PolicyAt(str(row.policy_id), row.terms["assigned"]), row.scope)


def _ids_by_kind(scopes: Iterable[str]) -> dict[str, list[str]]:
    """The ids in keys of scopes, by their kind; of groups only those that can be one."""
    ids = defaultdict[str, list[str]](list)
    for scope in scopes:
        kind, _, id_ = scope.partition(":")
        if kind != ScopeKind.GROUP or id_.isdecimal():
            ids[kind].append(id_)
    return ids


_CARDS = """
WITH at_scope AS MATERIALIZED (
    -- The policies whose effect at a scope changes, with what each grants before and after.
    SELECT * FROM jsonb_to_recordset(%(at_scope)s::jsonb) AS at_scope(
        policy text, scope text, granted text[], "left" text[], before boolean, after boolean
    )
), moved AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(moved)s::jsonb) AS moved(card text, before text, after text)
), candidate AS MATERIALIZED (
    SELECT id FROM authorizations_card WHERE root_id = ANY(%(cards)s::text[])
    UNION
    SELECT id FROM authorizations_card WHERE cardholder_id = ANY(%(cardholders)s::text[])
    UNION
    SELECT card.id FROM authorizations_card card
    JOIN authorizations_card root ON root.id = card.root_id
    WHERE root.group_id = ANY(%(groups)s::bigint[])
), concerned AS (
    SELECT card.* FROM authorizations_card card {concerned}
), card AS (
    SELECT
        card.id, card.currency,
        'card:' || root.id AS own, 'cardholder:' || card.cardholder_id AS holder,
        CASE WHEN moved.card IS NULL THEN 'group:' || root.group_id ELSE moved.before END AS before,
        CASE WHEN moved.card IS NULL THEN 'group:' || root.group_id ELSE moved.after END AS after
    FROM concerned card
    JOIN authorizations_card root ON root.id = card.root_id
    LEFT JOIN moved ON moved.card = root.id
    WHERE card.status <> 'canceled'
    UNION ALL
    SELECT newcomer, '', 'card:' || newcomer, NULL, moved.before, moved.after
    FROM unnest(%(newcomers)s::text[]) AS newcomer
    LEFT JOIN moved ON moved.card = newcomer
), applies AS (
    SELECT card.id, card.currency, scope.*
    FROM card CROSS JOIN LATERAL (VALUES
        ('program:', TRUE, TRUE),
        (own, TRUE, TRUE),
        (holder, TRUE, TRUE),
        (card.before, TRUE, card.before IS NOT DISTINCT FROM card.after),
        (nullif(card.after, card.before), FALSE, TRUE)
    ) AS scope(scope, before, after)
    WHERE scope.scope IS NOT NULL
), standing AS (
    SELECT policy, scope, granted, "left", before, after FROM at_scope
    UNION ALL
    SELECT policy.id::text, assignment.scope, policy.granted, policy."left", TRUE, TRUE
    FROM authorizations_assignment assignment
    JOIN jsonb_to_recordset(%(policies)s::jsonb)
        AS policy(id bigint, granted text[], "left" text[]) ON policy.id = assignment.policy_id
    WHERE NOT EXISTS (
        SELECT FROM at_scope
        WHERE at_scope.scope = assignment.scope AND at_scope.policy = policy.id::text
    )
){left_out}, stands AS (
    SELECT
        applies.id,
        applies.before AND standing.before {still_before} AS before,
        applies.after AND standing.after {still_after} AS after,
        -- For a card whose currency is not known yet any grant counts.
        CASE applies.currency WHEN '' THEN cardinality(standing.granted) > 0
            ELSE standing.granted && ARRAY[%(unlimited)s, applies.currency::text] END AS grants,
        applies.currency <> '' AND standing."left" IS NOT NULL
            AND applies.currency <> ALL (standing."left") AS declines
    FROM applies JOIN standing ON standing.scope = applies.scope {joined}
), spending AS (
    SELECT
        id,
        bool_or(before AND grants) AND NOT bool_or(before AND declines) AS before,
        bool_or(after AND grants) AND NOT bool_or(after AND declines) AS after
    FROM stands GROUP BY id
)
"""
_LEFT_OUT = {
    "left_out": """, left_out AS MATERIALIZED (
    SELECT
        applies.id, excluded.policy, excluded.assigned,
        bool_or(applies.before AND excluded.before) AS before,
        bool_or(applies.after AND excluded.after) AS after
    FROM applies
    JOIN jsonb_to_recordset(%(excluded)s::jsonb) AS excluded(
        policy text, assigned text, scope text, before boolean, after boolean
    ) ON excluded.scope = applies.scope
    GROUP BY 1, 2, 3
)""",
    "still_before": "AND left_out.before IS NOT TRUE",
    "still_after": "AND left_out.after IS NOT TRUE",
    "joined": """
    LEFT JOIN left_out ON left_out.id = applies.id AND left_out.policy = standing.policy
        AND left_out.assigned = standing.scope""",
}
_NOBODY_LEFT_OUT = dict.fromkeys(_LEFT_OUT, "")

_COUNTED = """
SELECT count(*) FILTER (WHERE after AND NOT before), count(*) FILTER (WHERE before AND NOT after)
FROM spending
"""
_WITHOUT = "SELECT id FROM card LEFT JOIN spending USING (id) WHERE spending.before IS NOT TRUE"


def difference(change: Rearrangement) -> GrantDifference:
    """The numbers of cards that gain and lose a grant by a rearrangement."""
    if not change.policies and not change.left_out and not change.moved and not change.newcomers:
        return NO_DIFFERENCE
    scopes = {policy_at.scope for policy_at in change.policies}
    ids = _ids_by_kind(scopes | {left_out.scope for left_out in change.left_out})
    ids["card"] += change.moved
    [counted] = _asked(_COUNTED, change, ids)
    return GrantDifference(*counted)


def _without_grant_among(ids: Mapping[str, list[str]]) -> list[str]:
    """The cards without a grant among those with these roots, cardholders and groups."""
    return [id_ for (id_,) in _asked(_WITHOUT, Rearrangement(), ids)]


def _asked(
    question: str, change: Rearrangement, ids: Mapping[str, list[str]]
) -> list[tuple[Any, ...]]:
    """The rows of a question about cards, of these or of all of them, before and after a change."""
    policies = [{"id": policy, **_columns(grants)} for policy, grants in in_force().items()]
    moved = [
        {"card": card, "before": group_before, "after": group_after}
        for card, (group_before, group_after) in change.moved.items()
    ]
    at_scope = []
    for policy_at, (before, after) in change.policies.items():
        its = policy_at._asdict()
        at_scope += [
            {**its, **_columns(before), "before": True, "after": False},
            {**its, **_columns(after), "before": False, "after": True},
        ]
    left_out = dict.fromkeys(_exclusions(), (True, True)) | dict(change.left_out)
    excluded = [
        {
            "policy": one.policy_at.policy,
            "assigned": one.policy_at.scope,
            "scope": one.scope,
            "before": before,
            "after": after,
        }
        for one, (before, after) in left_out.items()
    ]
    of_all = "program" in ids
    concerned = "" if of_all else "JOIN candidate USING (id)"
    pieces = _LEFT_OUT if excluded else _NOBODY_LEFT_OUT
    statement = _CARDS.format(concerned=concerned, **pieces) + question
    with transaction.atomic(), _settings(of_all=of_all), connection.cursor() as cursor:
        cursor.execute(
            statement,
            {
                "at_scope": json.dumps(at_scope),
                "excluded": json.dumps(excluded),
                "moved": json.dumps(moved),
                "cards": ids.get("card", []),
                "cardholders": ids.get("cardholder", []),
                "groups": [int(id_) for id_ in ids.get("group", [])],
                "newcomers": list(change.newcomers),
                "policies": json.dumps(policies),
                "unlimited": UNLIMITED,
            },
        )
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


@contextmanager
def _settings(*, of_all: bool, timeout_ms: int | None = None) -> Iterator[None]:
    """Settings for a statement about many cards, or `of_all`; used inside a transaction."""
    settings = {"work_mem": "64MB"}  # sorting on disk takes far longer
    if of_all:  # each table is read once
        settings |= {"enable_nestloop": "off", "enable_mergejoin": "off"}
    if timeout_ms is not None:
        settings["statement_timeout"] = str(timeout_ms)
    with connection.cursor() as cursor:
        cursor.execute("; ".join(f"SET LOCAL {name} = '{it}'" for name, it in settings.items()))
        yield
        cursor.execute("; ".join(f"SET LOCAL {name} TO DEFAULT" for name in settings))


def _columns(grants: Grants) -> dict[str, object]:
    left = None if grants.left is None else sorted(grants.left)
    return {"granted": sorted(grants.granted), "left": left}
