"""What Stripe tells afterwards: how purchases, cards and cardholders stand now."""

from dataclasses import dataclass
from typing import TypeAlias

from authorizations.rules.snapshots import Snapshot, Transaction
from authorizations.rules.values import Card, Told


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationReport(Told):
    """An authorization as it stands, with the transactions it holds so far."""

    snapshot: Snapshot
    transactions: tuple[Transaction, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionReport(Told):
    """One transaction. `authorization_id` and `created` are its own: a force capture has no other.

    `linked` names the authorization Stripe books it under, if any.
    """

    transaction: Transaction
    linked: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CardReport:
    """A card as it stands."""

    event_id: str
    event_created: int
    card: Card


@dataclass(frozen=True, slots=True, kw_only=True)
class CardholderReport:
    """A cardholder as they stand."""

    event_id: str
    event_created: int
    id: str
    name: str


Report: TypeAlias = AuthorizationReport | TransactionReport | CardReport | CardholderReport
