"""What is kept, by noun."""

from authorizations.models.audit import Decision, RejectedMinute, RejectedRequest, WebhookRequest
from authorizations.models.cards import Card, CardGroup, Cardholder
from authorizations.models.digest import (
    AnswerTimes,
    DigestMark,
    ListedDecision,
    MerchantName,
    Stretch,
    Tally,
)
from authorizations.models.exports import Export, ExportEnd
from authorizations.models.history import HistoryEntry
from authorizations.models.ledger import Authorization, LedgerCause, LedgerEntry, Usage
from authorizations.models.policies import (
    Assignment,
    Policy,
    PolicyVersion,
    ScheduleEntry,
    SpendingLimit,
)

__all__ = [
    "AnswerTimes",
    "Assignment",
    "Authorization",
    "Card",
    "CardGroup",
    "Cardholder",
    "Decision",
    "DigestMark",
    "Export",
    "ExportEnd",
    "HistoryEntry",
    "LedgerCause",
    "LedgerEntry",
    "ListedDecision",
    "MerchantName",
    "Policy",
    "PolicyVersion",
    "RejectedMinute",
    "RejectedRequest",
    "ScheduleEntry",
    "SpendingLimit",
    "Stretch",
    "Tally",
    "Usage",
    "WebhookRequest",
]
