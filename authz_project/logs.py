"""One line of JSON for each log record: what collectors of logs can read without guessing.

Escaped to ASCII, so that nothing from outside can begin a line of its own. Of what a record brings
along, only plain values are written: no requests, bodies or statements. Card numbers and signatures
are masked wherever they are.
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
"""What Django's own loggers bring along."""


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
        # Django's and gunicorn's own handlers have other forms, and would print twice.
        "loggers": {
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            # Several lines for each attempt of each connection; services/runtime/pool.py says one.
            "psycopg.pool": {"level": "ERROR"},
            "axes": {"level": "WARNING"},  # else five lines for each log-in
            "gunicorn.error": {"handlers": [], "propagate": True},
            "stripe": {"level": "WARNING"},  # else two lines for each page that is read
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
        line |= {name: value for name, value in _extras(record) if name not in line}
        if record.exc_info and record.exc_info[1]:
            line["exception"] = "\n".join(_told(record.exc_info[1]))
        return json.dumps({name: _masked(value) for name, value in line.items()})


class TextLine(logging.Formatter):
    """For a developer's own eyes."""

    def format(self, record: logging.LogRecord) -> str:
        return masking.text(super().format(record))


def _masked(value: object) -> object:
    return masking.text(value) if isinstance(value, str) else value


def _extras(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    for name, value in vars(record).items():
        if name in _OF_EVERY_RECORD or name in _NEVER:
            continue
        if value is None or isinstance(value, str | int) or _is_number(value):
            yield name, value


def _is_number(value: object) -> bool:
    """JSON knows no NaN and no infinity."""
    return isinstance(value, float) and isfinite(value)


def _told(error: BaseException) -> Iterator[str]:
    """What happened and where, with what caused it; no line of source, which may be SQL."""
    yield f"{type(error).__module__}.{type(error).__qualname__}: {_said(error)}"
    for frame, number in walk_tb(error.__traceback__):
        yield f"  {frame.f_code.co_filename}:{number} {frame.f_code.co_name}"
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause:
        yield from _told(cause)


def _said(error: BaseException) -> str:
    """PostgreSQL adds the statement and the row below its first line, and names what it could not
    read, a DataError, even there.
    """
    if any(kind.__name__ == "DataError" for kind in type(error).__mro__):
        return "(not shown: it names the data)"
    return str(error).strip().partition("\n")[0]
