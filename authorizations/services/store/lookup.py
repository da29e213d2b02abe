"""Locks the card, cardholder and group of an event, then loads what is already recorded."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import msgspec
from django.db import OperationalError

from authorizations.models import Authorization
from authorizations.rules.basics.controls import Scope, ScopeKind, scope_key
from authorizations.rules.basics.filters import Merchant
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.purchases.books import AuthorizationState
from authorizations.rules.purchases.events import PurchaseEvent
from authorizations.services.host.applied import applied_controls
from authorizations.services.store import cards, locked_rows, locks, statements
from authorizations.services.store.locks import AlsoLocked, LockedCard, Retry
from authorizations.services.store.statements import Plan
from authorizations.services.store.usage import Remembered


@dataclass(frozen=True, slots=True)
class LockedScopes:
    """The scopes of a purchase, locked until the transaction ends.

    `also` are the keys of further scopes that are locked.
    """

    root_id: str
    frozen: bool
    cardholder_id: str
    group_id: int | None
    also: frozenset[str] = frozenset()

    @property
    def scopes(self) -> list[str]:
        """The keys of the scopes that this purchase counts in."""
        return _scope_keys(self.root_id, self.cardholder_id, self.group_id)

    def cover(self, row: Authorization) -> bool:
        """Whether all scopes of a different purchase are locked as well."""
        return self.also.union(self.scopes).issuperset(scope_keys(row))


def scope_keys(row: Authorization) -> list[str]:
    """The keys of the scopes that an existing purchase counts in."""
    return _scope_keys(row.root_id, row.cardholder_id, row.group_id)


def _scope_keys(root_id: str, cardholder_id: str, group_id: int | None) -> list[str]:
    kinds = [Scope(ScopeKind.CARD, root_id), Scope(ScopeKind.CARDHOLDER, cardholder_id)]
    if group_id is not None:
        kinds.append(Scope(ScopeKind.GROUP, str(group_id)))
    return [scope_key(scope) for scope in kinds]


class Purchase(msgspec.Struct, frozen=True):
    """An authorization as it is in the database; `created` in Unix seconds.

    Its merchant is the one it began with, which limits know it by.
    """

    card_id: str
    cardholder_id: str
    group_id: int | None
    currency: str
    created: int
    books: AuthorizationState
    merchant: Merchant

    def is_of(self, event: PurchaseEvent) -> bool:
        """Whether an event can concern this purchase: card, currency and creation never change."""
        return (self.card_id, self.currency, self.created) == (
            event.card.id,
            event.currency,
            event.created,
        )

    def is_within(self, locked: LockedScopes) -> bool:
        """Whether the locked scopes are this purchase's, which are only known under the lock."""
        return (self.cardholder_id, self.group_id) == (locked.cardholder_id, locked.group_id)


_NOTHING_YET = AuthorizationState()


@dataclass(frozen=True, slots=True)
class Existing:
    """What is recorded about a purchase, and the policies in force, read under the lock.

    `is_decided`: this very event was decided before. `has_strays`: transactions that Stripe links
    to this authorization are booked under a different row. `position` is the ledger's last number.
    """

    is_decided: bool
    purchase: Purchase | None
    remembered: list[Remembered]
    applied: tuple[AppliedControls, ...]
    has_strays: bool
    position: int

    @property
    def books(self) -> AuthorizationState:
        return self.purchase.books if self.purchase else _NOTHING_YET


_decode_purchase = msgspec.json.Decoder(Purchase).decode
_decode_usage = msgspec.json.Decoder(list[Remembered]).decode
_decode_policies = msgspec.json.Decoder(list[tuple[str, int]]).decode


def lock_scopes(event: PurchaseEvent, also: AlsoLocked | None = None) -> Plan[LockedScopes | Retry]:
    """Lock root card, card, cardholder and group of a purchase, and before them `also`.

    Returns a Retry if one of its own rows is missing or differs from the event: the caller
    registers the card (cards.register) and tries again.
    """
    others = frozenset[str]()
    if also is not None:
        roots = yield from locks.lock_rows(also)
        if roots is None:
            return Retry(also)
        others = _scopes_of(also, roots)
    try:
        found = yield from statements.ask(
            statements.LOCK,
            card=event.card.id,
            authorization=event.authorization_id,
            patience=locked_rows.patience(event),
        )
    except OperationalError as error:
        locked_rows.note(error, event)
        raise
    row = LockedCard(*found[0]) if found else None
    if row is None or not row.is_settled(event):
        return Retry(also, unsettled=event)
    if cards.is_news(event, row):
        yield from statements.call(partial(cards.refresh, event, row))
    locked = LockedScopes(
        root_id=row.root_id,
        frozen=row.frozen,
        cardholder_id=row.cardholder_id or "",
        group_id=row.group_id,
        also=others,
    )
    locked_rows.forget([*locked.scopes, f"card:{event.card.id}"])
    return locked


def _scopes_of(also: AlsoLocked, roots: Mapping[str, str]) -> frozenset[str]:
    scopes = [Scope(ScopeKind.CARD, root) for root in roots.values()]
    scopes += [Scope(ScopeKind.CARDHOLDER, id_) for id_ in also.cardholders]
    scopes += [Scope(ScopeKind.GROUP, str(id_)) for id_ in also.groups]
    return frozenset(map(scope_key, scopes))


def load_existing(event: PurchaseEvent, locked: LockedScopes) -> Plan[Existing]:
    """Load what is recorded of event and authorization, the stored usage around its time, and the
    policies in force.
    """
    found = yield from statements.ask(
        statements.LOOK_UP,
        event=event.event_id,
        authorization=event.authorization_id,
        scopes=locked.scopes,
        created=event.created,
    )
    [(is_decided, purchase, usage, policies, has_strays, position)] = found
    return Existing(
        is_decided=is_decided,
        purchase=_decode_purchase(purchase) if purchase else None,
        remembered=_decode_usage(usage),
        applied=applied_controls(_decode_policies(policies), Scope(ScopeKind.CARD, locked.root_id)),
        has_strays=has_strays,
        position=position,
    )
