"""Converts frozen values to JSON and back without loss, so that decisions can be made again."""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from authorizations.rules.decision.values import Check, LimitFigures

T = TypeVar("T")

DAMAGED = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What reading a row can raise if it is damaged, or another version of the program wrote it."""

_ALWAYS = object()
"""Stands for the default of a field that has none."""

_CHECK_FIELDS, _FIGURES_FIELDS = (
    [(name, kind._field_defaults.get(name, _ALWAYS)) for name in kind._fields]
    for kind in (Check, LimitFigures)
)


def to_json(value: Any) -> str:
    """Compact JSON of rows and values."""
    return msgspec.json.encode(value).decode()


def plain(value: Any) -> Any:
    """A value as dicts, lists and numbers."""
    return msgspec.to_builtins(value)


def plain_context(context: Any) -> Any:
    """The context of a decision as `plain` makes it, without what it has only in few rows."""
    found = plain(context)
    if isinstance(found, dict) and not found.get("exclusions"):
        found.pop("exclusions", None)
    return found


def value(kind: type[T], data: Any) -> T:
    """The inverse of `plain`. Raises msgspec.ValidationError."""
    return msgspec.convert(data, kind)


def plain_trace(trace: tuple[Check, ...]) -> list[dict[str, Any]]:
    """A trace as dicts, without fields that have their default."""
    rows = []
    for check in trace:
        row = _set_fields(check, _CHECK_FIELDS)
        if check.figures:
            row["figures"] = _set_fields(check.figures, _FIGURES_FIELDS)
        rows.append(row)
    return rows


def trace(data: list[dict[str, Any]]) -> tuple[Check, ...]:
    """The inverse of `plain_trace`. Raises one of DAMAGED."""
    checks = []
    for columns in data:
        row = dict(columns)
        figures = row.pop("figures", None)
        check = _typed(Check, row)
        if figures:
            check = check._replace(figures=_typed(LimitFigures, figures))
        checks.append(check)
    return tuple(checks)


def _set_fields(value: Check | LimitFigures, named: Sequence[tuple[str, object]]) -> dict[str, Any]:
    return {
        name: field
        for (name, default), field in zip(named, value, strict=True)
        if field is not default and field != default
    }


def _typed(kind: type[T], row: dict[str, Any]) -> T:
    defaults = getattr(kind, "_field_defaults")  # noqa: B009
    names = getattr(kind, "_fields")  # noqa: B009
    return msgspec.convert([row.get(name, defaults.get(name)) for name in names], kind)
