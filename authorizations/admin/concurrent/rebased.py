"""A page that is behind, made one about today's rows: others' changes lose nothing typed."""

from collections.abc import Iterable
from typing import Any

from django.http import QueryDict

Row = dict[str, list[Any]]


def rebased(
    data: QueryDict, edited: Iterable[Any], only_shown: Iterable[Any], *, shown: str
) -> QueryDict:
    """What was sent, as if typed on a page of now; the formsets are of now, and not bound.

    Saving it puts in force just what the page shows: rows that others took away are typed anew,
    and rows that others added stand there marked for removal.
    """
    typed = data.copy()
    typed["shown"] = shown
    for formset in edited:
        _put_rows(typed, formset, *_rebased_rows(typed, formset))
    for formset in only_shown:
        _take_rows(typed, formset.prefix)
        _put_rows(typed, formset, [_as_sent(form) for form in formset.initial_forms], [])
    return typed


def _rebased_rows(data: QueryDict, formset: Any) -> tuple[list[Row], list[Row]]:
    """Rows that are saved, and rows typed anew."""
    now = {str(form.instance.pk): form for form in formset.initial_forms}
    sent = _take_rows(data, formset.prefix)
    kept = [row for row in sent if _key(row) in now]
    unseen = [_as_sent(now[key]) for key in now.keys() - {_key(row) for row in kept}]
    anew = [row | {"id": [""]} for row in sent if _key(row) not in now and "DELETE" not in row]
    return [*kept, *(row | {"DELETE": ["on"]} for row in unseen)], anew


def _put_rows(data: QueryDict, formset: Any, saved: list[Row], anew: list[Row]) -> None:
    for place, row in enumerate([*saved, *anew]):
        for name, values in row.items():
            data.setlist(f"{formset.prefix}-{place}-{name}", values)
    data[f"{formset.prefix}-INITIAL_FORMS"] = str(len(saved))
    data[f"{formset.prefix}-TOTAL_FORMS"] = str(len(saved) + len(anew))


def _take_rows(data: QueryDict, prefix: str) -> list[Row]:
    """The rows that were sent, in their order; they leave the data."""
    rows: dict[int, Row] = {}
    for key in [*data]:
        before, _, rest = key.partition("-")
        place, _, name = rest.partition("-")
        if before == prefix and place.isdecimal():
            rows.setdefault(int(place), {})[name] = data.pop(key)
    return [rows[place] for place in sorted(rows)]


def _key(row: Row) -> str:
    return str(row.get("id", [""])[0])


def _as_sent(form: Any) -> Row:
    """What a browser sends of a row nobody touches."""
    values = {field.name: field.value() for field in form}
    return {
        name: value if isinstance(value, list) else ["on" if value is True else value]
        for name, value in values.items()
        if value is not None and value is not False
    }
