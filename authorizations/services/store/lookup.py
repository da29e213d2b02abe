"""Locks the cards, cardholders and groups of purchases, and loads what is recorded of them.

Both in one round trip: which rows a purchase needs is known from its event and from when its card
was seen last, and confirmed by the rows once they are locked. Where they say otherwise, the
transaction must not lock more, which would be out of order; another one begins with what they said.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import msgspec
from django.db import OperationalError
from msgspec import structs

from authorizations.models import Authorization
from authorizations.rules.basics.controls import (
    Exclusion,
    Scope,
    ScopeKind,
    scope_key,
    scope_of,
)
from authorizations.rules.basics.filters import Merchant
from authorizations.rules.basics.purchase_exceptions import PurchaseException
from authorizations.rules.basics.stops import Stop
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.values import FirstOf
from authorizations.rules.purchases.books import AuthorizationState
from authorizations.rules.purchases.events import AuthorizationRequest, PurchaseEvent
from authorizations.services.host.applied import Instructed, PolicyInForce, applied_to
from authorizations.services.host.instructions import Told, exceptions_of, stops_of, told_by
from authorizations.services.host.versions import controls_of, uncached
from authorizations.services.runtime.pipeline import Statement
from authorizations.services.store import (
    cards,
    limited_attempts,
    locked_rows,
    locks,
    plans,
    statements,
)
from authorizations.services.store.limited_attempts import LimitedAttempts
from authorizations.services.store.locks import AlsoLocked, ExpectedScopes, LockedCard, Retry
from authorizations.services.store.plans import Plan
from authorizations.services.store.usage import Remembered, UsageKey


@dataclass(frozen=True, slots=True)
class LockedScopes:
    """The scopes of a purchase, locked until the transaction ends.

    `also` are the keys of further scopes that are locked. `present` are those of the card's own
    scopes by now, in which freezes and blocks hold for it.
    """

    root_id: str
    frozen: bool
    cardholder_id: str
    group_id: int | None
    also: frozenset[str] = frozenset()
    present: tuple[str, ...] = ()

    @property
    def scopes(self) -> list[str]:
        """The keys of the scopes of this purchase, in which policies apply to it."""
        return ExpectedScopes(self.root_id, self.cardholder_id, self.group_id).keys

    @property
    def usage_scopes(self) -> list[str]:
        """The keys of the scopes whose usage this purchase counts in."""
        return ExpectedScopes(self.root_id, self.cardholder_id, self.group_id).usage_keys

    def cover(self, row: Authorization) -> bool:
        """Whether all scopes of a different purchase are locked as well."""
        return self.also.union(self.scopes).issuperset(scopes_of(row).keys)


def scopes_of(row: Authorization) -> ExpectedScopes:
    """The scopes of an existing purchase."""
    return ExpectedScopes(row.root_id, row.cardholder_id, row.group_id)


@dataclass(frozen=True, slots=True)
class Purchase:
    """An authorization as it is in the database; `created` in Unix seconds.

    Its merchant is the one it began with, which limits know it by. `attempt` is "" until its first
    request is decided; `refused_by` are the limits on attempts that were full then.
    """

    card_id: str
    cardholder_id: str
    group_id: int | None
    currency: str
    created: int
    books: AuthorizationState
    merchant: Merchant
    attempt: str = ""
    refused_by: str = ""

    def is_of(self, event: PurchaseEvent) -> bool:
        """Whether an event can concern this purchase: card, currency and creation never change."""
        return (self.card_id, self.currency, self.created) == (
            event.card.id,
            event.currency,
            event.created,
        )


_NOTHING_YET = AuthorizationState()


class Existing(msgspec.Struct, frozen=True):
    """What is recorded about a purchase, and the policies in force, read under the lock.

    `is_decided`: this very event was decided before. `has_strays`: transactions that Stripe links
    to this authorization are booked under a different row. `stops` hold in the scopes that the card
    has now, which may be others than those of the purchase. `exceptions` are those of this card
    that nothing has used, `exclusions` left out policies, and `shares_cap` is as of Applied.
    `in_force` has the version of each policy. `attempts` are those that limits on attempts count,
    None if they are not read yet, nor is what the purchase is the card's `first_of`. `ahead` has
    limits on attempts that this process expected to apply, without and with what they count.
    """

    is_decided: bool
    purchase: Purchase | None
    remembered: list[Remembered]
    applied: tuple[AppliedControls, ...]
    has_strays: bool
    stops: tuple[Stop, ...] = ()
    exceptions: tuple[PurchaseException, ...] = ()
    in_force: Mapping[int, int] = {}
    attempts: tuple[LimitedAttempts, ...] | None = None
    ahead: tuple[tuple[LimitedAttempts, LimitedAttempts], ...] = ()
    first_of: tuple[FirstOf, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    shares_cap: bool = False

    @property
    def books(self) -> AuthorizationState:
        return self.purchase.books if self.purchase else _NOTHING_YET


@dataclass(frozen=True, slots=True)
class Found:
    """A purchase under its lock. `news`: its event has newer details of the card than this row."""

    locked: LockedScopes
    existing: Existing
    news: tuple[LockedCard, str] | None = None


_decode_books = msgspec.json.Decoder(AuthorizationState).decode

_PROGRAM = "program:"
_MAX_SEEN = 100_000
_seen: dict[str, ExpectedScopes] = {}
"""The scopes of cards as this process last saw them; one that has changed costs an attempt."""
_limiting: dict[str, dict[int, AppliedControls]] = {}
"""By scope and policy, those with limits on attempts as this process last saw them."""


def lock(event: PurchaseEvent, retry: Retry) -> Plan[Found | Retry]:
    """Lock root, card, cardholder and group of a purchase, and load what is recorded.

    Before them `retry.also` is locked. Returns a Retry if other rows must be locked, or if one is
    missing or differs from the event; then the caller registers the card (cards.register) and tries
    again. Newer details of the card are written.
    """
    others = frozenset[str]()
    if retry.also is not None:
        roots = yield from locks.lock_rows(retry.also)
        if roots is None:
            return Retry(retry.also)
        others = _scopes_of(retry.also, roots)
    try:
        [found] = yield from lock_all(
            [event], [retry.scopes or expected(event)], patience=locked_rows.patience(event)
        )
    except OperationalError as error:
        locked_rows.note(error, event)
        raise
    if isinstance(found, Retry):
        return replace(found, also=retry.also)
    if found.news:
        has_moved = yield from plans.call(partial(cards.refresh, event, *found.news))
        if has_moved:
            return Retry(retry.also)  # what holds for its new group was not read
    locked_rows.forget([*found.locked.scopes, f"card:{event.card.id}"])
    return replace(found, locked=replace(found.locked, also=others))


def is_seen(event: PurchaseEvent) -> bool:
    """Whether this process has seen the event's card."""
    return event.card.id in _seen


