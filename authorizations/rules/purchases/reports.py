"""What Stripe tells afterwards: how purchases, cards and cardholders stand now."""

from dataclasses import dataclass, field
from typing import TypeAlias

from authorizations.rules.purchases.events import CardDetails, PurchaseEvent, Verification
from authorizations.rules.purchases.snapshots import Snapshot, TransactionSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationReport(PurchaseEvent):
    """An authorization as it stands, with the transactions it holds so far."""

    snapshot: Snapshot
    transactions: tuple[TransactionSnapshot, ...] = ()
    verification: Verification = field(default_factory=Verification)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionReport(PurchaseEvent):
    """One transaction. `authorization_id` and `created` are its own: a force capture has no other.

    `linked` names the authorization Stripe books it under, if any.
    """

    transaction: TransactionSnapshot
    linked: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CardReport:
    """A card as it stands."""

    event_id: str
    event_created: int
    card: CardDetails


@dataclass(frozen=True, slots=True, kw_only=True)
class CardholderReport:
    """A cardholder as they stand."""

    event_id: str
    event_created: int
    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeReport:
    """A dispute over a transaction as it stands: `amount` in the smallest unit of the card's
    currency.

    `funds` are what the event itself is about: "reinstated", "rescinded", or "" where it is not
    about money that moved. A dispute does not say of itself whether its money is back.
    """

    event_id: str
    event_created: int
    id: str
    transaction_id: str
    amount: int
    currency: str
    created: int
    status: str
    reason: str = ""
    loss_reason: str = ""
    funds: str = ""


Report: TypeAlias = (
    AuthorizationReport | TransactionReport | CardReport | CardholderReport | DisputeReport
)
