"""Grants: which cards may spend at all, and how a change of policies or groups affects that.

A card has a grant if a policy in force that applies to it grants something in its currency, and no
policy declines that currency. A policy whose amount limits are all in other currencies declines it.
The database counts cards in one statement, never one by one.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from django.db import OperationalError, connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Value
from django.db.models.lookups import Exact

from authorizations.models import Assignment, Card, Policy
from authorizations.rules.decision.controls import SpendingControls
from authorizations.rules.decision.grants import UNLIMITED, granted_currencies, limited_currencies
from authorizations.services.host.versions import controls_of
from authorizations.services.runtime.deadline import took_too_long

Currencies: TypeAlias = frozenset[str]


class Grants(NamedTuple):
    """The effect of several policies together.

    `granted` are the currencies in which one of them grants something, `left` those that none of
    them declines; None if they decline none.
    """

    granted: Currencies = frozenset()
    left: Currencies | None = None

    def and_also(self, other: "Grants") -> "Grants":
        """The effect of both together."""
        lefts = [left for left in (self.left, other.left) if left is not None]
        left = frozenset.intersection(*lefts) if lefts else None
        return Grants(self.granted | other.granted, left)


NONE = Grants()


def grants_of(controls: SpendingControls) -> Grants:
    """The effect of one version."""
    return Grants(granted_currencies(controls), limited_currencies(controls) or None)


class GrantDifference(NamedTuple):
    """Numbers of cards that gain and lose the ability to spend."""

    gained: int = 0
    lost: int = 0


NO_DIFFERENCE = GrantDifference()


@dataclass(frozen=True, slots=True)
class Rearrangement:
    """Changes at scopes, and root cards that change their group.

    `scopes` has the effect of all policies at a scope, before and after; `moved` the keys of a root
    card's group before and after; `newcomers` are ids of cards without a row yet.
    """

    scopes: Mapping[str, tuple[Grants, Grants]] = field(default_factory=dict)
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
    not_granted, declined = _not_granted(found, for_all), list(_declined(found, for_all))
    if not declined:
        return ~Q(status=Card.Status.CANCELED) & not_granted
    # A UNION of sets. With OR, PostgreSQL checks the conditions card by card, and scans a whole set
    # each time if that does not fit into its memory.
    first, *others = (
        Card.objects.filter(part).order_by().values("pk") for part in (not_granted, *declined)
    )
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


def _at_scopes_of(policy: Policy, own: Mapping[str, tuple[Grants, Grants]]) -> GrantDifference:
    """As `difference`; `own` is the policy's effect at each scope, before and after."""
    others = grants_at(own, but=[policy.pk])
    return difference(
        Rearrangement(
            {
                scope: (others[scope].and_also(before), others[scope].and_also(after))
                for scope, (before, after) in own.items()
            }
        )
    )


def cards_moved(moved: Mapping[str, tuple[int | None, int | None]]) -> GrantDifference:
    """How moving root cards changes grants; `moved` has the group's id before and after."""

    def key(group: int | None) -> str | None:
        return None if group is None else f"group:{group}"

    keys = {card: (key(before), key(after)) for card, (before, after) in moved.items()}
    return difference(Rearrangement(moved=keys))


def grants_at(scopes: Iterable[str], *, but: Iterable[int] = ()) -> dict[str, Grants]:
    """The effect of all policies assigned to each of these scopes, except the policies `but`."""
    grants = in_force()
    found = dict.fromkeys(scopes, NONE)
    with connection.cursor() as cursor:  # arrays, because there may be a hundred thousand
        cursor.execute(
            "SELECT scope, policy_id FROM authorizations_assignment "
            "WHERE scope = ANY(%s::text[]) AND policy_id <> ALL(%s::bigint[])",
            [[*found], [*but]],
        )
        for scope, policy in cursor.fetchall():
            found[scope] = found[scope].and_also(grants.get(policy, NONE))
    return found


_DIFFERENCE = """
WITH at_scope AS MATERIALIZED (
    -- The scopes at which something changes, with everything granted there before and after.
    SELECT * FROM jsonb_to_recordset(%(at_scope)s::jsonb)
        AS at_scope(scope text, granted text[], "left" text[], before boolean, after boolean)
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
    SELECT scope, granted, "left", before, after FROM at_scope
    UNION ALL
    SELECT assignment.scope, policy.granted, policy."left", TRUE, TRUE
    FROM authorizations_assignment assignment
    JOIN jsonb_to_recordset(%(policies)s::jsonb)
        AS policy(id bigint, granted text[], "left" text[]) ON policy.id = assignment.policy_id
    WHERE NOT EXISTS (SELECT FROM at_scope WHERE at_scope.scope = assignment.scope)
)
SELECT count(*) FILTER (WHERE after AND NOT before), count(*) FILTER (WHERE before AND NOT after)
FROM (
    SELECT
        bool_or(stands.before AND grants) AND NOT bool_or(stands.before AND declines) AS before,
        bool_or(stands.after AND grants) AND NOT bool_or(stands.after AND declines) AS after
    FROM (
        SELECT
            applies.id,
            applies.before AND standing.before AS before,
            applies.after AND standing.after AS after,
            -- For a card whose currency is not known yet any grant counts.
            CASE applies.currency WHEN '' THEN cardinality(standing.granted) > 0
                ELSE standing.granted && ARRAY[%(unlimited)s, applies.currency::text] END AS grants,
            applies.currency <> '' AND standing."left" IS NOT NULL
                AND applies.currency <> ALL (standing."left") AS declines
        FROM applies JOIN standing ON standing.scope = applies.scope
    ) AS stands
    GROUP BY stands.id
) AS cards
"""
_OF_CANDIDATES = _DIFFERENCE.format(concerned="JOIN candidate USING (id)")
_OF_ALL = _DIFFERENCE.format(concerned="")


def difference(change: Rearrangement) -> GrantDifference:
    """The numbers of cards that gain and lose a grant by a rearrangement."""
    if not change.scopes and not change.moved and not change.newcomers:
        return NO_DIFFERENCE
    ids = defaultdict[str, list[str]](list)
    for scope in change.scopes:
        kind, _, id_ = scope.partition(":")
        ids[kind].append(id_)
    policies = [{"id": policy, **_columns(grants)} for policy, grants in in_force().items()]
    moved = [
        {"card": card, "before": group_before, "after": group_after}
        for card, (group_before, group_after) in change.moved.items()
    ]
    at_scope = []
    for scope, (before, after) in change.scopes.items():
        at_scope += [
            {"scope": scope, **_columns(before), "before": True, "after": False},
            {"scope": scope, **_columns(after), "before": False, "after": True},
        ]
    of_all = "program" in ids
    with transaction.atomic(), _settings(of_all=of_all), connection.cursor() as cursor:
        cursor.execute(
            _OF_ALL if of_all else _OF_CANDIDATES,
            {
                "at_scope": json.dumps(at_scope),
                "moved": json.dumps(moved),
                "cards": [*ids["card"], *change.moved],
                "cardholders": ids["cardholder"],
                "groups": [int(id_) for id_ in ids["group"] if id_.isdecimal()],
                "newcomers": list(change.newcomers),
                "policies": json.dumps(policies),
                "unlimited": UNLIMITED,
            },
        )
        return GrantDifference(*cursor.fetchone())


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