def expected(event: PurchaseEvent) -> ExpectedScopes:
    """The scopes in which a purchase probably counts; its locked rows confirm or correct them."""
    card = event.card
    seen = _seen.get(card.id)
    if seen is None:
        return ExpectedScopes(card.replacement_for or card.id, card.cardholder_id, None)
    if card.is_only_named:
        return seen
    return seen._replace(cardholder_id=card.cardholder_id)


@dataclass(frozen=True, slots=True)
class Further:
    """What else is read with the locks, and the rows of each once it is read.

    `of_linked`: usage is that around the authorizations that events name, which tell no time.
    """

    statements: Sequence[Statement] = ()
    of_linked: bool = False
    answers: list[list[tuple[Any, ...]]] = field(default_factory=list)


_NOTHING_FURTHER = Further()


def lock_all(
    events: Sequence[PurchaseEvent],
    scopes: Sequence[ExpectedScopes],
    *,
    patience: str | None = None,
    first: Sequence[Statement] = (),
    skips_locked: bool = False,
    further: Further = _NOTHING_FURTHER,
) -> Plan[list[Found | Retry]]:
    """Lock several purchases by these scopes and load what is recorded, in one round trip.

    `patience` is the lock_timeout; None leaves it unchanged. `first` are statements to run before,
    and `further` what else is read. A purchase whose locked rows don't confirm its scopes gets a
    Retry, with the right ones as far as these rows say. With `skips_locked` nothing is waited for,
    and rows that someone else has locked are taken as missing.
    """
    lock_texts = [statements.LOCK_CARDS, statements.LOCK_CARDHOLDERS, statements.LOCK_GROUPS]
    if skips_locked:
        lock_texts = [statements.skipping_locked(text) for text in lock_texts]
    of_cards, of_cardholders, of_groups = lock_texts
    roots = {one.root_id for one in scopes}
    others = {event.card.id for event in events} - roots
    groups = {one.group_id for one in scopes if one.group_id is not None}
    lock_cards, lock_others = (Statement(of_cards, {"ids": sorted(ids)}) for ids in (roots, others))
    holders = sorted({one.cardholder_id for one in scopes})
    locking = [
        Statement(statements.SETTINGS, {"patience": patience}),
        lock_cards,
        *([lock_others] if others else []),
        Statement(of_cardholders, {"ids": holders}),
        *([Statement(of_groups, {"ids": sorted(groups)})] if groups else []),
    ]
    asked = _asked_keys(events, scopes)
    keys = [one.usage_keys for one in scopes]
    looking_up = _look_up(events, keys, asked, of_linked=further.of_linked)
    ahead = list(map(_attempts_of, events, scopes))
    counting = limited_attempts.statement(ahead)
    looking_up += [counting] if counting else []
    answers = yield [*first, *locking, *looking_up, *further.statements]
    answers = answers[len(first) + 1 :]
    further.answers[:] = answers[len(answers) - len(further.statements) :]
    del answers[len(answers) - len(further.statements) :]
    locked_cards = {row[0]: LockedCard(*row) for row in answers.pop(0)}
    if others:
        locked_cards |= {row[0]: LockedCard(*row) for row in answers.pop(0)}
    locked_holders = dict(answers.pop(0))
    locked_groups = {id_ for (id_,) in answers.pop(0)} if groups else set()
    rows = _LockedRows(locked_cards, locked_holders, locked_groups, are_all=not skips_locked)
    counted = limited_attempts.counted(ahead, answers.pop() if counting else ())
    looked_up = yield from _looked_up(answers, asked)
    return [
        _confirmed(event, one, rows, looked_up, tuple(zip(it.limits, known, strict=True)))
        for event, one, it, known in zip(events, scopes, ahead, counted, strict=True)
    ]


