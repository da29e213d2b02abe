"""What goes wrong here, in a sentence that says what to do."""

from django.db import OperationalError


class EmbeddedPostgresError(OperationalError):
    """The embedded PostgreSQL can't be used; the message says why and what helps."""


def last_lines(output: str, count: int = 12) -> str:
    """The end of a program's output, indented to stand below a sentence."""
    return "\n".join("    " + line for line in output.strip().splitlines()[-count:])
