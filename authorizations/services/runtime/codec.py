"""Frozen values to JSON and back, exactly: what is written is what is decided again."""

from typing import Any, TypeVar

import msgspec

from authorizations.rules.decision.values import Check, LimitFigures

T = TypeVar("T")

DAMAGED = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What reading a row can raise that another version of the program, or nobody, has written."""

_CHECK_DEFAULTS = Check._field_defaults
_FIGURES_DEFAULTS = LimitFigures._field_defaults


def to_json(value: Any) -> str:
    """Compact JSON of rows and values."""
    return msgspec.json.encode(value).decode()


def plain(value: Any) -> Any:
    """A value as dicts, lists and numbers."""
    return msgspec.to_builtins(value)


def value(kind: type[T], data: Any) -> T:
    """The value that `plain` made `data` from; msgspec.ValidationError where it is none."""
    return msgspec.convert(data, kind)


def plain_trace(trace: tuple[Check, ...]) -> list[dict[str, Any]]:
    """A trace with named fields, without those that have nothing to say."""
    return [_plain_check(check) for check in trace]


def trace(data: list[dict[str, Any]]) -> tuple[Check, ...]:
    """What `plain_trace` was made from."""
    return tuple(_check(dict(row)) for row in data)


def _plain_check(check: Check) -> dict[str, Any]:
    row = _set_fields(check, _CHECK_DEFAULTS)
    if check.figures:
        row["figures"] = _set_fields(check.figures, _FIGURES_DEFAULTS)
    return row


def _set_fields(value: Check | LimitFigures, defaults: dict[str, Any]) -> dict[str, Any]:
    fields = value._asdict().items()
    return {
        name: field for name, field in fields if name not in defaults or field != defaults[name]
    }


def _check(row: dict[str, Any]) -> Check:
    figures = row.pop("figures", None)
    check = _typed(Check, row)
    return check._replace(figures=_typed(LimitFigures, figures)) if figures else check


def _typed(kind: type[T], row: dict[str, Any]) -> T:
    defaults = getattr(kind, "_field_defaults")  # noqa: B009
    names = getattr(kind, "_fields")  # noqa: B009
    return msgspec.convert([row.get(name, defaults.get(name)) for name in names], kind)
