"""Later events from Stripe: the current state of purchases, cards, cardholders and disputes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from authorizations.rules.purchases.events import CardDetails, PurchaseEvent, Verification
from authorizations.rules.purchases.snapshots import Snapshot, TransactionSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationReport(PurchaseEvent):
    """The current state of an authorization, with its transactions so far."""

    snapshot: Snapshot
    transactions: tuple[TransactionSnapshot, ...] = ()
    verification: Verification = field(default_factory=Verification)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionReport(PurchaseEvent):
    """One transaction.

    `authorization_id` and `created` are the transaction's own, as a force capture has no
    authorization. `linked` is the id of the authorization that Stripe links it to, if any.
    """

    transaction: TransactionSnapshot
    linked: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CardReport:
    """The current state of a card."""

    event_id: str
    event_created: int
    card: CardDetails


@dataclass(frozen=True, slots=True, kw_only=True)
class CardholderReport:
    """The current state of a cardholder; `metadata` as events.CardDetails has it."""

    event_id: str
    event_created: int
    id: str
    name: str
    metadata: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeReport:
    """The current state of a dispute about a transaction.

    `amount` is in the smallest unit of the card's currency. `funds` is "reinstated" or
    "rescinded" for an event about moved money, else "": the dispute itself does not say whether
    its money is back.
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
