"""manage.py import_own_amounts"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from authorizations.management.inputs import author_named, text_of
from authorizations.rules.policy.own_amounts_csv import COLUMNS, InvalidTableError
from authorizations.services.policies.names import GoneError
from authorizations.services.policies.own_amounts_table import compare, import_own_amounts

_MEANING = f"""
The first line names the columns, in any order: {", ".join(COLUMNS)}.
Separators are commas, semicolons or tabs.
  card         the card's id; a replacement stands for the first card of its chain
  policy       its name
  limit        the limit's key, such as monthly
  amount       what the limit is set to for this card, such as 800.00, or 5 purchases
  raise_by     what is added instead; a line has one of the two
  until        such as 2026-12-31T18:00:00+01:00; a date alone is its beginning in UTC;
               empty for good
  reason       required: others will ask why
A file with an error changes nothing. Lines that are in force already, or past their end, are
skipped, so a file can be imported again. Cards that are not known yet are created.
"""


class Command(BaseCommand):
    help = "Gives cards their own amounts for limits, from a table in CSV."
    requires_migrations_checks = True

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.epilog = _MEANING
        parser.formatter_class = RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help='The table, or "-" for standard input.')
        parser.add_argument(
            "--dry-run", action="store_true", help="Print what would change and write nothing."
        )
        parser.add_argument("--author", help="User name recorded with each own amount.")

    def handle(self, *_: Any, **options: Any) -> None:
        written, author = text_of(options["file"]), author_named(options["author"])
        try:
            if options["dry_run"]:
                changes = compare(written)
            else:
                changes = import_own_amounts(written, author=author)
        except InvalidTableError as wrong:
            raise CommandError(f"{wrong}\nNothing was written.") from None
        except GoneError as gone:
            raise CommandError(str(gone)) from None
        for line in changes.lines():
            self.stdout.write(line)
        given = len(changes.own_amounts)
        if not given:
            self.stdout.write("Nothing to change.")
        elif options["dry_run"]:
            self.stdout.write(f"Own amounts that it would give: {given:,}. Nothing was written.")
        else:
            self.stdout.write(f"Own amounts given, and in force: {given:,}.")
