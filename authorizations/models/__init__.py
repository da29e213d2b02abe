"""The database models."""

from authorizations.models.audit import (
    DecidedBy,
    Decision,
    RejectedMinute,
    RejectedRequest,
    RepeatedMinute,
    WebhookRequest,
)
from authorizations.models.cards import Card, CardGroup, Cardholder
from authorizations.models.digest import (
    AnswerTimes,
    DigestMark,
    ListedDecision,
    MerchantName,
    Stretch,
    Tally,
)
from authorizations.models.exception_limits import ExceptionLimit
from authorizations.models.exports import Export, ExportEnd
from authorizations.models.findings import (
    Finding,
    FindingChange,
    FindingWindow,
    Reconciliation,
    UnappliedEvent,
)
from authorizations.models.funds import FundEntry, PotSum
from authorizations.models.history import HistoryEntry
from authorizations.models.instructions import (
    ExceptionUse,
    Instruction,
    Lifting,
    OpenInstruction,
)
from authorizations.models.ledger import (
    Authorization,
    Dispute,
    LedgerCause,
    LedgerEntry,
    Transaction,
    UncountedWindow,
    Usage,
)
from authorizations.models.policies import (
    Assignment,
    PlanCancellation,
    PlannedVersion,
    Policy,
    PolicyVersion,
    ProgramDefaults,
)
from authorizations.models.proofs import ProofRun
from authorizations.models.stand_in import StandInSwitch

__all__ = [
    "AnswerTimes",
    "Assignment",
    "Authorization",
    "Card",
    "CardGroup",
    "Cardholder",
    "DecidedBy",
    "Decision",
    "DigestMark",
    "Dispute",
    "ExceptionLimit",
    "ExceptionUse",
    "Export",
    "ExportEnd",
    "Finding",
    "FindingChange",
    "FindingWindow",
    "FundEntry",
    "HistoryEntry",
    "Instruction",
    "LedgerCause",
    "LedgerEntry",
    "Lifting",
    "ListedDecision",
    "MerchantName",
    "OpenInstruction",
    "PlanCancellation",
    "PlannedVersion",
    "Policy",
    "PolicyVersion",
    "PotSum",
    "ProgramDefaults",
    "ProofRun",
    "Reconciliation",
    "RejectedMinute",
    "RejectedRequest",
    "RepeatedMinute",
    "StandInSwitch",
    "Stretch",
    "Tally",
    "Transaction",
    "UnappliedEvent",
    "UncountedWindow",
    "Usage",
    "WebhookRequest",
]