def _attempts_of(event: PurchaseEvent, scopes: ExpectedScopes) -> limited_attempts.AttemptsSought:
    """What limits on attempts will probably ask of an event.

    They are those that this process last saw there; others are read once they are known.
    """
    limits: list[LimitedAttempts] = []
    if _limiting and isinstance(event, AuthorizationRequest) and not event.request_index:
        for key in (_PROGRAM, *scopes.keys):
            for policy_id, policy in _limiting.get(key, {}).items():
                in_force = {policy_id: policy.version_id}
                limits += limited_attempts.of_purchase(event, [policy], in_force)
    return limited_attempts.AttemptsSought(event.authorization_id, scopes.root_id, limits)


class _LockedRows(NamedTuple):
    """Locked rows by id, of cardholders the names; if they `are_all`, a missing one is new."""

    cards: Mapping[str, LockedCard]
    cardholders: Mapping[str, str]
    groups: set[int]
    are_all: bool


def _confirmed(
    event: PurchaseEvent,
    expected: ExpectedScopes,
    rows: _LockedRows,
    looked_up: "_LookedUp",
    ahead: tuple[tuple[LimitedAttempts, LimitedAttempts], ...],
) -> Found | Retry:
    """A purchase whose locked rows are those that were expected; else what to do instead."""
    purchase = looked_up.purchases.get(event.authorization_id)
    card, right, usual = _scopes_by(event, expected, rows.cards, purchase)
    if right is not None and right != expected:
        return Retry(scopes=right)
    _, holder_id, group_id = expected
    is_there = holder_id in rows.cardholders and (group_id is None or group_id in rows.groups)
    if card is None or right is None or usual is None or not is_there:
        _seen.pop(event.card.id, None)
        is_unknown = rows.are_all and event.card.id not in rows.cards
        return Retry(unsettled=event, is_unknown=is_unknown)
    present = _present(event, usual)
    if not looked_up.keys.issuperset(present):
        return Retry(scopes=expected)  # its scopes have changed since this process saw the card
    locked = LockedScopes(expected.root_id, card.frozen, holder_id, group_id, present=present)
    name = rows.cardholders[holder_id] if holder_id == card.cardholder_id else ""
    news = (card, name) if cards.is_news(event, card, name) else None
    existing = looked_up.of(event, locked)
    return Found(locked, structs.replace(existing, ahead=ahead) if ahead else existing, news)


