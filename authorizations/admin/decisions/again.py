"""Decide again: what comes out now, beside what was kept. Nothing is written."""

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

LONGEST_MS = 3_000
SAME = "Decided again just now: the same answer, the same trace."
DIFFERENT = "Decided again just now: it comes out differently. Tell your administrator."
UNDECIDED = "It could not be decided again: a part of what it rested on can't be read."
NO_ANSWER = "The database did not answer in time. Nothing was changed; please try again."


class AgainWords(NamedTuple):
    """A difference in words: what it is about, what is kept, what comes out now."""

    what: str
    kept: str
    found: str


class Again(NamedTuple):
    """`is_same` is None where it could not be decided again."""

    sentence: str
    is_same: bool | None
    differences: list[AgainWords]


def decide_again(row: Decision) -> Again:
    """Never fails, changes nothing."""
    try:
        differences = _differences(row)
    except DatabaseError:
        logger.exception("Decision %s could not be decided again.", row.pk)
        return Again(NO_ANSWER, None, [])
    except UNREADABLE:
        logger.exception("Decision %s could not be decided again.", row.pk)
        return Again(UNDECIDED, None, [])
    if not differences:
        return Again(SAME, is_same=True, differences=[])
    return Again(DIFFERENT, is_same=False, differences=[_told(it, row) for it in differences])


def _differences(row: Decision) -> list[Difference]:
    """In a transaction that can't write, can't last, and is rolled back."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('transaction_read_only', 'on', true), "
                f"set_config('statement_timeout', '{LONGEST_MS}', true)"
            )
        differences = redecide(row.pk)
        transaction.set_rollback(True)
    return differences


_COLUMNS = {
    "approved": "Approved",
    "approved_amount": "Approved amount",
    "is_partial": "Approved in part",
    "reason": "Reason",
    "answer": "Answer to Stripe",
    "authorization_id": "Authorization",
    "card_id": "Card",
    "amount": "Amount asked",
    "currency": "Currency",
    "length of the trace": "Number of rules",
    "trace_version": "Version of the trace",
}


def _told(difference: Difference, row: Decision) -> AgainWords:
    kept, found = difference.kept, difference.found
    if isinstance(found, dict):
        place = int(re.sub("[^0-9]", "", difference.what)) + 1
        rule = f"Rule {place}, policy {found['policy']}" if "policy" in found else f"Rule {place}"
        return AgainWords(rule, *_rule(kept if isinstance(kept, dict) else {}, found, row))
    what = _COLUMNS.get(difference.what, difference.what)
    return AgainWords(
        what[:1].upper() + what[1:], *(_words(it, difference.what, row) for it in (kept, found))
    )


def _words(value: object, what: str, row: Decision) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, int) and what in {"amount", "approved_amount"}:
        return format_money(value, row.currency)
    if what == "reason":
        return label_of(str(value)) or "None"
    return str(value)


def _rule(kept: dict[str, Any], found: dict[str, Any], row: Decision) -> tuple[str, str]:
    """In sentences; by the fields that differ where those say the same, or can't be made."""
    request = readable(lambda: codec.value(AuthorizationRequest, row.request))
    before, after = (_sentence(fields, request) for fields in (kept, found))
    if not before or not after or before == after:
        old, new = _flat(kept), _flat(found)
        names = sorted(name for name in old | new if old.get(name) != new.get(name))
        before, after = (_fields(fields, names) for fields in (old, new))
    return before, after


def _sentence(fields: dict[str, Any], request: AuthorizationRequest | None) -> str:
    checks = readable(lambda: codec.trace([fields]))
    words = readable(lambda: checks and request and explain.staff(checks[0], request))
    return f"{'Passed' if fields.get('passed') else 'Failed'}. {words}" if words else ""


def _flat(fields: dict[str, Any]) -> dict[str, Any]:
    figures = fields.get("figures")
    rest = {name: value for name, value in fields.items() if name != "figures"}
    return rest | (figures if isinstance(figures, dict) else {})


def _fields(fields: dict[str, Any], names: list[str]) -> str:
    return ", ".join(f"{name}: {fields.get(name, 'none')}" for name in names)
