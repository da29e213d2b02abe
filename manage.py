#!/usr/bin/env python
"""Django's command line for this project."""

import os
import signal
import sys
from io import TextIOWrapper
from types import FrameType
from typing import NoReturn

from authz_project import machine

if machine.unfit():
    sys.exit(machine.unfit())
try:
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import DatabaseError, NotSupportedError, OperationalError

    from authorizations.services.runtime.actor import acting
    from authz_project import database_errors, databases, first_env, owners
    from authz_project.embedded_postgres.errors import EmbeddedPostgresError
except ModuleNotFoundError as missing:
    sys.exit(
        f"The Python package {missing.name} is missing. Run `make run`, or, in a virtual "
        "environment, `pip install -r requirements.txt`."
    )


def leave_in_order(signal_number: int, _frame: FrameType | None) -> NoReturn:
    """End as Ctrl-C does, so that what this process started is stopped with it."""
    sys.exit(128 + signal_number)


def print_anywhere() -> None:
    """What an output can't show, such as a euro sign in ASCII, is written as an escape instead of
    ending the command.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def main() -> None:
    print_anywhere()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authz_project.settings")
    first_env.ease_first_steps(sys.argv[1:])
    # A command makes one connection, and hears at once why it is refused.
    databases.pooled = sys.argv[1:2] == ["runserver"]
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # not under nohup
            signal.signal(number, leave_in_order)

    try:
        # What commands change is theirs in the change history who started them.
        user = owners.user_name(os.getuid())
        with acting(command=" ".join(sys.argv[1:2]), os_user=user):
            execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, NotSupportedError, EmbeddedPostgresError) as problem:
        # The sentence says what to do; a traceback above it only hides it.
        sys.exit(f"{problem}")
    except DatabaseError as problem:
        is_told = isinstance(problem, OperationalError) or database_errors.is_of_rights(problem)
        if not is_told or "--traceback" in sys.argv:
            raise
        sys.exit(database_errors.sentence(problem, settings.DATABASES["default"]))


if __name__ == "__main__":
    main()
