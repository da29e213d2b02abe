"""Stripe's schema of the events that samples make."""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

_FOLDER = Path(__file__).parent / "schema"


@cache
def request_schema() -> Draft202012Validator:
    """Of issuing_authorization.request; unlike Stripe's it refuses fields that it doesn't know."""
    return _validator(_read("authorization_request_event"))


@cache
def life_schema() -> Draft202012Validator:
    """Of every event in an authorization's life, its request too, just as strict."""
    later = _read("later_event")
    return _validator(
        later | {"$defs": _read("authorization_request_event")["$defs"] | later["$defs"]}
    )


def faults(events: Iterable[dict[str, Any]]) -> list[str]:
    """What Stripe's schema says against these events."""
    return [error.message for told in events for error in life_schema().iter_errors(told)]


def _read(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text("utf-8"))
    return schema


def _validator(schema: dict[str, Any]) -> Draft202012Validator:
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)
