"""Checks one decision against its record: decides again from what was kept and compares.

Nothing is written.
"""

import logging
import re
from typing import Any, NamedTuple

from django.db import DatabaseError, connection, transaction

from authorizations.admin.shared.explained import UNREADABLE, readable
from authorizations.admin.shared.outcomes import label_of
from authorizations.models import Decision
from authorizations.rules.basics.money import format_money
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.rules.wording import explain
from authorizations.services.runtime import codec
from authorizations.services.verify.checking import Difference
from authorizations.services.verify.redecide import redecide

logger = logging.getLogger(__name__)

TIMEOUT_MS = 3_000
"""Database time one check may take, in milliseconds."""

SAME = "Checked just now: the record gives the same answer and the same trace."
DIFFERENT = (
    "Checked just now: the record gives a different result. Report it to your administrator."
)
UNREADABLE_RECORD = "The record could not be checked: part of it can't be read."
NO_ANSWER = "The database did not answer in time. Nothing was changed; please try again."

_LABELS = {
    "approved": "Approved",
    "approved_amount": "Approved amount",
    "is_partial": "Partially approved",
    "reason": "Reason",
    "answer": "Answer to Stripe",
    "authorization_id": "Authorization",
    "card_id": "Card",
    "amount": "Amount requested",
    "currency": "Currency",
    "trace_version": "Version of the trace",
    "length of the trace": "Number of rules",
}


class RecordDifference(NamedTuple):
    """One difference in words: what differs, the recorded value and the value found now."""

    what: str
    kept: str
    found: str


class RecordCheck(NamedTuple):
    """The result of a check; `is_same` is None if the check could not be made."""

    sentence: str
    is_same: bool | None
    differences: list[RecordDifference]


def check_record(row: Decision) -> RecordCheck:
    """Decides again from the row, in a read-only transaction that is rolled back.

    Errors of the database and unreadable rows are reported in the result, never raised.
    """
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT set_config('transaction_read_only', 'on', true), "
                    f"set_config('statement_timeout', '{TIMEOUT_MS}', true)"
                )
            differences = redecide(row.pk)
            transaction.set_rollback(True)
    except DatabaseError:
        logger.exception("Decision %s could not be checked.", row.pk)
        return RecordCheck(NO_ANSWER, None, [])
    except UNREADABLE:
        logger.exception("Decision %s could not be checked.", row.pk)
        return RecordCheck(UNREADABLE_RECORD, None, [])
    if not differences:
        return RecordCheck(SAME, is_same=True, differences=[])
    return RecordCheck(
        DIFFERENT, is_same=False, differences=[_words(it, row) for it in differences]
    )


def _words(difference: Difference, row: Decision) -> RecordDifference:
    kept, found = difference.kept, difference.found
    if isinstance(found, dict):
        place = int(re.sub("[^0-9]", "", difference.what)) + 1
        rule = f"Rule {place}, policy {found['policy']}" if "policy" in found else f"Rule {place}"
        return RecordDifference(rule, *_rule(kept if isinstance(kept, dict) else {}, found, row))
    label = _LABELS.get(difference.what, difference.what)
    values = (_value(value, difference.what, row) for value in (kept, found))
    return RecordDifference(label[:1].upper() + label[1:], *values)


def _value(value: object, column: str, row: Decision) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, int) and column in {"amount", "approved_amount"}:
        return format_money(value, row.currency)
    if column == "reason":
        return label_of(str(value)) or "None"
    return str(value)


def _rule(kept: dict[str, Any], found: dict[str, Any], row: Decision) -> tuple[str, str]:
    """A rule as recorded and as found now.

    As sentences if both can be made and differ, otherwise as the fields that differ.
    """
    request = readable(lambda: codec.value(AuthorizationRequest, row.request))
    before, after = (_sentence(fields, request) for fields in (kept, found))
    if before and after and before != after:
        return before, after
    old, new = _flat(kept), _flat(found)
    names = sorted(name for name in old | new if old.get(name) != new.get(name))
    before, after = (
        ", ".join(f"{name}: {fields.get(name, 'none')}" for name in names) for fields in (old, new)
    )
    return before, after


def _sentence(fields: dict[str, Any], request: AuthorizationRequest | None) -> str:
    checks = readable(lambda: codec.trace([fields]))
    words = readable(lambda: checks and request and explain.staff(checks[0], request))
    return f"{'Passed' if fields.get('passed') else 'Failed'}. {words}" if words else ""


def _flat(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a rule with those of its figures beside them."""
    figures = fields.get("figures")
    rest = {name: value for name, value in fields.items() if name != "figures"}
    return rest | (figures if isinstance(figures, dict) else {})