def _scopes_by(
    event: PurchaseEvent,
    expected: ExpectedScopes,
    locked: Mapping[str, LockedCard],
    purchase: Purchase | None,
) -> tuple[LockedCard | None, ExpectedScopes | None, ExpectedScopes | None]:
    """The card's locked row, and the scopes of a purchase as far as the locked rows say.

    The last are those of a new purchase of the card. None if the card must be registered first, and
    for the last also if others must be locked.
    """
    card = locked.get(event.card.id)
    if card is None or not card.is_as_in(event):
        return None, None, None
    if card.root_id != expected.root_id:
        return card, expected._replace(root_id=card.root_id), None
    root = locked.get(expected.root_id)
    if root is None or root.root_id != root.id:
        return card, None, None
    usual = ExpectedScopes(root.id, card.cardholder_id or "", root.group_id)
    if _seen.get(card.id) != usual:
        if len(_seen) >= _MAX_SEEN:
            _seen.clear()
        _seen[card.id] = usual
    if purchase is None:
        return card, usual, usual
    # A purchase keeps the cardholder and group of its first decision.
    return card, ExpectedScopes(root.id, purchase.cardholder_id, purchase.group_id), usual


def _scopes_of(also: AlsoLocked, roots: Mapping[str, str]) -> frozenset[str]:
    scopes = [Scope(ScopeKind.CARD, root) for root in roots.values()]
    scopes += [Scope(ScopeKind.CARDHOLDER, id_) for id_ in also.cardholders]
    scopes += [Scope(ScopeKind.GROUP, str(id_)) for id_ in also.groups]
    return frozenset(map(scope_key, scopes))


def load_existing(event: PurchaseEvent, locked: LockedScopes) -> Plan[Existing]:
    """Load again what is recorded of a purchase whose scopes are locked."""
    asked = list(dict.fromkeys([*locked.scopes, *locked.present]))
    answers = yield _look_up([event], [locked.usage_scopes], asked)
    looked_up = yield from _looked_up(answers, asked)
    return looked_up.of(event, locked)


def _look_up(
    events: Sequence[PurchaseEvent],
    keys: Sequence[Sequence[str]],
    asked: Sequence[str],
    *,
    of_linked: bool = False,
) -> list[Statement]:
    """The statements that load what is recorded.

    `keys` are those that each event's usage is read by; policies and stops are read for the
    `asked` ones.
    """
    around = {
        (key, event.created): None
        for event, of_it in zip(events, keys, strict=True)
        for key in of_it
    }
    authorizations = [event.authorization_id for event in events]
    measured = list(dict.fromkeys(key for of_it in keys for key in of_it))
    usage = Statement(
        statements.USAGE,
        {"scopes": [key for key, _ in around], "times": [at for _, at in around]},
    )
    if of_linked:
        pairs = [
            (key, event.authorization_id)
            for event, of_it in zip(events, keys, strict=True)
            for key in of_it
        ]
        scopes, linked = [key for key, _ in pairs], [id_ for _, id_ in pairs]
        usage = Statement(statements.USAGE_OF_LINKED, {"scopes": scopes, "authorizations": linked})
    return [
        Statement(statements.DECIDED, {"events": [event.event_id for event in events]}),
        Statement(statements.PURCHASES, {"authorizations": authorizations}),
        usage,
        Statement(statements.POLICIES, {"scopes": list(asked), "measured": measured}),
        Statement(statements.STRAYS, {"authorizations": authorizations}),
    ]


def _asked_keys(events: Sequence[PurchaseEvent], scopes: Sequence[ExpectedScopes]) -> list[str]:
    """The keys of all scopes in which these purchases count, or their cards are now."""
    wanted = [key for one in scopes for key in one.keys]
    # As the rows said last: an older event may name another cardholder than the card has by now.
    now = ((it, _seen.get(it.card.id) or expected(it)) for it in events)
    present = (key for it, its in now for key in _present(it, its))
    return list(dict.fromkeys([*wanted, *present]))


def _present(event: PurchaseEvent, scopes: ExpectedScopes) -> tuple[str, ...]:
    """The keys of a card's own scopes: those of a new purchase, and that of this card alone."""
    return (*scopes.keys, _own_key(event))


def _own_key(event: PurchaseEvent) -> str:
    return scope_key(Scope(ScopeKind.CARD, event.card.id))


