"""An entry of the change history in words: who did it, how, and what changed."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from django.utils.text import capfirst

from authorizations.admin.shared.links import card_words
from authorizations.admin.shared.times import exact_time
from authorizations.models import Card, HistoryEntry
from authorizations.models.history import TRACKED, Kind
from authorizations.rules.basics.controls import ScopeKind
from authorizations.rules.basics.money import format_money
from authorizations.rules.basics.words import budget_words
from authorizations.rules.policy.differences import NOTHING, PolicyEdit, differences
from authorizations.services.queries.history import contents_of

Row = Mapping[str, Any]
Words = Iterator[PolicyEdit]

_TRACKED = {Kind(tracked.kind): tracked for tracked in TRACKED}
_HIDDEN = ("id", "date_joined", "root_id")


def who(entry: HistoryEntry) -> str:
    """The user, Stripe, or the account of the operating system or database."""
    facts = entry.facts or {}
    name = facts.get("name", "")
    match entry.source:
        case HistoryEntry.Source.STRIPE:
            return "Stripe"
        case HistoryEntry.Source.COMMAND:
            return name or f"Server command (system user {facts.get('os_user')})"
        case HistoryEntry.Source.PAGE:
            return name or "Not logged in"
    return f"Directly in the database, as {entry.database_role}"


def how(entry: HistoryEntry) -> str:
    """How the change was made."""
    facts = entry.facts or {}
    match entry.source:
        case HistoryEntry.Source.STRIPE:
            return f"Stripe's event {facts.get('event')}"
        case HistoryEntry.Source.COMMAND:
            return f"manage.py {facts.get('command')}, run by {facts.get('os_user')}"
        case HistoryEntry.Source.PAGE:
            return f"Page {facts.get('url')}"
    return f"Plain SQL, as the database role {entry.database_role}"


def reason(entry: HistoryEntry) -> str:
    """The reason given for the change; empty without one."""
    return str((entry.facts or {}).get("reason", ""))


def changes(entry: HistoryEntry) -> list[PolicyEdit]:
    """Every field that changed."""
    words = _WORDS.get(Kind(entry.kind), _columns)
    try:
        found = list(words(entry))
    except (KeyError, TypeError, ValueError):
        # Rows written by plain SQL can hold invalid values; the history shows them as they are.
        found = []
    found = found or list(_columns(entry))
    why = reason(entry)
    if why and all(why not in change.entries for change in found):
        found.append(PolicyEdit("Reason", entries=(why,)))
    return found


def name_of(entry: HistoryEntry, kind: str, key: Any) -> str:
    """The name of a row at the time of the entry."""
    name = str(entry.names.get(f"{kind}:{key}") or "")
    if kind == "card":
        return card_words(Card(pk=str(key), last4=name))
    return f"version {name}" if kind == "policyversion" and name else name or str(key)


def _policy(entry: HistoryEntry) -> Words:
    if entry.before is None or entry.after is None:
        yield from _added_or_removed(entry, "policy", entry.object_id)
    old, new = _version(entry, entry.before), _version(entry, entry.after)
    if old != new:
        yield PolicyEdit("In force", old, new)
    before, after = (json.loads(content or "{}") for content in contents_of(entry))
    if after:
        yield from differences(before or {"name": after["name"]}, after)


def _planned(entry: HistoryEntry) -> Words:
    """A version that was planned."""
    row = entry.after or entry.before or {}
    times = [
        f"{word} {exact_time(datetime.fromisoformat(row[name]))}"
        for word, name in (("from", "begins_at"), ("until", "ends_at"))
        if row[name]
    ]
    version = name_of(entry, "policyversion", row["version_id"])
    yield PolicyEdit("Planned", entries=(f"{version}, {' '.join(times)}",))


def _cancelled(entry: HistoryEntry) -> Words:
    """A planned version that was cancelled."""
    row = entry.after or entry.before or {}
    version = name_of(entry, "policyversion", row["version_id"])
    yield PolicyEdit("No longer planned", entries=(f"{version}: {row['reason']}",))


def _version(entry: HistoryEntry, row: Row | None) -> str:
    pk = row and row["current_version_id"]
    return name_of(entry, "policyversion", pk) if pk else "nothing"


def _assignment(entry: HistoryEntry) -> Words:
    was, is_now = entry.before, entry.after
    if was and is_now and _target(entry, was) == _target(entry, is_now):
        yield PolicyEdit(f"Limits of {_target(entry, is_now)}", _whose(was), _whose(is_now))
        return
    if entry.before:
        yield PolicyEdit("No longer applies to", entries=(_target(entry, entry.before),))
    if entry.after:
        yield PolicyEdit("Now applies to", entries=(_target(entry, entry.after),))


def _target(entry: HistoryEntry, row: Row) -> str:
    if row["group_id"]:
        return f"the group {name_of(entry, 'cardgroup', row['group_id'])}"
    if row["cardholder_id"]:
        return f"the cardholder {name_of(entry, 'cardholder', row['cardholder_id'])}"
    if row["card_id"]:
        return f"the card {name_of(entry, 'card', row['card_id'])}"
    return "every card"


def _whose(row: Row) -> str:
    """Whose own the limits are where the policy is assigned to a group or every card."""
    return budget_words(ScopeKind.GROUP if row["group_id"] else ScopeKind.PROGRAM, row["each"])


def _card(entry: HistoryEntry) -> Words:
    was, is_now = entry.before, entry.after
    if was and is_now and was["frozen"] != is_now["frozen"]:
        why = is_now["frozen_reason"] or reason(entry) or "no reason given"
        yield PolicyEdit("Frozen" if is_now["frozen"] else "Unfrozen", entries=(why,))
    grouped_by = {row.get("grouped_by") for row in (was, is_now) if row}
    hidden = [] if Card.GroupedBy.RULE in grouped_by else ["grouped_by"]
    if was and is_now:
        hidden += ["frozen", "frozen_reason"]
    yield from _columns(entry, *hidden)


def _user(entry: HistoryEntry) -> Words:
    if entry.after and "password" in entry.after:
        yield PolicyEdit("Password", entries=("changed",))
    yield from _columns(entry, "password")


def _exception_limit(entry: HistoryEntry) -> Words:
    """What users of a role may give, in one currency."""
    was, is_now = entry.before, entry.after
    currency = (is_now or was or {})["currency"]
    before, after = (
        format_money(row["amount"], currency) if row else "no limit" for row in (was, is_now)
    )
    yield PolicyEdit(f"May give in {currency.upper()}", before, after)


def _rights(entry: HistoryEntry) -> Words:
    """A role of a user, or a permission of either."""
    kind, column = [*_TRACKED[Kind(entry.kind)].refers.items()][1]
    key = (entry.after or entry.before or {})[column]
    what = "role" if kind == "group" else kind
    verb = "removed" if entry.after is None else "added"
    yield PolicyEdit(f"{capfirst(what)} {verb}", entries=(name_of(entry, kind, key),))


def columns(entry: HistoryEntry) -> Iterator[tuple[str, str, str]]:
    """The whole row as label, value before and value after; empty where there was no row."""
    was, is_now = entry.before, entry.after
    for name, label in _labels(entry).items():
        before = _value(entry, name, was) if was else ""
        yield label, before, _value(entry, name, is_now) if is_now else ""


def _labels(entry: HistoryEntry) -> dict[str, str]:
    fields = _TRACKED[Kind(entry.kind)].model._meta.concrete_fields
    known = {field.attname: capfirst(str(field.verbose_name)) for field in fields}
    recorded = {**(entry.before or {}), **(entry.after or {})}
    return {
        name: known.get(name, capfirst(name.replace("_", " ")))
        for name in (*known, *recorded)
        if name in recorded
    }


def _columns(entry: HistoryEntry, *but: str) -> Words:
    """Every column that changed; for an added or removed row, every column with a value."""
    was, is_now = entry.before or {}, entry.after or {}
    if not was or not is_now:
        yield from _added_or_removed(entry, _TRACKED[Kind(entry.kind)].subject, entry.object_id)
    for name, label in _labels(entry).items():
        before, after = _value(entry, name, was), _value(entry, name, is_now)
        if name in (*_HIDDEN, *but) or before == after:
            continue
        if was and is_now:
            yield PolicyEdit(label, before, after)
        elif (was or is_now).get(name):
            yield PolicyEdit(label, entries=(before if was else after,))


def _added_or_removed(entry: HistoryEntry, kind: str, key: str) -> Words:
    verb = "removed" if entry.after is None else "added"
    yield PolicyEdit(f"{Kind(entry.kind).label} {verb}", entries=(name_of(entry, kind, key),))


def _value(entry: HistoryEntry, column: str, row: Row) -> str:
    """The value of a column in words."""
    value = row.get(column)
    kinds = {name: kind for kind, name in _TRACKED[Kind(entry.kind)].refers.items()}
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value in (None, "", []):
        return NOTHING
    if column in kinds and column != "id":
        return name_of(entry, kinds[column], value)
    return str(value).upper() if column == "currency" else str(value)


_WORDS: dict[Kind, Callable[[HistoryEntry], Words]] = {
    Kind.POLICY: _policy,
    Kind.PLANNED_VERSION: _planned,
    Kind.PLAN_CANCELLATION: _cancelled,
    Kind.ASSIGNMENT: _assignment,
    Kind.CARD: _card,
    Kind.USER: _user,
    Kind.USER_ROLE: _rights,
    Kind.USER_PERMISSION: _rights,
    Kind.ROLE_PERMISSION: _rights,
    Kind.EXCEPTION_LIMIT: _exception_limit,
}
