"""manage.py digest"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from rich.progress import Progress

from authorizations.management.terminal import console_of, report
from authorizations.services.digest import update
from authorizations.services.verify.digest import NeedsSessionError, verify_digest


class Command(BaseCommand):
    help = (
        "Brings the digest, which lists and charts read, up to date with the decisions. Pages do "
        "this a little at a time; this command does all of it, such as after a restore."
    )
    requires_migrations_checks = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument(
            "--rebuild", action="store_true", help="Empty the digest first, and make it again."
        )
        how.add_argument(
            "--verify",
            action="store_true",
            help="Change nothing; compare it with the decisions and report differences.",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        console = console_of(self.stdout)
        if options["verify"]:
            pieces = -(-update.mark() // update.PIECE) + 1
            try:
                report(console, verify_digest(), total=pieces, what="pieces of the digest")
            except NeedsSessionError:
                raise CommandError(
                    "The digest can't be verified through a connection pooler, because that needs "
                    "temporary tables. Set DATABASE_URL to PostgreSQL itself for this command."
                ) from None
            return
        if connection.in_atomic_block:
            raise CommandError("The digest can't be brought up to date inside a transaction.")
        if options["rebuild"]:
            update.empty()
        goal = update.last_drawn()
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("Digesting decisions", total=goal, completed=update.mark())
            mark = update.digest_all(lambda done: progress.update(task, completed=done))
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE authorizations_listeddecision, authorizations_tally")
        console.print(f"The decisions of all requests up to number {mark:,} are digested.")
