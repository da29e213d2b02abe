"""manage.py import_policies"""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from authorizations.management.inputs import author_named, text_of
from authorizations.models import PolicyVersion
from authorizations.rules.basics.words import counting_words
from authorizations.rules.policy.document import InvalidPolicyError
from authorizations.services.policies import counting_ahead
from authorizations.services.policies.files import (
    NewSpendingError,
    UnfinishedImportError,
    compare,
    import_policies,
)
from authorizations.services.policies.names import GoneError

_MEANING = """
What a file means:
  policies     each is created or replaced as a whole: an omitted key has its default.
               Policies that are not in the file stay as they are. An unchanged policy
               gets no new version.
  groups       each gets exactly the cards listed, others leave it. Without "cards" it is
               only created. Groups that are not in the file stay as they are.
  assignments  all listed are made, with limits of each card or cardholder where they say so
               ("each"), and without those in "except"; others of the policies in the file are
               removed, unless the file has no "assignments" at all.
  overrides    own amounts: all listed are made; others of the policies named are lifted, unless
               the file has no "overrides" at all.
  exceptions, freezes, blocks
               each is made once, known by its "reference" or else by all that it says: not
               again when it has ended, was lifted or used. Leaving one out undoes nothing.
A replacement card stands for the first card of its chain. Unknown cards and cardholders are
created; their details come with their first purchase. A file with an error changes nothing.
Cards are changed a hundred at a time, after the policies; an interrupted import continues
when it is run again. If cards could spend afterwards that could not before, the import needs
--allow-new-spending. `manage.py export_policies` writes such a file.
"""


class Command(BaseCommand):
    help = "Makes policies, groups and assignments what a policy file says."
    requires_migrations_checks = True

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        parser: Any = super().create_parser(prog_name, subcommand, **kwargs)
        if parser.called_from_command_line:

            def refuse(message: str) -> None:
                """Exit with 1: argparse's own status, 2, says here that something changes."""
                parser.print_usage(sys.stderr)
                parser.exit(1, f"{parser.prog}: error: {message}\n")

            parser.error = refuse
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
            help="Import even if cards could spend afterwards that could not before.",
        )
        parser.add_argument(
            "--detailed-exitcode",
            action="store_true",
            help="Exit with 0 if there is nothing to change, 2 if there is, 1 for an error.",
        )
        parser.add_argument("--reason", default="", help="Reason recorded with each new version.")
        parser.add_argument("--author", help="User name recorded with each new version.")

    def handle(self, *_: Any, **options: Any) -> None:
        written, reason = text_of(options["file"]), options["reason"]
        max_chars = PolicyVersion._meta.get_field("reason").max_length or 0  # noqa: SLF001
        if len(reason) > max_chars:
            raise CommandError(f"--reason: keep it to {max_chars} characters.")
        author = author_named(options["author"])
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
        except UnfinishedImportError as wrong:
            raise CommandError(
                f"{wrong}\nWhat comes before this is written: put it right, and import the file "
                "again. Nothing is done twice."
            ) from None
        except GoneError as gone:
            raise CommandError(str(gone)) from None
        except InvalidPolicyError as wrong:
            raise CommandError(f"{wrong}\nNothing was written.") from None
        except NewSpendingError as found:
            raise CommandError(
                f"{found} If that is intended, add --allow-new-spending; --dry-run shows what "
                "would change. Nothing was written."
            ) from None
        for line in changes.lines():
            self.stdout.write(line)
        if not changes:
            self.stdout.write("Nothing to change: everything is as the file says.")
        elif options["dry_run"]:
            self.stdout.write("Nothing was written.")
        else:
            self.stdout.write("Done, and in force.")
        counting = counting_ahead.progress_of_all()
        if counting and not options["dry_run"]:
            self.stdout.write(
                f"{counting_words(*counting)} Until then, the purchases that new limits apply to "
                "are declined."
            )
        if changes and options["detailed_exitcode"]:
            sys.exit(2)
