"""What is kept, by noun."""

from authorizations.models.audit import Decision, RejectedMinute, RejectedRequest, WebhookRequest
from authorizations.models.cards import Card, CardGroup, Cardholder
from authorizations.models.ledger import Authorization, LedgerCause, LedgerEntry, Usage
from authorizations.models.policies import (
    Assignment,
    Policy,
    PolicyVersion,
    ScheduleEntry,
    SpendingLimit,
)

__all__ = [
    "Assignment",
    "Authorization",
    "Card",
    "CardGroup",
    "Cardholder",
    "Decision",
    "LedgerCause",
    "LedgerEntry",
    "Policy",
    "PolicyVersion",
    "RejectedMinute",
    "RejectedRequest",
    "ScheduleEntry",
    "SpendingLimit",
    "Usage",
    "WebhookRequest",
]