@dataclass(frozen=True, slots=True)
class _LookedUp:
    """What is recorded of several purchases: usage, policies and instructions by scope.

    All are known of the scopes in `keys`; pots are among the instructions. `in_force` has the
    version of each policy.
    """

    decided: set[str]
    purchases: dict[str, Purchase]
    usage: dict[str, dict[UsageKey, Remembered]]
    policies: dict[str, list[PolicyInForce]]
    instructions: dict[str, list[Told]]
    in_force: dict[int, int]
    keys: frozenset[str]
    with_strays: set[str]
    versions: list[tuple[int, int, str]]

    def of(self, event: PurchaseEvent, locked: LockedScopes) -> Existing:
        scopes = (_PROGRAM, *locked.scopes)
        told = self.instructions
        applied, exclusions, shares_cap = applied_to(
            Scope(ScopeKind.CARD, locked.root_id),
            locked.cardholder_id,
            [one for key in scopes for one in self.policies.get(key, ())],
            Instructed(told, scopes, self.in_force),
            read=self.read,
        )
        stops: tuple[Stop, ...] = ()
        exceptions: tuple[PurchaseException, ...] = ()
        if told:
            present = dict.fromkeys((_PROGRAM, *locked.present))
            stops = stops_of((one for key in present for one in told.get(key, ())), event.card.id)
            exceptions = exceptions_of(told.get(_own_key(event), ()))
        asks = any(it.controls.attempt_limits or it.controls.first_of for it in applied)
        return Existing(
            is_decided=event.event_id in self.decided,
            purchase=self.purchases.get(event.authorization_id),
            remembered=[
                row for key in locked.usage_scopes for row in self.usage.get(key, {}).values()
            ],
            applied=applied,
            has_strays=event.authorization_id in self.with_strays,
            stops=stops,
            exceptions=exceptions,
            in_force=self.in_force,
            attempts=None if asks else (),
            exclusions=exclusions,
            shares_cap=shares_cap,
        )

    def read(self, ids: Iterable[int]) -> list[tuple[int, int, str]]:
        wanted = set(ids)
        return [row for row in self.versions if row[0] in wanted]


def _looked_up(answers: Sequence[list[tuple[Any, ...]]], asked: Sequence[str]) -> Plan[_LookedUp]:
    decided, purchases, usage, rows, strays = answers
    policies: dict[str, list[PolicyInForce]] = {}
    instructions: dict[str, list[Told]] = {}
    in_force: dict[int, int] = {}
    for scope, id_, instruction, policy_id, each in rows:
        if instruction is None:
            policies.setdefault(scope, []).append(PolicyInForce(scope, id_, each))
            in_force[policy_id] = id_
        else:
            instructions.setdefault(scope, []).append(told_by(instruction))
    remembered: dict[str, dict[UsageKey, Remembered]] = {}
    for row in usage:
        one = Remembered(*row)
        remembered.setdefault(one.scope, {})[one.key] = one
    versions: list[tuple[int, int, str]] = []
    if unread := uncached(in_force.values()):
        versions = yield from plans.ask(statements.VERSIONS, ids=unread)
    found = _LookedUp(
        decided={id_ for (id_,) in decided},
        purchases={row[0]: _purchase(row) for row in purchases},
        usage=remembered,
        policies=policies,
        instructions=instructions,
        in_force=in_force,
        keys=frozenset(asked),
        with_strays={id_ for (id_,) in strays},
        versions=versions,
    )
    _note_limiting(found)
    return found


def _note_limiting(found: _LookedUp) -> None:
    contents = controls_of(found.in_force.values(), found.read)
    limiting = {id_ for id_, (_, controls) in contents.items() if controls.attempt_limits}
    if not limiting and not _limiting:
        return
    policy_ids = {version_id: policy_id for policy_id, version_id in found.in_force.items()}
    if len(_limiting) >= _MAX_SEEN:
        _limiting.clear()
    for key in (_PROGRAM, *found.keys):
        scope = scope_of(key)
        there = {
            policy_ids[id_]: AppliedControls(scope, scope, id_, *contents[id_])
            for _, id_, _ in found.policies.get(key, ())
            if id_ in limiting
        }
        if there:
            _limiting[key] = there
        else:
            _limiting.pop(key, None)


def _purchase(row: tuple[Any, ...]) -> Purchase:
    _, card_id, cardholder_id, group_id, currency, created, books, attempt, refused_by, *at = row
    return Purchase(
        card_id,
        cardholder_id,
        group_id,
        currency,
        created,
        _decode_books(books),
        Merchant(*at),
        attempt,
        refused_by,
    )
