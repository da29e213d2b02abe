"""Errors of the embedded PostgreSQL, which say what to do."""

from django.db import OperationalError


class EmbeddedPostgresError(OperationalError):
    """The embedded PostgreSQL can't be used; the message says why and what to do."""


def last_lines(output: str, count: int = 12) -> str:
    """The end of a program's output, indented."""
    return "\n".join("    " + line for line in output.strip().splitlines()[-count:])
