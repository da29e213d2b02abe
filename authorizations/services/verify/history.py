"""The change history against itself and against the rows whose changes it records.

What a row was before a change is what the change before it left; the first one made it, and the
last one left it as it is now.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Model

from authorizations.models.history import TRACKED, Kind
from authorizations.services.verify.checking import Checked, Difference, fetch, pieces, summaries
from authorizations.services.verify.ranges import Ids

CHANGES = "changes"

_SIZE = 500

_BEFORE_ANY_HISTORY = {Kind.ROLE, Kind.ROLE_PERMISSION}
"""Made by a migration, before there were triggers."""

_ADDED = {"password"}
"""What the trigger adds to a row for readers of the history."""

_CHAINED = """
SELECT
    change.id, change.kind, change.object_id, change.operation, change.source, change.user_id,
    change.facts, change.before, change.after, earlier.id, earlier.after,
    NOT EXISTS (
        SELECT FROM authorizations_historyentry AS later
        WHERE later.kind = change.kind AND later.object_id = change.object_id
            AND later.id > change.id
    )
FROM (
    SELECT * FROM authorizations_historyentry
    WHERE id > %s AND id <= %s ORDER BY id LIMIT %s
) AS change
LEFT JOIN LATERAL (
    SELECT id, after FROM authorizations_historyentry AS earlier
    WHERE earlier.kind = change.kind AND earlier.object_id = change.object_id
        AND earlier.id < change.id
    ORDER BY earlier.id DESC LIMIT 1
) AS earlier ON TRUE
ORDER BY change.id
"""

# Both at once, or a change in between would look like a difference.
_NOW = """
SELECT last.operation, last.after, to_jsonb(row) - %s::text[]
FROM (
    SELECT * FROM authorizations_historyentry
    WHERE kind = %s AND object_id = %s ORDER BY id DESC LIMIT 1
) AS last
LEFT JOIN {table} AS row ON row.{key}::text = last.object_id
    AND row.{key} = %s
"""

_UNTOLD = """
SELECT max(row.{key}), array_agg(row.{key}::text) FILTER (WHERE NOT EXISTS (
    SELECT FROM authorizations_historyentry AS change
    WHERE change.kind = '{kind}' AND change.object_id = row.{key}::text
))
FROM (SELECT {key} FROM {table} WHERE {key} > %s ORDER BY {key} LIMIT %s) AS row
"""

_tracked = {str(tracked.kind): tracked for tracked in TRACKED}


class _Change(NamedTuple):
    """A row of _CHAINED."""

    id: int
    kind: str
    object_id: str
    label: str
    source: str
    user_id: int | None
    facts: Mapping[str, Any] | None
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    earlier_id: int | None
    earlier_after: Mapping[str, Any] | None
    is_last: bool

    @property
    def where(self) -> str:
        return f"change {self.id} of {self.kind} {self.object_id}"


def changes_in(since: datetime | None, until: datetime | None) -> Ids:
    """Between which numbers the changes of this time are."""
    [(above, up_to)] = fetch(_BOUNDS, [since, since, until, until])
    return Ids(above, max(above, up_to))


_BOUNDS = """
SELECT
    CASE WHEN %s::timestamptz IS NULL THEN 0 ELSE coalesce(
        (SELECT min(id) - 1 FROM authorizations_historyentry WHERE changed_at >= %s),
        (SELECT max(id) FROM authorizations_historyentry), 0
    ) END,
    coalesce(CASE WHEN %s::timestamptz IS NOT NULL THEN
        (SELECT min(id) - 1 FROM authorizations_historyentry WHERE changed_at >= %s)
    END, (SELECT max(id) FROM authorizations_historyentry), 0)
