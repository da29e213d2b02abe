"""manage.py import_policies"""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from authorizations.models import PolicyVersion
from authorizations.rules.basics.words import counting_words
from authorizations.rules.policy.document import InvalidPolicyError
from authorizations.services.policies import counting_ahead
from authorizations.services.policies.changes import Changes
from authorizations.services.policies.files import NewSpendingError, compare, import_policies

_MEANING = """
What a file means:
  policies     each is created or replaced as a whole: a key left out has its default.
               Policies that are not in the file stay as they are. An unchanged policy
               makes no new version.
  groups       each gets exactly the cards listed, others leave it. Without "cards" it is
               only made to exist. Groups that are not in the file stay as they are.
  assignments  all listed are made; others of the policies in the file are removed, unless
               the file has no "assignments" at all.
A card that replaces another stands for the first one of its chain. Cards and cardholders
never seen before are created; their first purchase tells the rest. A file with an error
changes nothing. Cards change a hundred at a time, after the policies; broken off, the import
goes on where it stopped when it is run again. Where cards could spend afterwards that could
not before, say so with --allow-new-spending. `manage.py export_policies` writes such a file.
"""


class Command(BaseCommand):
    help = "Makes policies, groups and assignments what a policy file says."
    requires_migrations_checks = True

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.epilog = _MEANING
        parser.formatter_class = RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help='The policy file, or "-" for standard input.')
        parser.add_argument(
            "--dry-run", action="store_true", help="Print what would change and write nothing."
        )
        parser.add_argument(
            "--allow-new-spending",
            action="store_true",
            help="Import also where cards could spend afterwards that could not before.",
        )
        parser.add_argument("--reason", default="", help="Kept with each new version.")
        parser.add_argument("--author", help="User name that new versions are written under.")

    def handle(self, *_: Any, **options: Any) -> None:
        written, reason = _read(options["file"]), options["reason"]
        if len(reason) > (most := PolicyVersion._meta.get_field("reason").max_length or 0):  # noqa: SLF001
            raise CommandError(f"--reason: keep it to {most} characters.")
        author = _author(options["author"])
        try:
            if options["dry_run"]:
                changes = compare(written)
            else:
                changes = import_policies(
                    written,
                    author=author,
                    reason=reason,
                    allow_new_spending=options["allow_new_spending"],
                )
        except InvalidPolicyError as wrong:
            raise CommandError(f"{wrong}\nNothing was written.") from None
        except NewSpendingError as found:
            raise CommandError(
                f"{found} If that is meant, add --allow-new-spending; --dry-run shows what would "
                "change. Nothing was written."
            ) from None
        self._print(changes, dry_run=options["dry_run"])

    def _print(self, changes: Changes, *, dry_run: bool) -> None:
        for line in changes.lines():
            self.stdout.write(line)
        if not changes:
            self.stdout.write("Nothing to change: everything is as the file says.")
        else:
            self.stdout.write("Nothing was written." if dry_run else "Done, and in force.")
        counting = counting_ahead.progress_of_all()
        if counting and not dry_run:
            self.stdout.write(
                f"{counting_words(*counting)} Until then the purchases that new limits concern are "
                "declined."
            )


def _read(name: str) -> str:
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return content.decode("utf-8-sig")
    except OSError as problem:
        raise CommandError(f"{name} can't be read: {problem.strerror}.") from None
    except UnicodeDecodeError:
        raise CommandError(f"{name} is not text in UTF-8: save it as such.") from None


def _author(name: str | None) -> User | None:
    try:
        return User.objects.get(username=name) if name else None
    except User.DoesNotExist:
        raise CommandError(f'--author: there is no user "{name}".') from None
