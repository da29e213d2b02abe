"""manage.py test, which Django users may type: the tests run under pytest."""

from argparse import ArgumentParser
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Prints how to run the tests."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("labels", nargs="*")

    def run_from_argv(self, argv: list[str]) -> None:
        """Accept all options that Django's own command would."""
        super().run_from_argv([*argv[:2], *(word for word in argv[2:] if not word.startswith("-"))])

    def handle(self, *_: Any, **__: Any) -> NoReturn:
        raise CommandError(
            "The tests run under pytest: `make test` sets everything up and runs all of them; "
            "after that, `.venv/bin/python -m pytest tests/…` runs some."
        )