"""


def verify_history(ids: Ids) -> Iterator[Checked]:
    """Every change of these numbers."""
    for rows in pieces(_CHAINED, ids.above, ids.up_to, _SIZE):
        changes = [_read(row) for row in rows]
        yield Checked(CHANGES, len(changes), [it for one in changes for it in _differences(one)])


def verify_untold() -> Iterator[Checked]:
    """Whether there is a row that no change ever recorded."""
    for tracked in TRACKED:
        if tracked.kind not in _BEFORE_ANY_HISTORY:
            yield from _untold(tracked.model, tracked.kind)


def _untold(model: type[Model], kind: str) -> Iterator[Checked]:
    table, key = model._meta.db_table, _key(model)  # noqa: SLF001 - Django documents it
    statement = _UNTOLD.format(table=table, key=key, kind=kind)
    for _, untold in summaries(statement, "" if _is_text(model) else 0, _SIZE):
        differences = [
            Difference(f"{kind} {key}", "in the change history", "none", "when it was made")
            for key in untold or ()
        ]
        yield Checked(CHANGES, 0, differences)


def _differences(change: _Change) -> Iterator[Difference]:
    yield from _by_whom(change)
    shape = (change.before is not None, change.after is not None)
    if {(False, True): "insert", (True, True): "update", (True, False): "delete"}.get(
        shape
    ) != change.label:
        yield Difference(change.where, "kind of change", change.label, "as its rows say")
    if change.earlier_id is None:
        if change.label != "insert" and change.kind not in _BEFORE_ANY_HISTORY:
            yield Difference(change.where, "change before it", "none", "there")
    else:
        for name, kept, found in _unlike(change.before, change.earlier_after):
            what = f"{found} after change {change.earlier_id}"
            yield Difference(change.where, f"before.{name}", kept, what)
    if change.is_last:
        for name, kept, found in _unlike(*_now(change)):
            yield Difference(change.where, f"after.{name}", kept, f"{found}, as the row is")


def _read(row: Sequence[Any]) -> _Change:
    found = _Change(*row)
    return found._replace(
        facts=_json(found.facts),
        before=_json(found.before),
        after=_json(found.after),
        earlier_after=_json(found.earlier_after),
    )


def _json(found: Any) -> Any:
    """Django hands jsonb back as text."""
    return None if found is None else json.loads(found)


def _by_whom(change: _Change) -> Iterator[Difference]:
    """The columns that lists filter by, against the facts that the writer gave."""
    facts = change.facts or {}
    if change.user_id != facts.get("user"):
        yield Difference(change.where, "user", change.user_id, facts.get("user"))
    sources = (("event", "stripe"), ("command", "command"), ("url", "page"))
    source = next((source for fact, source in sources if fact in facts), "database")
    if change.source != source:
        yield Difference(change.where, "source", change.source, source)


def _now(change: _Change) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """What the last change left the row as, and the row as it is."""
    tracked = _tracked[change.kind]
    table, key = tracked.model._meta.db_table, _key(tracked.model)  # noqa: SLF001
    id_: Any = change.object_id if _is_text(tracked.model) else int(change.object_id)
    statement = _NOW.format(table=table, key=key)
    parameters = [list(tracked.left_out), change.kind, change.object_id, id_]
    [(_, after, now)] = fetch(statement, parameters)
    return _json(after), _json(now)


def _unlike(
    kept: Mapping[str, Any] | None, found: Mapping[str, Any] | None
) -> Iterator[tuple[str, Any, Any]]:
    """The columns in which two states of a row differ; one may have columns that came later."""
    if kept is None or found is None:
        if kept is not found:
            yield "row", "none" if kept is None else "there", "none" if found is None else "there"
        return
    for name in kept.keys() & found.keys() - _ADDED:
        if kept[name] != found[name]:
            yield name, kept[name], found[name]


def _key(model: type[Model]) -> str:
    return str(model._meta.pk.column)  # noqa: SLF001


def _is_text(model: type[Model]) -> bool:
    return model._meta.pk.get_internal_type() == "CharField"  # noqa: SLF001
