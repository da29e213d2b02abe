"""Formats each log record as one line of JSON, for log collectors.

The line is ASCII, so that no input can start a line of its own. Of a record's extras, only plain
values are written: no requests, bodies or statements. Card numbers and signatures are masked.
"""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from math import isfinite
from traceback import walk_tb
from typing import Any

from authorizations.wire import masking

_OF_EVERY_RECORD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
_NEVER = {"sql", "params"}
"""Extras of Django's own loggers."""


def configuration(*, json_lines: bool) -> dict[str, Any]:
    """Django's LOGGING: everything to stderr, one line each."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": "authz_project.logs.TextLine",
                "format": "{asctime} {levelname} {name}: {message}",
                "style": "{",
            },
            "json": {"()": "authz_project.logs.JsonLine"},
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "json" if json_lines else "line",
            }
        },
        "root": {"handlers": ["stderr"], "level": "INFO"},
        # Django's and gunicorn's own handlers have different formats, and would print twice.
        "loggers": {
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            # It logs several lines for each attempt; services/runtime/pool.py logs one.
            "psycopg.pool": {"level": "ERROR"},
            "axes": {"level": "WARNING"},  # otherwise five lines for each log-in
            "gunicorn.error": {"handlers": [], "propagate": True},
            "uvicorn.error": {"level": "ERROR"},  # otherwise a line for each request that is none
            "stripe": {"level": "WARNING"},  # otherwise two lines for each page that is read
        },
    }


class JsonLine(logging.Formatter):
    """`time` (UTC), `level`, `logger`, `message`, the record's extras, and `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, value in vars(record).items():
            if name in line or name in _OF_EVERY_RECORD or name in _NEVER:
                continue
            is_number = isinstance(value, float) and isfinite(value)  # JSON has no NaN or infinity
            if value is None or isinstance(value, str | int) or is_number:
                line[name] = value
        if record.exc_info and record.exc_info[1]:
            line["exception"] = "\n".join(_exception_lines(record.exc_info[1]))
        text = json.dumps(line)
        if "\\" not in text and not masking.may_hold_any(text):
            return text  # nearly always: one look at the line instead of one at each value
        return json.dumps(
            {
                name: masking.text(value) if isinstance(value, str) else value
                for name, value in line.items()
            }
        )


class TextLine(logging.Formatter):
    """The format for development."""

    def format(self, record: logging.LogRecord) -> str:
        return masking.text(super().format(record))


def _exception_lines(error: BaseException) -> Iterator[str]:
    """The error, its traceback and its causes, without lines of source, which may contain SQL."""
    # PostgreSQL puts the statement and the row after the first line, and a DataError has the data
    # even there.
    if any(kind.__name__ == "DataError" for kind in type(error).__mro__):
        message = "(not shown: it names the data)"
    else:
        message = str(error).strip().partition("\n")[0]
    yield f"{type(error).__module__}.{type(error).__qualname__}: {message}"
    for frame, number in walk_tb(error.__traceback__):
        yield f"  {frame.f_code.co_filename}:{number} {frame.f_code.co_name}"
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause:
        yield from _exception_lines(cause)
